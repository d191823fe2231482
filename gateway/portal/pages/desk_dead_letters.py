"""What the services could not handle of the town's events, at the agents' desk: seen, and handled again."""

from typing import Any

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter
from gateway.portal.operations import operation
from gateway.portal.texts import TEXTS, phrase
from gateway.portal.visit import Visit

HERE = "/bureau/messages-en-echec"
SERVICES = ("booking", "billing", "identity", "mailer")
_TOLD = "{ totalCount hasNextPage endCursor nodes { id event occurredAt failedAt attempts why canBeRetried } }"
_LISTS = " ".join(f"{each}: {each}DeadLetters(structure: $structure, first: 30, after: ${each}) {_TOLD}" for each in SERVICES)
_AFTER = ", ".join(f"${each}: String" for each in SERVICES)
DEAD_LETTERS = operation(f"query DeskDeadLetters($structure: ID!, {_AFTER}) {{ ...Shell {_LISTS} }}")


def _retry(service: str) -> str:
    named = service.title()
    return operation(f"""mutation Retry{named}DeadLetter($structure: ID!, $letter: ID!) {{
  done: retry{named}DeadLetter(structure: $structure, deadLetter: $letter) {{ __typename ... on Refusal {{ code message }} }} }}""")


RETRY = {service: _retry(service) for service in SERVICES}


async def dead_letters(visit: Visit) -> Response:
    """`?booking=`: after which of booking's one goes on, and so of each service."""
    await enter(visit)
    asked = visit.request.query_params
    return await _page(visit, {each: asked.get(each) or None for each in SERVICES})


async def _page(visit: Visit, after: dict[str, str | None], errors: dict[str, str] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    data = await visit.ask(DEAD_LETTERS, structure=visit.office["id"], **after)
    events = {letter["event"] for each in SERVICES if data[each] for letter in data[each]["nodes"]}
    told = {
        "lists": {each: data[each] for each in SERVICES},
        "words": {each: _words(visit, each) for each in events},
        "errors": errors or {},
    }
    return desk_page(visit, "desk_dead_letters.html", "dead-letters", status=422 if errors else 200, **told)


def _words(visit: Visit, event: str) -> str:
    """What an event tells, as people say it."""
    code = f"EVENT_{event}"
    return phrase(code if code in TEXTS else "EVENT_UNKNOWN", visit.language)


async def retry(visit: Visit) -> Response:
    form = await visit.form()
    office = await enter(visit)
    service, letter = form.one("service"), form.one("message")
    if service not in RETRY:
        return visit.see_other(HERE)
    told: Any = await visit.order(RETRY[service], structure=office["id"], letter=letter)
    if "code" in told:
        return await _page(visit, dict.fromkeys(SERVICES), {f"message-{letter}": told["message"]})
    return visit.see_other(HERE, "DEAD_LETTER_DONE")


PAGES = [
    (HERE, ("GET",), dead_letters),
    (f"{HERE}/reessayer", ("POST",), retry),
]
