"""Choosing days (P9, P10): the eight states, the three toggles, hours, undo, live places; with a script, without, and without a network."""

import asyncio
import datetime as dt
import itertools
import random
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from gateway.portal import assets, days, draft, formats
from gateway.portal.days import Cell, cell_of, month_of
from gateway.portal.draft import Line
from services.booking import draft as rule
from services.booking.calendar import DayState
from services.refusal import Language
from tests.facts import until
from tests.flows.conftest import Found, founding
from tests.flows.system import System
from tests.flows.town import Town, activity, family, today
from tests.portal.browsing import CUT, PHONE, Watch, axe, comes_to_show, cut_off, keeps, lands_on, shot, signs_in, too_wide
from tests.portal.conftest import Browse, MakeVisitor
from tests.portal.test_money import Api, text_of

TODAY = dt.date(2026, 11, 3)
NOVEMBER = [dt.date(2026, 11, day) for day in range(1, 31)]
SEASON = (dt.date(2026, 9, 1), dt.date(2027, 7, 6))
BOOKED = {"rank": None, "arrival": "07:30", "departure": "08:45"}


def told(date: dt.date, state: str, **more: Any) -> dict[str, Any]:
    booking = {**BOOKED, "rank": 2 if "WAITING" in state else None} if state.startswith(("BOOKED", "WAITING")) else None
    return {
        "date": date.isoformat(),
        "state": state,
        "placesLeft": None,
        "reason": None,
        "reasonCode": None,
        "booking": booking,
        "revision": 1,
    } | more


def cell(state: str, change: str | None = None, **more: Any) -> Cell:
    date = dt.date(2026, 11, 12)
    line = None if change is None else Line(date, "amalia", "aps", "BOOK" if change == "BOOK" else "CANCEL")
    return cell_of(told(date, state, **more), line, TODAY, "fr")


# ------------------------------------------------------------------------------------------------------- words and signs
def test_each_of_the_eight_states_has_signs_and_words_of_its_own() -> None:
    cells = [cell(state.name) for state in DayState]
    assert len({(each.icon, each.second) for each in cells}) == 8
    assert len({(each.label, each.more) for each in cells}) == 8
    assert [(each.state, each.pressed) for each in cells if each.acts] == [
        ("AVAILABLE", False),
        ("WAITLIST_OPEN", False),
        ("BOOKED", True),
        ("WAITING", True),
    ]


def test_s24_s30_a_day_tells_its_places_and_what_the_draft_does_to_it() -> None:
    assert [cell("AVAILABLE", placesLeft=n).label for n in (0, 1, 3)] == ["0 place", "1 place", "3 places"]
    marks = [
        cell(state, change)
        for state, change in (("AVAILABLE", "BOOK"), ("WAITLIST_OPEN", "BOOK"), ("BOOKED", "CANCEL"), ("WAITING", "CANCEL"))
    ]
    assert [(each.mark, each.label, each.pressed) for each in marks] == [
        ("add", "À réserver", True),
        ("addwait", "Vers attente", True),
        ("cancel", "À annuler", False),
        ("leave", "À retirer", False),
    ]
    assert (cell("FULL", "BOOK").mark, cell("BOOKED_LOCKED", "CANCEL").pressed) == ("", True)  # What cannot be changed looks as it is.
    late = [cell_of(told(date, "CLOSED", reasonCode="TOO_LATE"), None, TODAY, "fr").label for date in (NOVEMBER[1], NOVEMBER[4])]
    assert late == ["Passé", "Hors délai"]


def test_a_month_shows_the_weekdays_that_are_ever_open_and_its_arrows_stop_with_the_season() -> None:
    def of(month: list[dt.date], open_on: set[int]) -> days.Month:
        rows = [told(day, "AVAILABLE") if day.weekday() in open_on else told(day, "CLOSED", reasonCode="WEEKDAY") for day in month]
        return month_of(rows, {}, TODAY, SEASON, "fr")

    november = of(NOVEMBER, {0, 2})
    assert [each.text for each in november.columns] == ["lundi", "mercredi"]
    assert [(week.bulk.text, [each and each.date.day for each in week.cells]) for week in november.weeks][0::4] == [
        ("S45", [2, 4]),
        ("S49", [30, None]),
    ]
    assert november.weeks[1].bulk.name("fr") == "semaine 46, du 9 novembre au 11 novembre : tout réserver"
    assert (november.previous, november.next, len(of(NOVEMBER, set()).columns)) == ("2026-10", "2026-12", 5)
    september = [dt.date(2026, 9, day) for day in range(1, 31)]
    july = [dt.date(2027, 7, day) for day in range(1, 32)]
    assert (of(september, {0}).previous, of(july, {0}).next) == (None, None)


def test_s27_a_toggle_says_beforehand_what_the_first_day_that_can_be_changed_decides() -> None:
    assert days.effect_of([cell("CLOSED"), cell("BOOKED_LOCKED"), cell("AVAILABLE"), cell("BOOKED")]) is True
    assert days.effect_of([cell("FULL"), cell("AVAILABLE", "BOOK"), cell("AVAILABLE")]) is False
    assert days.effect_of([cell("FULL"), cell("CLOSED")]) is None


