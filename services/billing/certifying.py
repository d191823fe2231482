"""A tax certificate in words, for its template."""

from collections.abc import Mapping
from typing import Any

from services.billing.certificate import Certificate, ChildsPart
from services.billing.queries import Household
from services.billing.texts import say
from services.documents import day, euros, short

COLUMNS = ("CHILD", "BIRTH_DATE", "ACTIVITY", "PAID")


def told(certificate: Certificate, home: Household, titles: Mapping[str, str], language: str) -> dict[str, Any]:
    """`titles`: activity -> its name."""
    kind = "CERTIFICATE_PROVISIONAL" if certificate.provisional else "CERTIFICATE"
    amount, year = euros(certificate.cents, language), certificate.year
    notes = [say("CERTIFICATE_COUNTS", language)]
    if certificate.without_birth_date:
        names = ", ".join(short(home.child(child)) for child in certificate.without_birth_date)
        notes.append(say("CERTIFICATE_WITHOUT_BIRTH_DATE", language, names=names))
    return {
        "title": say(f"{kind}_TITLE", language, year=year),
        "says": say(f"{kind}_SAYS", language, year=year, amount=amount, day=day(certificate.as_of)),
        "headings": [say(f"COLUMN_{name}", language) for name in COLUMNS],
        "rows": [row for child in certificate.children for row in _rows(child, home, titles, language)],
        "total": [say("TOTAL", language), "", "", amount],
        "notes": notes,
    }


def _rows(part: ChildsPart, home: Household, titles: Mapping[str, str], language: str) -> list[list[str]]:
    """One for each activity, each of which says whose it is: who listens to a table hears no row above."""
    child = home.children[part.child]
    born = "" if child.birth_date is None else day(child.birth_date)
    return [[short(child.name), born, short(titles.get(activity, activity)), euros(cents, language)] for activity, cents in part.activities]
