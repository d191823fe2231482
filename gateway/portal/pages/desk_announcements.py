"""The structure's announcements (S2), at the agents' desk: published, changed, withdrawn."""

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter
from gateway.portal.formats import day_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.texts import phrase
from gateway.portal.visit import Visit

HERE = "/bureau/annonces"
ANNOUNCEMENTS = operation("""query DeskAnnouncements($structure: ID!) { ...Shell announcementsOf(structure: $structure, first: 50) {
  nodes { id title body publishedAt endsAt state mail public toldAt } } }""")
_DONE = "{ __typename ... on Refusal { code message } }"
PUBLISH = operation(
    f"mutation PublishAnnouncement($input: PublishAnnouncementInput!) {{ done: publishAnnouncement(input: $input) {_DONE} }}"
)
CHANGE = operation(f"mutation ChangeAnnouncement($input: ChangeAnnouncementInput!) {{ done: changeAnnouncement(input: $input) {_DONE} }}")
WITHDRAW = operation(f"""mutation WithdrawAnnouncement($input: WithdrawAnnouncementInput!) {{
  done: withdrawAnnouncement(input: $input) {_DONE} }}""")


async def announcements(visit: Visit) -> Response:
    await enter(visit)
    return await _page(visit)


async def _page(visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    told = (await visit.ask(ANNOUNCEMENTS, structure=visit.office["id"]))["announcementsOf"]["nodes"]
    zone = ZoneInfo(visit.office["timezone"])
    shown = [{**each, "until": _written(each["endsAt"], zone)} for each in told]
    about: dict[str, Any] = {
        "shown": shown,
        "key": (typed or {}).get("cle") or secrets.token_hex(16),
        "errors": errors or {},
        "typed": typed or {},
    }
    return desk_page(visit, "desk_announcements.html", "announcements", status=422 if errors else 200, **about)


def _written(instant: str | None, zone: ZoneInfo) -> str:
    """The last day that it stands, for a field; it ends when that day does."""
    return (dt.datetime.fromisoformat(instant).astimezone(zone) - dt.timedelta(seconds=1)).date().isoformat() if instant else ""


def _instant(visit: Visit, text: str, *, days: int = 0) -> str | None:
    """The midnight at which that day begins, where the structure is. None: it is no date of our times."""
    assert visit.office is not None, "whoever asks has entered"
    day = day_of(text)
    if day is None or not 1900 < day.year < 9000:
        return None
    day += dt.timedelta(days=days)
    return dt.datetime.combine(day, dt.time(), ZoneInfo(visit.office["timezone"])).isoformat()


def _wrong_dates(visit: Visit, form: Form, *names: str) -> dict[str, str]:
    """Field -> what is wrong: a date that nobody can read is not left out in silence."""
    return {
        name: phrase("ANNOUNCEMENT_DATE_WRONG", visit.language) for name in names if form.one(name) and not _instant(visit, form.one(name))
    }


async def publish(visit: Visit) -> Response:
    form = await visit.form()
    office = await enter(visit)
    if wrong := _wrong_dates(visit, form, "du", "au"):
        return await _page(visit, wrong, {name: form.one(name) for name in form})
    wording: dict[str, Any] = {"title": form.one("titre"), "body": form.one("texte"), "mail": form.one("courrier") == "oui"}
    wording["public"] = form.one("tous") == "oui"
    when = {"publishAt": _instant(visit, form.one("du")), "endsAt": _instant(visit, form.one("au"), days=1)}
    order = {"structure": office["id"], "idempotencyKey": form.one("cle"), **wording, **{name: at for name, at in when.items() if at}}
    return await _after(visit, form, await visit.order(PUBLISH, input=order), "ANNOUNCED", "")


async def change(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    id = form.one("annonce")
    if wrong := _wrong_dates(visit, form, f"au-{id}"):
        return await _page(visit, wrong, {name: form.one(name) for name in form})
    order = {
        "announcement": id,
        "idempotencyKey": form.one("cle"),
        "title": form.one(f"titre-{id}"),
        "body": form.one(f"texte-{id}"),
        "endsAt": _instant(visit, form.one(f"au-{id}"), days=1),
        "public": form.one(f"tous-{id}") == "oui",
        **({"reason": form.one(f"motif-{id}")} if form.one(f"motif-{id}") else {}),
    }
    return await _after(visit, form, await visit.order(CHANGE, input=order), "ANNOUNCEMENT_CHANGED", f"-{id}")


async def withdraw(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    id = form.one("annonce")
    order = {"announcement": id, "idempotencyKey": form.one("cle"), "reason": form.one(f"motif-retrait-{id}")}
    told = await visit.order(WITHDRAW, input=order)
    if "code" in told:
        return await _page(visit, {f"motif-retrait-{id}": told["message"]}, {name: form.one(name) for name in form})
    return visit.see_other(HERE, "ANNOUNCEMENT_GONE")


async def _after(visit: Visit, form: Form, told: Mapping[str, Any], said: str, which: str) -> Response:
    if "code" not in told:
        return visit.see_other(HERE, said)
    field = {"REASON_REQUIRED": "motif"}.get(told["code"], "titre")
    return await _page(visit, {f"{field}{which}": told["message"]}, {name: form.one(name) for name in form})


PAGES = [
    (HERE, ("GET",), announcements),
    (HERE, ("POST",), publish),
    (f"{HERE}/modifier", ("POST",), change),
    (f"{HERE}/retirer", ("POST",), withdraw),
]