def test_s25_a_cookie_may_be_anything() -> None:
    line = Line(dt.date(2026, 11, 1), "a", "b")
    assert draft.read("a:b:b202611.1+b202611.1@07300845") == [line, Line(line.date, "a", "b", "BOOK", "07:30", "08:45")]
    assert draft.read("|::|a:b|a:b:x|a:b:b202613.1+b202600.ff+c202602.80000000|%zz:b:b202611.fffffffff") == []
    assert draft.read("a:b:b٢٠٢٦١١.1|a:b:b202611.1@٠٧٣٠٠٨٤٥") == [], "digits are those that a script reads, too"


def test_reading_a_draft_ends_before_anybody_has_to_wait_for_it() -> None:
    endless = "a:b:" + "+".join(f"b{year}{month:02}.7fffffff" for year in range(2000, 2900) for month in range(1, 13))
    assert len(draft.read(endless)) == draft.MOST
    assert draft.LONGEST / len("+b202611.7fffffff") * 31 < draft.MOST, "as many as a cookie may hold are all read"


#: What is left of red, green and blue, in linear light (Machado, Oliveira and Fernandes 2009, at their worst).
SIGHT = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "grey": ((0.2126, 0.7152, 0.0722),) * 3,
}
TEXT_ON_FILL = "closed-fg/closed-bg full-fg/full-bg full-fg/#dfe2e6 open-fg/open-bg open-fg/#fff wlo-fg/wlo-bg bk-fg/bk-bg wt-fg/wt-bg"
TEXT_ON_FILL += " wt-fg/#7a5cc4 bk-ink/bk-soft wt-ink/wt-soft mute/card mute/bg mute/#f1f4f7 ink/#f1f4f7"
ON_THE_CARD = "full-bd/card open-bd/card wlo-bd/card bk-bg/card wt-bg/card focus/card brand/card"


@pytest.mark.parametrize("sight", SIGHT)
def test_text_of_every_state_stands_out_from_its_fill_and_every_border_from_the_card(sight: str) -> None:
    """WCAG 1.4.3 and 1.4.11, whatever somebody sees of colours."""
    tokens = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", assets.styles("calendar")))

    def light(colour: str) -> float:
        colour = tokens.get(colour, colour)
        digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        seen = [min(1, max(0, sum(a * b for a, b in zip(row, linear, strict=True)))) for row in SIGHT[sight]]
        return sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), seen, strict=True))

    def ratio(pair: str) -> float:
        lighter, darker = sorted(map(light, pair.split("/")), reverse=True)
        return round((lighter + 0.05) / (darker + 0.05), 2)

    assert {pair: ratio(pair) for pair in TEXT_ON_FILL.split() if ratio(pair) < 4.5} == {}
    assert {pair: ratio(pair) for pair in ON_THE_CARD.split() if ratio(pair) < 3} == {}


# ------------------------------------------------------------------------------------------------------- the rule, twice
SEQUENCES, ACTS = 40, 6
PLAY = """async ([base, games]) => {
  const [{ toggle }, { read, written }] = await Promise.all(['toggling', 'draft'].map(name => import(`${base}/${name}.js`)));
  return games.map(({ before, acts }) => {
    let lines = read(before);
    for (const days of acts) lines = read(written(toggle(days, lines, 'amalia', 'aps', ['07:30', '08:45']).draft));
    return written(lines);
  });
}"""


def game(chance: random.Random) -> tuple[dict[str, Any], str]:
    """Random clicks on a random month, now and then with another state of it; and the draft that the API's rule makes of them."""
    states = {day: chance.choice(list(DayState)) for day in NOVEMBER}
    other = rule.DraftLine(rule.DraftChange.BOOK, "paolo", "aps", NOVEMBER[4], "07:30", "08:45")
    lines: tuple[rule.DraftLine, ...] = (other,)
    acts = []
    for _ in range(ACTS):
        states |= {day: chance.choice(list(DayState)) for day in chance.sample(NOVEMBER, 3)}
        meant = rule.days_of(chance.choice(list(rule.ToggleScope)), NOVEMBER, chance.choice(NOVEMBER))
        its = [rule.Day(day, states[day], booked_hours=("07:30", "08:45")) for day in meant]
        acts.append([{"date": day.isoformat(), "state": states[day].name} for day in meant])
        lines = rule.toggle(rule.Choice("amalia", "aps", ("07:30", "08:45")), its, lines).draft
    return {"before": written((other,)), "acts": acts}, written(lines)


def written(lines: tuple[rule.DraftLine, ...]) -> str:
    def hours(line: rule.DraftLine) -> tuple[str, str] | tuple[None, None]:
        return (line.arrival, line.departure) if line.change is rule.DraftChange.BOOK else (None, None)

    return draft.written(Line(line.date, line.child, line.activity, line.change.value, *hours(line)) for line in lines)


