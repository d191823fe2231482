"""A family's data as one file: JSON for programs, and a page for people, in a ZIP."""

import html
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import orjson

from services.documents import euros
from services.identity.texts import DATA_COLUMNS, DATA_PAGE, DATA_TABLES, DATA_UNSHOWN, YES_NO
from services.telling import Told

#: A day, or an instant.
DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d:\d\d)[\d.]*(?:\+00:00|Z))?$")
SHOWN = 2000  #: Characters of one value on the page; the JSON has all.


def zipped(document: Mapping[str, Any], told_by: Mapping[str, Told], language: str) -> bytes:
    """`document`: all of it, for programs."""
    english = language == "en"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        names = ("data.json", "read-me.html") if english else ("donnees.json", "lisez-moi.html")
        file.writestr(names[0], orjson.dumps(document, str, orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
        file.writestr(names[1], page(told_by, english=english))
    return content.getvalue()


def page(told_by: Mapping[str, Told], *, english: bool) -> str:
    """A table for each kind of rows. A column that has no word yet has the JSON's name."""
    title, intro = (words[english] for words in DATA_PAGE)
    parts = [f"<h1>{_shown(title)}</h1><p>{_shown(intro)}</p>"]
    for told in told_by.values():
        for name, table in told.items():
            if table["rows"]:
                heading = DATA_TABLES[name][english] if name in DATA_TABLES else name
                parts.append(f"<h2>{_shown(heading)}</h2>{_table(table['rows'], english)}")
    style = (
        "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #999;padding:.2em .5em;vertical-align:top}"
    )
    head = f'<meta charset="utf-8"><title>{_shown(title)}</title><style>{style}</style>'
    return f'<!doctype html><html lang="{"en" if english else "fr"}"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _table(rows: list[dict[str, Any]], english: bool) -> str:
    names = [name for name in rows[0] if name not in DATA_UNSHOWN]
    head = "".join(f"<th>{_shown(DATA_COLUMNS[name][english] if name in DATA_COLUMNS else name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_shown(_said(name, row.get(name), english))}</td>" for name in names) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _said(name: str, value: Any, english: bool) -> Any:
    """As people write it: "oui", "29/11/2026 14:58:47", "50,06 €"; what is none of these as it is."""
    if isinstance(value, bool):
        return YES_NO[english][value]
    if isinstance(value, int) and name.endswith("cents"):
        return euros(value, "en" if english else "fr")
    if isinstance(value, int) and name == "hundredths":
        return value // 100 if value % 100 == 0 else value / 100
    if isinstance(value, str) and (found := DAY.match(value)):
        year, month, day, time = found.groups()
        return (f"{year}-{month}-{day}" if english else f"{day}/{month}/{year}") + (f" {time}" if time else "")
    return value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value, str).decode().strip('"')
    return html.escape(text[:SHOWN])
