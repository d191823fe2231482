"""The draft as a whole, put back as it was or emptied: what undoes the last act, and all of them (S25)."""

from starlette.responses import Response

from gateway.portal import draft
from gateway.portal.operations import operation
from gateway.portal.visit import Visit, local

WHOSE = operation("query WhoseDraft { ...Shell }")


async def put_back(visit: Visit) -> Response:
    """`/brouillon`, with the draft in `brouillon` and where to go on in `suite`."""
    form = await visit.form()
    await visit.ask(WHOSE)
    before, lines = visit.choices(), draft.read(form.one("brouillon"))
    onward = local(form.one("suite"))
    try:
        visit.keep_choices(lines)
    except draft.TooLong:  # Nobody had such a draft.
        return visit.see_other(onward)
    return visit.see_other(onward, "UNDONE") if lines else visit.see_other(onward, "EMPTIED", undo=before)


PAGES = [("/brouillon", ("POST",), put_back)]