async def test_s27_s28_s29_a_browser_makes_of_clicks_what_the_api_does(desktop: Page) -> None:
    games = [game(random.Random(seed)) for seed in range(SEQUENCES)]
    await desktop.goto("/connexion")
    base = assets.address("draft.js").rpartition("/")[0]
    assert await desktop.evaluate(PLAY, [base, [each for each, _ in games]]) == [draft for _, draft in games]


LOOK = """async ([base, games]) => {
  const { heard, look, speaking, why } = await import(`${base}/days.js`);
  return games.map(({ words, language, told, line, today }) => {
    const its = look(told, line ?? undefined, today, speaking(words, language)), stuck = its.acts ? '' : why(told, today, speaking(words, language));
    return [its.mark, its.icon, its.second, its.label, its.short, its.hours, heard(its), its.acts, its.pressed, stuck];
  });
}"""


async def test_s24_s30_a_browser_draws_each_state_of_a_day_as_the_page_was_sent(desktop: Page) -> None:
    """All eight, under each draft, with every reason to be closed, in both languages; and why a click does nothing, in the same words."""
    games, sent = [], []
    languages: tuple[Language, ...] = ("fr", "en")
    hours = {"arrival": "08:00", "departure": "11:30"}
    for language, state, change, code in itertools.product(languages, DayState, (None, "BOOK", "CANCEL"), (None, *days.CLOSED_WORDS)):
        for date, places in ((NOVEMBER[1], 1), (NOVEMBER[11], 3)):
            line = change and {"date": date.isoformat(), "child": "amalia", "activity": "aps", "change": change, **hours}
            its = told(date, state.name, placesLeft=places if state.name == "AVAILABLE" else None, reasonCode=code)
            its["reason"] = None if code is None else f"Closed: {code}"
            words = days.words(language, days.DAY_TEXTS, days.DAY_COUNTED)
            games.append({"words": words, "language": language, "told": its, "line": line, "today": TODAY.isoformat()})
            kept = Line(date, "amalia", "aps", change, *hours.values()) if change else None  # type: ignore[arg-type]
            cell = cell_of(its, kept, TODAY, language)
            sent.append(
                [
                    cell.mark,
                    cell.icon,
                    cell.second,
                    cell.label,
                    cell.short,
                    cell.hours,
                    cell.heard and f", {cell.heard}",
                    cell.acts,
                    cell.pressed,
                    "" if cell.acts else days.why(its, TODAY, language),
                ]
            )
    await desktop.goto("/connexion")
    drawn = await desktop.evaluate(LOOK, [assets.address("draft.js").rpartition("/")[0], games])
    differ = [(game, one, other) for game, one, other in zip(games, sent, drawn, strict=True) if one != other]
    assert differ == []


# ---------------------------------------------------------------------------------------------------------- in a real town
WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday"]
CHOSEN = {"from": "07:30", "to": "18:30", "step_minutes": 15, "minimum_minutes": 60}


STATES = """query($child: ID!, $activity: ID!, $month: YearMonth!) {
  child(id: $child) { calendar(month: $month, activity: $activity) { days { date state } } } }"""


class Scene:
    """`free`: days of the month after next on which the activity is open to all. Of `late`: a day that is closed, and one that is locked."""

    def __init__(self, town: Town, free: list[dt.date]) -> None:
        self.town, self.free = town, free
        self.closed, self.locked = stuck_days()
        self.month = f"{free[0]:%Y-%m}"
        self.query = {"enfant": town.named("amalia"), "activite": town.named("aps"), "mois": self.month}

    @property
    def path(self) -> str:
        return "/reserver?" + "&".join(f"{name}={value}" for name, value in self.query.items())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with founding(system, tmp_path_factory.mktemp("town")) as found:
        yield await set_up(found)


def stuck_days() -> tuple[dt.date, dt.date]:
    """Of that month: a Tuesday, and the Wednesday after it."""
    first = (today().replace(day=1) + dt.timedelta(days=62)).replace(day=1)
    tuesday = next(day for day in (first + dt.timedelta(days=number) for number in range(7, 14)) if day.weekday() == 1)
    return tuesday, tuesday + dt.timedelta(days=1)


