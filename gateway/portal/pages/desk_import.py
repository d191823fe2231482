"""Families from a file, at the agents' desk: tried first, with what would become of each line, then taken in."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, key_of
from gateway.portal.forms import LARGEST
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

HERE = "/bureau/importer-familles"
SHOWN = 300  #: Lines that are drawn; those refused come first.
#: Of a file, so that its form is not too large (forms.py): an accent, a semicolon or a line end is three bytes or six there.
LARGEST_KB = 80
KEPT = 4 * LARGEST  #: bytes of a form that is too large, and stands there again all the same, to be cut.
FIRST = ("REFUSED", "CREATED", "CHANGED")
SHELL_ALONE = operation("query DeskImport { ...Shell }")
IMPORT = operation("""mutation ImportFamilies($structure: ID!, $csv: String!, $key: String!, $dry: Boolean!, $reason: String) {
  done: importFamilies(structure: $structure, csv: $csv, idempotencyKey: $key, dryRun: $dry, reason: $reason) { __typename
    ... on ImportReport { created changed unchanged refused lines { line outcome family message } }
    ... on Refusal { code message } } }""")


async def empty(visit: Visit) -> Response:
    await enter(visit)
    return await _page(visit)


async def _page(
    visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None, report: Mapping[str, Any] | None = None
) -> Response:
    """`report`: of a try, where the file stands in the form again; or of what was done, where it does not."""
    told = [line for line in report["lines"] if line["outcome"] in FIRST or line["message"]] if report else []
    shown = sorted(told, key=lambda line: (line["outcome"] != "REFUSED", line["line"]))
    more = {"lines": shown[:SHOWN], "left": len(shown[SHOWN:]), "largest": LARGEST_KB, "key": key_of(visit, typed)}
    status = 422 if errors else 200
    return desk_page(visit, "desk_import.html", "families", status=status, errors=errors or {}, typed=typed or {}, report=report, **more)


async def send(visit: Visit) -> Response:
    """Tried, or done. Sent twice, it is done once, and says the same."""
    form = await visit.large_form(KEPT)
    office = await enter(visit)
    too_large = {"fichier": phrase("IMPORT_TOO_LARGE", visit.language, most=LARGEST_KB)}
    if form is None:
        return await _page(visit, too_large)
    typed = {"fichier": form.whole("fichier"), "motif": form.one("motif"), "cle": form.one("cle")}
    if len(urlencode(typed)) > LARGEST:
        return await _page(visit, too_large, typed)
    tries = form.one("faire") != "importer"
    about = {"csv": typed["fichier"], "key": f"{typed['cle']}-essai" if tries else typed["cle"], "reason": typed["motif"] or None}
    told = await visit.order(IMPORT, structure=office["id"], dry=tries, **about)
    if "code" in told:
        field = "motif" if told["code"] == "REASON_REQUIRED" else "fichier"
        return await _page(visit, {field: told["message"]}, typed)
    await visit.ask(SHELL_ALONE)
    return await _page(visit, None, typed if tries else None, {**told, "tried": tries})


PAGES = [(HERE, ("GET",), empty), (HERE, ("POST",), send)]
