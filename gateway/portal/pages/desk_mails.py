"""Mails at the agents' desk: those that wait, failed or were given up, and those that went out; sent again, or given up."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, not_now
from gateway.portal.operations import operation
from gateway.portal.visit import Visit

HERE = "/bureau/courriers"
#: What of the address chooses which mails are looked at: the first, where it chooses nothing.
CHOICES = {
    "a-regarder": ["FAILED", "GIVEN_UP", "NO_ADDRESS"],
    "a-envoyer": ["WAITING"],
    "retires": ["WITHDRAWN"],
    "envoyes": ["SENT"],
}
MAILS = operation("""query DeskMails($structure: ID!, $standing: [MailStanding!]!, $after: String) { ...Shell
  mails(structure: $structure, standing: $standing, first: 30, after: $after) { hasNextPage endCursor nodes {
    id kind kindName subject standing why serverSaid toBeCorrected address attempts writtenAt nextAttemptAt sentAt family { number } } }
  mailCounts(structure: $structure) { waiting failed givenUp noAddress withdrawn } }""")
_DONE = "{ __typename ... on Refusal { code message } }"
AGAIN = operation(f"mutation SendMailAgain($mail: ID!) {{ done: sendMailAgain(mail: $mail) {_DONE} }}")
GIVE_UP = operation(f"mutation GiveUpMail($mail: ID!) {{ done: giveUpMail(mail: $mail) {_DONE} }}")


async def mails(visit: Visit) -> Response:
    """`?etat=&apres=`"""
    await enter(visit)
    asked = visit.request.query_params
    return await _page(visit, asked.get("etat", ""), asked.get("apres") or None)


async def _page(visit: Visit, chosen: str, after: str | None = None, errors: dict[str, str] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    chosen = chosen if chosen in CHOICES else next(iter(CHOICES))
    data = await visit.seek(MAILS, structure=visit.office["id"], standing=CHOICES[chosen], after=after)
    if not data:
        return not_now(visit, "DESK_MAILS", "mails", errors)
    told = {"found": data["mails"], "choices": _counted(data["mailCounts"]), "chosen": chosen, "errors": errors or {}}
    return desk_page(visit, "desk_mails.html", "mails", status=422 if errors else 200, **told)


def _counted(counts: dict[str, int] | None) -> dict[str, int | None]:
    """Of each choice how many there are; None: that is not counted, or nobody can say."""
    if counts is None:
        return dict.fromkeys(CHOICES)
    to_look_at = counts["failed"] + counts["givenUp"] + counts["noAddress"]
    return {"a-regarder": to_look_at, "a-envoyer": counts["waiting"], "retires": counts["withdrawn"], "envoyes": None}


async def send_again(visit: Visit) -> Response:
    return await _done(visit, AGAIN, "MAIL_SENT_AGAIN")


async def give_up(visit: Visit) -> Response:
    return await _done(visit, GIVE_UP, "MAIL_GIVEN_UP")


async def _done(visit: Visit, document: str, said: str) -> Response:
    form = await visit.form()
    await enter(visit)
    mail, chosen = form.one("courrier"), form.one("etat")
    told: Any = await visit.order(document, mail=mail)
    if "code" in told:
        return await _page(visit, chosen, errors={f"courrier-{mail}": told["message"]})
    return visit.see_other(f"{HERE}?{urlencode({'etat': chosen})}", said)


PAGES = [
    (HERE, ("GET",), mails),
    (f"{HERE}/renvoyer", ("POST",), send_again),
    (f"{HERE}/abandonner", ("POST",), give_up),
]