async def set_up(found: Found) -> Scene:
    """A day that Amalia has, one for which she waits, one on which she could wait, a full one; then free ones."""
    more = {"weekdays": WEEK, "open_on": [], "capacity": 2, "waiting_list": 1}
    closed, locked = stuck_days()
    late = {"closed_on": [f"{closed}"], "open_on": [f"{locked}"], "cancellation_deadline": {"days_before": 120, "at": "09:00"}}
    activities = [activity("aps", **more), activity("multi", **{**more, "hours": CHOSEN}), activity("late", **{**more, **late})]
    debt = [{"date": "today-3d", "wallet": "periscolaire", "label": "Reprise de solde", "cents": 5000}]
    families = [
        family("dupont", children=["amalia", "paolo"], activities=["aps", "multi", "late"]),
        family("martin", children=["martin-child", "second", "third"]),
        family("leroy", charges=debt),
    ]
    town = await found(activities=activities, families=families)
    dupont, martin = await town.everybody("dupont", "martin")
    month = f"{(today().replace(day=1) + dt.timedelta(days=62)):%Y-%m}"
    told: dict[str, Any] = {}

    async def answered() -> bool:
        """Booking's first answer after a town was loaded may be late on a machine that is busy."""
        asked = {"child": town.named("amalia"), "activity": town.named("aps"), "month": month}
        told.clear()
        told.update(await town.post(STATES, asked, token=dupont.token))
        return "errors" not in told

    await until(answered, within=60)
    calendar = told["data"]["child"]["calendar"]
    free = [dt.date.fromisoformat(each["date"]) for each in calendar["days"] if each["state"] == "AVAILABLE"]
    booked, waiting, possible, full = free[:4]
    await dupont.submits([dupont.line(booked, child="amalia"), dupont.line(locked, child="amalia", activity="late")])
    taken = [martin.line(date, child=child) for child in ("martin-child", "second") for date in (waiting, possible, full)]
    await martin.submits([*taken, martin.line(full, child="third")])
    await dupont.submits([dupont.line(waiting, child="amalia")])
    return Scene(town, free)


def cookie_of(jar: Any) -> list[Line]:
    return next((draft.read(each.value.strip('"')) for each in jar if each.name.startswith("preau_brouillon_") and each.value), [])


def said(html: str) -> str:
    found = re.search(r'class="said".*?<p>(.*?)</p>', html, re.DOTALL)
    return found.group(1) if found else ""


async def test_without_script_each_click_is_kept_and_said_and_undone(visitor: MakeVisitor, scene: Scene) -> None:
    one = visitor()
    page = await one.signs_in(scene.town, "dupont", scene.path)
    booked, waiting, possible, full, *others = scene.free
    states = dict(re.findall(r'value="jour-([\d-]+)" class="day" data-s="(\w+)"', page.text))
    assert [states[day.isoformat()] for day in scene.free[:5]] == ["BOOKED", "WAITING", "WAITLIST_OPEN", "FULL", "AVAILABLE"]

    async def clicks(value: str, **more: str) -> str:
        return (await one.sends("/reserver", **scene.query, bascule=value, **more)).text

    text = await clicks(f"jour-{others[0]}")
    assert said(text).endswith(": À réserver")
    assert [line.date for line in cookie_of(one.client.cookies.jar)] == [others[0]]
    assert f'value="jour-{others[0]}" class="day" data-s="AVAILABLE" data-p="add"' in text
    assert said(await clicks(f"jour-{full}")).endswith(": complet, liste d’attente comprise")
    text = await clicks("mois")  # The first that can be changed is booked: all are cancelled, and what was chosen is let go (S29).
    assert [(line.date, line.change) for line in cookie_of(one.client.cookies.jar)] == [(booked, "CANCEL"), (waiting, "CANCEL")]
    assert "2 jours à annuler" in text
    text = await clicks("mois")
    chosen = [line for line in cookie_of(one.client.cookies.jar) if line.change == "BOOK"]
    assert len(chosen) == len(scene.free) - 3  # Not what is booked, waits or is full.
    assert "dont 1 en liste d’attente" in text
    assert said((await one.sends("/reserver", **scene.query, retirer=possible.isoformat())).text) == "Ce jour est retiré de vos choix."
    assert possible not in [line.date for line in cookie_of(one.client.cookies.jar)]
    cost = await one.opens("/reserver/cout", famille=scene.town.named("dupont"))
    assert cost.json() == {"text": f"{131 * (len(chosen) - 1) / 100:.2f}".replace(".", ",") + "\xa0€"}
    text = (await one.sends("/brouillon", brouillon="", suite=scene.path)).text
    assert (cookie_of(one.client.cookies.jar), "Choisissez des jours" in text) == ([], True)


async def test_s26_hours_are_asked_for_and_kept_within_the_bounds(visitor: MakeVisitor, scene: Scene) -> None:
    one = visitor()
    place = scene.query | {"activite": scene.town.named("multi")}
    await one.signs_in(scene.town, "dupont")
    page = await one.opens("/reserver", **place, lang="en")
    assert re.findall(r'<option value="([\d:]+)"', page.text)[:3] == ["07:30", "07:45", "08:00"]
    day = f"jour-{scene.free[4]}"
    wrong = await one.sends("/reserver", **place, bascule=day, arrivee="09:00", depart="09:15")
    assert (wrong.status_code, "<title>Error" in wrong.text, 'href="#arrivee"' in wrong.text) == (422, True, True)
    right = await one.sends("/reserver", **place, bascule=day, arrivee="09:00", depart="11:30")
    assert [(line.arrival, line.departure) for line in cookie_of(one.client.cookies.jar)] == [("09:00", "11:30")]
    assert ("09:00–11:30" in right.text, 'value="09:00" selected' in right.text) == (True, True)


