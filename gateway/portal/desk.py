"""The agents' desk: for which structure, and by whom. Whoever is no agent finds nothing there; what is done there, the API audits."""

import datetime as dt
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal.formats import day_of, local
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import OFFICE, Answered, Visit

DESK = operation("query Desk { ...Shell }")


async def enter(visit: Visit) -> Mapping[str, Any]:
    """The structure, with id, name and timezone. Raises Answered: nobody is signed in, or it is no agent."""
    offices = (await visit.ask(DESK))["me"]["agentOf"]
    if not offices:
        raise Answered(visit.trouble("NO_AGENT", 403))
    wanted = visit.kept(OFFICE)
    visit.office = next((one for one in offices if one["id"] == wanted), offices[0])
    return visit.office


def today(visit: Visit) -> dt.date:
    """Where the structure is."""
    assert visit.office is not None, "whoever asks has entered"
    return local(visit.house.clock.now(), visit.office["timezone"]).date()


def date_of(text: str, otherwise: dt.date) -> dt.date:
    """Of an address or a form, which may tell anything."""
    return day_of(text) or otherwise


def why_not(visit: Visit, told: Mapping[str, Any], typed: dict[str, Any], code: str = "DESK_SENT_BEFORE") -> str:
    """The message of a refusal. Where its key did something else already, the form begins anew: no key, no amount.

    `typed`: what is to stand in the form again. `code`: of the texts, what is said then.
    """
    if told["code"] != "IDEMPOTENCY_KEY_REUSED":
        return str(told["message"])
    typed.pop("cle", None)
    typed.update({name: "" for name in typed if "montant" in name})  # Sent again under another key, they would be done twice.
    return phrase(code, visit.language)


def key_of(visit: Visit, typed: Mapping[str, str] | None) -> str:
    """Of a page's forms: what reached nobody keeps its own, so that it is done once; all else begins anew."""
    return (typed or {}).get("cle", "") if visit.unanswered else secrets.token_hex(16)


def not_now(visit: Visit, title: str, here: str, errors: Mapping[str, str] | None = None) -> Response:
    """Instead of what nobody can tell now. `title`: a code of the texts."""
    return desk_page(visit, "desk_away.html", here, status=422 if errors else 200, title=title, errors=errors or {})


class Wrong(Exception):
    """What a form tells cannot be: field -> why."""

    def __init__(self, **told: str) -> None:
        super().__init__(told)
        self.told = told


def date_in(visit: Visit, form: Form, field: str, *, needed: bool = False) -> str | None:
    """As the API wants it. None: the field is empty. Raises Wrong."""
    text = form.one(field)
    if not text and not needed:
        return None
    if day_of(text) is None:
        raise Wrong(**{field: phrase("ANNOUNCEMENT_DATE_WRONG", visit.language)})
    return text


def field_of(visit: Visit, message: str, named: Mapping[str, str], which: str, otherwise: str) -> str:
    """The field that a refusal is about: its message begins with what the field is called. `named`: code of a text -> field."""
    found = (field for code, field in named.items() if message.startswith(phrase(code, visit.language)))
    return next(found, otherwise) + which


def is_administrator(visit: Visit, colleagues: Iterable[Mapping[str, Any]] | None) -> bool:
    """`colleagues`: account and role of whoever works for the structure."""
    me = (visit.data.get("me") or {}).get("id")
    return any(each["account"] == me and each["role"] == "ADMINISTRATOR" for each in colleagues or ())


def desk_page(visit: Visit, template: str, here: str, *, status: int = 200, **told: Any) -> Response:
    """`here`: which part of the desk's own menu."""
    return visit.page(template, status=status, tab="desk", styles=("desk",), here=here, **told)