async def test_s21_who_is_in_debt_books_nothing_and_is_shown_the_way_to_pay(visitor: MakeVisitor, scene: Scene) -> None:
    one = visitor()
    place = scene.query | {"enfant": scene.town.named("leroy-child")}
    page = await one.signs_in(scene.town, "leroy", scene.path.replace(scene.query["enfant"], place["enfant"]))
    assert ("débiteur" in page.text, 'href="/paiement">Payer en ligne' in page.text, 'href="/soldes"' in page.text) == (True, True, True)
    refused = await one.sends("/reserver", **place, bascule=f"jour-{scene.free[4]}")
    assert (refused.status_code, cookie_of(one.client.cookies.jar)) == (422, [])


async def test_s23_the_child_comes_first_and_what_is_the_only_one_is_chosen(visitor: MakeVisitor, scene: Scene) -> None:
    one, other = visitor(), visitor()
    start = await one.signs_in(scene.town, "dupont", "/reserver")
    assert ("Choisissez d’abord un enfant" in start.text, "Amalia" in start.text) == (True, True)
    chosen = await one.opens("/reserver", enfant=scene.town.named("amalia"))
    assert ("Réserver pour Amalia" in chosen.text, "MULTI" in chosen.text) == (True, True)
    for odd in ({"enfant": "nobody", "activite": "nothing"}, scene.query | {"activite": "nothing"}, scene.query | {"mois": "2026-99"}):
        assert (await one.opens("/reserver", **odd)).status_code in (200, 404)
    only = await other.signs_in(scene.town, "leroy", "/reserver")
    assert (only.url.params["activite"], "<table" in only.text) == (scene.town.named("aps"), True)
    assert (await one.opens("/reserver", **scene.query | {"activite": "*"})).url.path == "/reserver/mois"


async def test_at_the_start_it_is_said_until_when_booking_is_closed() -> None:
    known = [{"id": name, "name": name.upper(), "opensOn": f"{year}-09-01"} for name, year in (("aps", 2099), ("soir", 2020))]
    children = [{"id": "amalia", "firstName": "Amalia", "activities": known}]
    one = Api(family={"children": children, "bookingAccess": {"open": True, "refusal": None}}).visitor()
    page = text_of((await one.opens("/reserver")).text)
    assert ": booking is closed until it opens, on 1 September 2099." in page
    assert page.count("booking is closed until") == 1, "the other one is open"


async def test_a_draft_that_is_too_long_says_so_and_loses_nothing(visitor: MakeVisitor, scene: Scene) -> None:
    one = visitor()
    await one.signs_in(scene.town, "dupont", scene.path)
    long = draft.written(Line(dt.date(2026, month, 1), f"child-{n}" * 3, f"activity-{n}" * 2) for n in range(55) for month in (1,))
    one.client.cookies.set(draft.cookie(scene.town.named("dupont")), long)
    while len(long) < draft.LONGEST - 20:
        long += "|" + long.split("|")[0].replace("child-0", f"kid-{len(long)}")
    one.client.cookies.set(draft.cookie(scene.town.named("dupont")), long[: draft.LONGEST])
    answer = await one.sends("/reserver", **scene.query, bascule="mois")
    assert (answer.status_code, "trop nombreux" in answer.text) == (422, True)


# ------------------------------------------------------------------------------------------------------------- in a browser
SEEN = """html => {
  const cells = page => [...page.querySelectorAll('.cal button, .bulk.month, #lignes li, #lignes p:not(.cost)')].map(each => {
    const told = [...each.attributes].filter(({ name }) => name !== 'tabindex').map(({ name, value }) => `${name}=${value}`);
    return [each.localName, ...told.sort(), each.innerHTML].join(' '); });
  const [sent, painted] = [new DOMParser().parseFromString(html, 'text/html'), document].map(cells);
  return sent.flatMap((each, at) => each === painted[at] ? [] : [[each, painted[at]]]);
}"""
#: Without a word or a colour: its border, its outline, its signs.
BORDERS = """path => { const day = document.querySelector(path), style = getComputedStyle(day);
  return [parseFloat(style.borderTopWidth), style.borderTopStyle, style.outlineStyle,
    ...[...day.querySelectorAll('use')].map(each => each.getAttribute('href'))]; }"""
#: Signs in a colour of their own, which nobody may see on what the system paints behind them.
UNSEEN = """() => [...document.querySelectorAll('main svg.ic')].filter(each => each.checkVisibility()
  && getComputedStyle(each).color !== getComputedStyle(each.parentElement).color).map(each => each.outerHTML)"""
SEEN_WORDS = """all => all.map(button => [...button.querySelectorAll('.n, .lg, .sm, .h, .dn')].filter(each => each.checkVisibility())
  .map(each => each.innerText.trim()).filter(Boolean))"""
FOCUSED = "() => document.activeElement.value ?? document.activeElement.id"
SMALL = """() => [...document.querySelectorAll('main button, main a, main select, main summary')].filter(each => each.offsetParent)
  .map(each => [each.textContent.trim(), each.getBoundingClientRect()]).filter(([, box]) => Math.min(box.width, box.height) < 24).map(([text]) => text)"""


def day(date: dt.date) -> str:
    return f".day[value='jour-{date}']"


async def chosen(page: Page) -> list[tuple[dt.date, str]]:
    cookies = await page.context.cookies()
    text = next((each["value"] for each in cookies if each["name"].startswith("preau_brouillon_")), "")
    return [(line.date, line.change) for line in draft.read(text.strip('"'))]


async def opened(page: Page, scene: Scene, path: str | None = None) -> None:
    await page.goto(path or scene.path)
    await page.wait_for_selector("table[data-ready]")


async def test_a_calendar_answers_at_once_by_pointer_and_by_keyboard_and_undoes(desktop: Page, scene: Scene) -> None:
    page, (booked, waiting, possible, full, *others) = desktop, scene.free
    await signs_in(page, scene.town, "dupont")
    await opened(page, scene)
    assert await page.evaluate(SEEN, await (await page.context.request.get(scene.path)).text()) == []
    for date in (booked, waiting, possible, others[0]):
        await page.click(day(date))
    changed = [(booked, "CANCEL"), (waiting, "CANCEL"), (possible, "BOOK"), (others[0], "BOOK")]
    assert await chosen(page) == changed
    assert [await page.get_attribute(day(date), "data-p") for date, _ in changed] == ["cancel", "leave", "addwait", "add"]
    assert await page.evaluate(SEEN, await (await page.context.request.get(scene.path)).text()) == []
    await expect(page.locator("#cout")).to_have_text("2,62\xa0€")  # A waiting place included, as the recap sums it up.
    await shot(page, "booking-draft")
    assert await axe(page) == []
    await page.dispatch_event(day(full), "click")
    assert "complet, liste d’attente comprise" in await page.inner_text("#annonce")
    await page.keyboard.press("Control+z")
    await page.click("#defaire")
    assert await chosen(page) == changed[:2]
    await page.reload()
    await page.wait_for_selector("table[data-ready]")
    assert await page.get_attribute(day(booked), "data-p") == "cancel"
    await stays_as_it_is(page, scene)
    await page.click("#effacer")
    assert await chosen(page) == []
    await by_keyboard(page, others)
    assert await page.evaluate("() => document.querySelectorAll('table.cal [tabindex=\"0\"]').length") == 1
    for key, is_there in (("PageUp", False), ("PageDown", True)):
        await page.locator(".cal .day").first.focus()
        await page.keyboard.press(key)
        await page.wait_for_url(lambda address, is_there=is_there: (scene.month in address) is is_there)
        await page.wait_for_selector("table[data-ready]")


async def test_a_journey_without_script_from_the_child_to_giving_back(without_script: Page, scene: Scene) -> None:
    """S23, S25, S26, S33, S34, S35: child, activity, month, hours, recap, outcome, follow-up, by what anybody sees and clicks."""
    page, date = without_script, scene.free[8]
    await signs_in(page, scene.town, "dupont")
    await page.goto("/")
    await page.click(".nav a[href='/reserver']")
    for chip in ("Amalia", "MULTI"):
        await page.click(f".chip:has-text('{chip}')")
    while scene.month not in page.url:
        await page.click(".arrow[rel=next]")
    await page.select_option("#arrivee", "09:00")
    await page.select_option("#depart", "11:30")
    await page.click(day(date))
    await expect(page.locator(".said")).to_contain_text("À réserver")
    await expect(page.locator(f"{day(date)} .h")).to_have_text("09:00–11:30")
    await page.click("#verifier")
    await expect(page.locator("table.recap tbody tr")).to_contain_text("9 h")
    await page.click("button[value=valider]")
    await lands_on(page, "/demandes/*")
    await comes_to_show(page, "#acceptees")
    outcome = page.url
    await page.click("main a[href='/reservations']")
    of_day = page.locator(f".followed tbody tr:has(time[datetime='{date}'])")
    await of_day.locator("input[type=checkbox]").check()
    await page.click("button[value=annuler]")
    await expect(page.locator("table.recap tbody tr")).to_have_count(1)
    await page.click("button[value=valider]")
    await lands_on(page, "/demandes/*")
    await comes_to_show(page, "#annulees")
    await page.goto(outcome)
    await expect(page.locator("section:has(#acceptees)")).to_contain_text("Annulée depuis")


async def stays_as_it_is(page: Page, scene: Scene) -> None:
    """A day that the town closed, and one that it is too late to give back: a click says why, and chooses nothing."""
    before, others = await chosen(page), page.url
    await opened(page, scene, scene.path.replace(scene.query["activite"], scene.town.named("late")))
    for date, state, words in (
        (scene.closed, "CLOSED", "Fermeture exceptionnelle"),
        (scene.locked, "BOOKED_LOCKED", "réservé, délai d’annulation dépassé"),
    ):
        await expect(page.locator(day(date))).to_have_attribute("data-s", state)
        await page.locator(day(date)).click(force=True)
        assert words in await page.inner_text("#annonce")
        assert words in await page.inner_text("#message"), "whoever sees it reads it, too"
        assert await chosen(page) == before
        await expect(page.locator(day(date))).to_have_attribute("data-s", state)
    await shot(page, "booking-locked")
    await opened(page, scene, others)


async def names(page: Page) -> list[str]:
    """Of the buttons, as Chromium tells them to whoever does not see the page."""
    devtools = await page.context.new_cdp_session(page)
    nodes = (await devtools.send("Accessibility.getFullAXTree"))["nodes"]
    await devtools.detach()
    told = [each for each in nodes if not each.get("ignored") and each["role"]["value"].lower() in ("button", "togglebutton")]
    return [re.sub(r"\s+", " ", each["name"]["value"]).strip() for each in told]


def squeezed(text: str) -> str:
    return re.sub(r"[\s,]+", " ", text).strip()


async def test_7_1_a_calendar_tells_its_days_and_what_its_toggles_will_do(browse: Browse, scene: Scene) -> None:
    """RGAA 7.1, S27, S30: as Chromium computes the names, in both languages; and none is less than what is seen (WCAG 2.5.3)."""
    booked, waiting, possible, full, free = scene.free[:5]
    said: dict[str, dict[dt.date, str]] = {
        "fr": {booked: "Réservé", waiting: "En attente", possible: "Attente", full: "Complet", free: "2 places"},
        "en": {booked: "Booked", waiting: "Waiting", possible: "Waiting", full: "Full", free: "2 places"},
    }
    page = await browse()
    await signs_in(page, scene.town, "dupont")
    for language in ("fr", "en"):
        await opened(page, scene, f"{scene.path}&lang={language}")
        told = await names(page)
        for date, word in said[language].items():
            (name,) = [each for each in told if each.startswith(f"{formats.date(date, 'day', language)},")]  # type: ignore[arg-type]
            assert word in name, name
        seen = await page.eval_on_selector_all(".cal button", SEEN_WORDS)
        assert len(seen) > 25
        less = [words for words in seen if not any(all(squeezed(each) in squeezed(name) for each in words) for name in told)]
        assert less == []
        toggles = [each for each in told if re.search(r": (tout|aucun|book all|cancel all|no day)", each)]
        assert len(toggles) == await page.locator(".bulk:not(.month)").count()
        await page.click(day(free))
        (now,) = [each for each in await names(page) if each.startswith(f"{formats.date(free, 'day', language)},")]  # type: ignore[arg-type]
        assert ("À réserver" if language == "fr" else "To book") in now
        await page.click(day(free))


async def by_keyboard(page: Page, free: list[dt.date]) -> None:
    """One tab stop, arrows, Home and End; Space, and with Shift, Control, Control+A as the grid of the ARIA practices has it."""
    monday = next(date for date in free if date.weekday() == 0 and date + dt.timedelta(4) in free)
    week = [monday + dt.timedelta(n) for n in range(5)]
    await page.focus(day(week[1]))
    for key, wanted in (
        ("ArrowRight", f"jour-{week[2]}"),
        ("End", f"jour-{week[4]}"),
        ("Home", f"semaine-{monday}"),
        ("ArrowRight", f"jour-{monday}"),
        ("ArrowUp", f"jour-{monday - dt.timedelta(7)}"),
        ("ArrowDown", f"jour-{monday}"),
        ("Control+Home", await page.get_attribute(".cal .day", "value")),
        ("Control+End", await page.locator(".cal .day").last.get_attribute("value")),
    ):
        await page.keyboard.press(key)
        above = f"colonne-{monday}" if key == "ArrowUp" else ""  # Of the first week.
        assert await page.evaluate(FOCUSED) in (wanted, above), key
    await page.focus(day(monday))
    await page.keyboard.press("Space")
    assert await chosen(page) == [(monday, "BOOK")]
    await page.keyboard.press("Control+z")
    await page.keyboard.press("Shift+Space")
    assert await chosen(page) == [(date, "BOOK") for date in week]
    await page.keyboard.press("Control+z")
    await page.keyboard.press("Control+Space")
    assert {date.weekday() for date, change in await chosen(page) if change == "BOOK"} <= {0}
    await page.keyboard.press("Control+z")
    await page.keyboard.press("Control+a")
    assert len(await chosen(page)) > 1
    await page.keyboard.press("Control+z")
    assert await chosen(page) == []


async def test_s24_another_familys_booking_shows_and_a_lost_network_loses_nothing(desktop: Page, watch: Watch, scene: Scene) -> None:
    watch.expected.append("ERR_INTERNET_DISCONNECTED")  # What was on its way when the network went.
    date, other = scene.free[6], scene.free[7]
    await signs_in(desktop, scene.town, "dupont")
    await opened(desktop, scene)
    await desktop.click(day(date))
    martin = await scene.town.sign_in("martin")
    as_of = await desktop.inner_text("#asof")
    await asyncio.sleep(1)  # It tells seconds.
    await martin.submits([martin.line(date, child="martin-child")])
    await expect(desktop.locator("#asof")).not_to_have_text(as_of)
    await expect(desktop.locator("#asof")).to_have_text(re.compile(r"^À jour à \d\d:\d\d:\d\d$"))
    await expect(desktop.locator(f"{day(date)} .lg")).to_have_text("À réserver")
    await martin.submits([martin.line(date, child="second"), martin.line(other, child="second")])
    await expect(desktop.locator(day(date))).to_have_attribute("data-p", "addwait")
    await expect(desktop.locator("#annonce")).to_contain_text("la dernière place vient d’être prise")
    await expect(desktop.locator(f"{day(other)} .lg")).to_have_text("1 place")
    await desktop.context.set_offline(True)
    await expect(desktop.locator("#hors-ligne")).to_be_visible()
    await desktop.click(day(other))
    await desktop.click("#verifier")
    assert "/reserver" in desktop.url
    await desktop.context.set_offline(False)
    await expect(desktop.locator("#hors-ligne")).to_be_hidden()
    assert (other, "BOOK") in await chosen(desktop)


async def test_on_a_phone_hours_are_asked_for_and_nothing_is_cut_off_at_any_width(browse: Browse, scene: Scene) -> None:
    page = await browse({**PHONE, "user_agent": "Mozilla/5.0 (Linux; Android 14) Mobile"})
    await signs_in(page, scene.town, "dupont")
    await opened(page, scene)
    await shot(page, "booking")
    assert (await axe(page), await page.evaluate(SMALL)) == ([], [])
    for width in (412, 375, 360, 344, 320):
        assert (await too_wide(page, width), await page.evaluate(CUT)) == ([], []), width
    await page.set_viewport_size({"width": 1280, "height": 900})
    assert await cut_off(page) == []
    await page.set_viewport_size(PHONE["viewport"])
    await opened(page, scene, scene.path.replace(scene.query["activite"], scene.town.named("multi")))
    await page.click(".times-card summary")
    await page.check("input[value=demander]")
    await page.click(day(scene.free[4]))
    await page.select_option("#arrivee-jour", "17:30")
    assert await page.input_value("#depart-jour") == "18:30"  # Long enough after the arrival.
    assert await axe(page) == []
    await page.keyboard.press("Escape")
    assert (await chosen(page), await page.evaluate(FOCUSED)) == ([], f"jour-{scene.free[4]}")
    await page.click(day(scene.free[4]))
    await page.select_option("#depart-jour", "12:00")
    await page.click("dialog .primary")
    assert await page.inner_text("#lignes .when + small") == "À réserver 07:30–12:00"


async def test_in_english_nothing_is_french_but_the_towns_words_and_a_month_is_one_sheet_of_paper(browse: Browse, scene: Scene) -> None:
    page = await browse()
    await signs_in(page, scene.town, "dupont")
    await opened(page, scene, f"{scene.path}&lang=en")
    await page.click(day(scene.free[5]))
    words: str = await page.evaluate(
        "() => { const main = document.querySelector('main').cloneNode(true); "
        "main.querySelectorAll('[lang=fr], script').forEach(each => each.remove()); return main.textContent; }"
    )
    assert re.findall(r"\w*(?:[éèàç]|Attente|Complet|Enfant|Horaire|jour|Annul)\w*", words) == []
    sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", await page.pdf(format="A4")))
    assert sheets == 1


async def test_3_1_states_are_told_apart_without_colours(browse: Browse, scene: Scene) -> None:
    """RGAA 3.1: in colours that the system forces, by border and sign; pictures of how others see them are there to be looked at."""
    page = await browse()
    await signs_in(page, scene.town, "dupont")
    await opened(page, scene)
    free, other = scene.free[4:6]
    await page.click(day(free))
    devtools = await page.context.new_cdp_session(page)
    for sight in ("protanopia", "deuteranopia", "tritanopia", "achromatopsia", "blurredVision") if keeps() else ():
        await devtools.send("Emulation.setEmulatedVisionDeficiency", {"type": sight})
        await shot(page, f"booking-{sight}")
    await devtools.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    await page.emulate_media(forced_colors="active")
    await shot(page, "booking-forced-colours")
    looks = [await page.evaluate(BORDERS, day(date)) for date in (*scene.free[:4], free, other)]
    assert len({str(look) for look in looks}) == len(looks), looks
    assert all(width >= 1 for width, *_ in looks), looks
    assert (looks[0][0], looks[1][1], looks[4][2]) == (4, "dashed", "dashed"), "booked, waiting, chosen"
    assert await page.evaluate(UNSEEN) == []
    tabs = await page.eval_on_selector_all(
        ".nav a", "all => all.map(each => [!!each.ariaCurrent, getComputedStyle(each).borderBottomColor])"
    )
    here, elsewhere = ({colour for is_here, colour in tabs if is_here is wanted} for wanted in (True, False))
    assert (len(here), len(elsewhere), here & elsewhere) == (1, 1, set()), "where one is, is marked"
    assert await axe(page) == []
