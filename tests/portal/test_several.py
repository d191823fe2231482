"""Several activities of one day (P11) and copying (P12): S22, S26, S30, S31, S32, S21."""

import datetime as dt
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from gateway.portal import together
from gateway.portal.draft import Line, read, written
from gateway.portal.hours import Choosing
from gateway.portal.texts import TEXTS, several
from gateway.portal.together import Chosen, Wish
from services.booking import hours
from services.booking.activity import ChosenHours
from tests.facts import until
from tests.flows.conftest import Found, founding
from tests.flows.system import System
from tests.flows.town import Town, activity, family, today
from tests.portal.browsing import PHONE, axe, is_sound, shot, signs_in
from tests.portal.conftest import Browse, MakeVisitor
from tests.portal.visitor import Visitor

DAY, MEANWHILE, COPIED, WATCHED, RETIMED = (today() + dt.timedelta(days=number) for number in (40, 42, 44, 47, 49))
LONG = "Accueil périscolaire du mercredi après-midi pour les enfants de maternelle et d’élémentaire du groupe scolaire Jean-Moulin"
CHOSEN = {"from": "07:30", "to": "18:30", "step_minutes": 15, "minimum_minutes": 60}
STATES = ("CLOSED", "FULL", "AVAILABLE", "WAITLIST_OPEN", "BOOKED", "WAITING", "BOOKED_LOCKED", "WAITING_LOCKED")


# --------------------------------------------------------------------------------------------------------------- by themselves
def test_s26_a_page_offers_and_allows_the_hours_that_the_api_allows() -> None:
    spec = ChosenHours("07:30", "18:20", step_minutes=15, minimum_minutes=50)  # The last hour is off the steps.
    choosing = Choosing.of({"arrival": "07:30", "departure": "18:20", "choosesHours": True, "hourStepMinutes": 15, "minimumMinutes": 50})
    assert choosing is not None
    every = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(7 * 60, 19 * 60, 5)]
    for arrival, departure in itertools.product(every, every):
        assert choosing.allow(arrival, departure) is (hours.check(spec, arrival, departure) is None), (arrival, departure)
    assert (choosing.arrivals[0], choosing.departures[-1]) == ("07:30", "18:20")


def told(state: str, **more: Any) -> dict[str, Any]:
    known = {"id": "aps", "name": "APS", "arrival": "07:30", "departure": "08:45", "choosesHours": False, "hourStepMinutes": None}
    day = {"date": "2026-11-12", "state": state, "placesLeft": None, "reason": None, "reasonCode": "WEEKDAY", "booking": None}
    return day | {"revision": 0, "activity": known} | more


@pytest.mark.parametrize("language", ["fr", "en"])
def test_s32_the_eight_states_differ_in_icon_or_words_and_are_all_in_the_legend(language: Any) -> None:
    cells = [together.cell_of(told(state), None, dt.date(2026, 11, 1), language) for state in STATES]

    assert len({(cell.icon, cell.second) for cell in cells}) == 8
    assert len({(cell.label, cell.more) for cell in cells}) == 8
    assert set(together.STATES) == set(STATES) <= {code.removeprefix("SEVERAL_LEGEND_") for code in TEXTS}


def test_s30_a_day_tells_how_much_of_it_is_chosen_and_other_hours_count_once() -> None:
    day, other = dt.date(2026, 11, 12), dt.date(2026, 11, 13)
    lines = [Line(day, "amalia", "multi", "CANCEL"), Line(day, "amalia", "multi", "BOOK", "08:00", "17:00")]
    lines += [
        Line(day, "amalia", "aps"),
        Line(day, "amalia", "soir", "CANCEL"),
        Line(other, "amalia", "aps", "CANCEL"),
        Line(day, "paolo", "aps"),
    ]

    assert together.chosen(lines, "amalia") == {day: Chosen(2, 1), other: Chosen(0, 1)}
    cell = together.cell_of(told("BOOKED"), Chosen(2, 1), day, "fr")
    assert (cell.mark, cell.label, cell.hours) == ("add", "3 choix", "+2 −1")
    assert together.cell_of(told("BOOKED"), Chosen(0, 1), day, "fr").mark == "cancel"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("reserved", [True, False])
def test_a_wish_becomes_the_line_that_brings_it_about_or_is_told_as_lost(state: str, reserved: bool) -> None:
    day = dt.date(2026, 11, 12)
    others = [Line(day, "paolo", "aps"), Line(day, "amalia", "soir")]
    (row,) = together.rows_of([told(state)], {}, day, "fr")

    decided = together.decide([Wish("aps", reserved)], [row], others, "amalia", day)

    is_reserved, acts = (
        state in ("BOOKED", "WAITING", "BOOKED_LOCKED", "WAITING_LOCKED"),
        state in ("AVAILABLE", "WAITLIST_OPEN", "BOOKED", "WAITING"),
    )
    change = [] if reserved == is_reserved or not acts else [Line(day, "amalia", "aps", "BOOK" if reserved else "CANCEL")]
    assert decided.draft == others + change
    assert bool(decided.lost) is (reserved != is_reserved and not acts)


def test_s26_other_hours_replace_a_booking_and_the_same_ones_change_nothing() -> None:
    day, booking = dt.date(2026, 11, 12), {"arrival": "08:00", "departure": "17:00", "rank": None, "hoursChangeable": True}
    chooses = {"choosesHours": True, "hourStepMinutes": 15, "minimumMinutes": 60, "departure": "18:30"}
    multi = told("BOOKED", booking=booking)
    multi["activity"] |= chooses
    (row,) = together.rows_of([multi], {}, day, "fr")

    def after(*times: str) -> list[Line]:
        return together.decide([Wish("aps", True, (times[0], times[1]))], [row], [], "amalia", day).draft

    assert after("08:00", "17:00") == []
    assert after("09:00", "17:00") == [Line(day, "amalia", "aps", "CANCEL"), Line(day, "amalia", "aps", "BOOK", "09:00", "17:00")]
    # Once it is too late to book, it can be given back, and that is all; what the draft had in mind with it is over.
    multi["booking"] = booking | {"hoursChangeable": False}
    wish = Line(day, "amalia", "aps", "BOOK", "09:00", "17:00")
    (row,) = together.rows_of([multi], {"aps": wish}, day, "fr")
    assert (row.acts, row.keeps_hours, row.choosing, row.hours, "changed" in row.looks) == (True, True, None, ("08:00", "17:00"), False)
    assert together.decide([], [row], [Line(day, "amalia", "aps", "CANCEL"), wish], "amalia", day).draft == []
    assert together.decide([Wish("aps", False)], [row], [], "amalia", day).draft == [Line(day, "amalia", "aps", "CANCEL")]


def test_what_does_not_matter_any_more_leaves_the_draft_and_what_closed_is_shown() -> None:
    day = dt.date(2026, 11, 12)
    gone, twice, shut = Line(day, "amalia", "aps", "CANCEL"), Line(day, "amalia", "aps"), Line(day, "amalia", "aps")
    for line, state in ((gone, "AVAILABLE"), (gone, "BOOKED_LOCKED"), (twice, "BOOKED")):
        (row,) = together.rows_of([told(state)], {"aps": line}, day, "fr")
        assert together.decide([], [row], [line], "amalia", day).draft == [], state
    (row,) = together.rows_of([told("CLOSED")], {"aps": shut}, day, "fr")
    assert (row.is_stale, row.look.checked) == (True, True)
    assert together.decide([Wish("aps", False)], [row], [shut], "amalia", day).draft == []


# ------------------------------------------------------------------------------------------------------------------ over HTTP
@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Three activities and a fourth whose season is over; each test has days of its own."""
    old = {"season": {"from": "today-60d", "to": "today-20d"}, "open_on": []}
    kinds = [activity("aps", name=LONG), activity("soir", capacity=None), activity("multi", hours=CHOSEN), activity("old", **old)]
    debt = [{"date": "today-2d", "wallet": "periscolaire", "label": "Reprise", "cents": 900}]
    families = [
        family("dupont", children=["amalia", "paolo"], activities=["aps", "soir", "multi", "old"]),
        family("leroy", children=["nathan"], activities=["aps"]),
        family("poor", children=["awa"], activities=["aps", "soir"], charges=debt),
    ]
    async with founding(system, tmp_path_factory.mktemp("several")) as make:
        yield await make(activities=kinds, families=families)


def day_of(town: Town, day: dt.date = DAY) -> dict[str, str]:
    return {"enfant": town.named("amalia"), "date": day.isoformat()}


def draft_of(one: Visitor, town: Town) -> list[Line]:
    return read((one.client.cookies.get(f"preau_brouillon_{town.named('dupont')}") or "").strip('"'))


def ticked(html: str, town: Town, wishes: dict[str, dict[str, str]]) -> dict[str, str | list[str]]:
    """The day's form as the page has it, but for what `wishes` says of each activity: {"aps": {"choix": "1"}}."""
    activities = re.findall(r'name="activite" value="([^"]+)"', html)
    fields: dict[str, str | list[str]] = {"activite": activities}
    for number, each in enumerate(activities):
        was = re.search(rf'name="etait{number}" value="(.)"', html)
        hidden = re.search(rf'name="horaires{number}" value="([^"]+)"', html)
        assert was is not None
        fields |= {f"etait{number}": was[1], f"choix{number}": was[1]}
        if hidden:
            arrival, departure = hidden[1].split("-")
            fields |= {f"horaires{number}": hidden[1], f"arrivee{number}": arrival, f"depart{number}": departure}
        for name, wished in wishes.items():
            if each == town.named(name):
                fields |= {f"{field}{number}": value for field, value in wished.items()}
    return fields


def pointed_at(html: str) -> str:
    """The line of the day to whose field the summary of errors leads."""
    link = re.search(r'<li><a href="#([^"]+)">', html)
    assert link is not None
    lines = html.split('<li class="its"')
    return next(each for each in lines if f' id="{link[1]}"' in each)


def turned(fields: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
    """The same form with its lines the other way round."""
    last = len(fields["activite"]) - 1

    def renamed(name: str) -> str:
        word, number = re.fullmatch(r"([a-z]+)(\d*)", name).groups()  # type: ignore[union-attr]
        return f"{word}{last - int(number)}" if number else word

    return {renamed(name): value for name, value in fields.items()} | {"activite": list(reversed(fields["activite"]))}


async def test_s22_s32_many_activities_of_one_day_are_chosen_without_script_and_marked_on_the_month(
    visitor: MakeVisitor, town: Town
) -> None:
    one = visitor()
    month = await one.signs_in(town, "dupont", f"/reserver/mois?enfant={town.named('amalia')}&mois={DAY:%Y-%m}")
    assert month.text.count('class="day"') >= 28
    day = await one.opens("/reserver/jour", **day_of(town))
    assert (LONG in day.text, "old" in day.text.lower()) == (True, True)

    wishes = {"aps": {"choix": "1"}, "multi": {"choix": "1", "arrivee": "08:00", "depart": "08:30"}}
    wrong = await one.sends("/reserver/jour", **day_of(town), **ticked(day.text, town, wishes))
    assert (wrong.status_code, draft_of(one, town)) == (422, [])
    assert "<title>Erreur" in wrong.text
    assert wrong.text.count(" checked") == 2  # What was asked for is there still.
    assert town.named("multi") in pointed_at(wrong.text)
    fields = ticked(day.text, town, wishes)
    await one.sends("/brouillon", brouillon=written([Line(DAY, town.named("amalia"), "gone")]), suite="/")
    before = turned(fields)  # As a page had it whose lines were in another order.
    assert town.named("multi") in pointed_at((await one.sends("/reserver/jour", **day_of(town), **before)).text)
    await one.sends("/brouillon", brouillon="", suite="/")

    wishes["multi"]["depart"] = "17:00"
    kept = await one.sends("/reserver/jour", **day_of(town), **ticked(wrong.text, town, wishes))
    aps, multi = town.named("aps"), town.named("multi")
    assert draft_of(one, town) == sorted(
        [Line(DAY, town.named("amalia"), aps), Line(DAY, town.named("amalia"), multi, "BOOK", "08:00", "17:00")],
        key=lambda line: line.activity,
    )
    assert "/reserver/mois" in str(kept.url)
    assert "2 choix" in kept.text

    undo = re.search(r'name="brouillon" value="([^"]*)"', kept.text)
    assert undo is not None
    await one.sends("/brouillon", brouillon=undo[1], suite="/")
    assert draft_of(one, town) == []


async def test_what_was_booked_meanwhile_is_not_cancelled_by_a_form_from_before(visitor: MakeVisitor, town: Town) -> None:
    one = visitor()
    await one.signs_in(town, "dupont")
    before = await one.opens("/reserver/jour", **day_of(town, MEANWHILE))
    other = await town.sign_in("dupont")
    await other.submits([other.line(MEANWHILE, activity=name, child="amalia") for name in ("aps", "soir")])

    await one.sends("/reserver/jour", **day_of(town, MEANWHILE), **ticked(before.text, town, {"aps": {"choix": "1"}}))

    assert draft_of(one, town) == []  # Neither booked twice, nor is the other one cancelled.
    after = await one.opens("/reserver/jour", **day_of(town, MEANWHILE))
    onward = await one.sends(
        "/reserver/jour",
        **day_of(town, MEANWHILE),
        vers=f"enfant:{town.named('paolo')}",
        **ticked(after.text, town, {"soir": {"choix": "0"}}),
    )
    assert draft_of(one, town) == [Line(MEANWHILE, town.named("amalia"), town.named("soir"), "CANCEL")]
    assert town.named("paolo") in str(onward.url)  # The same day of the other child.


async def test_s26_the_hours_of_a_booked_day_are_changed_in_one_act(visitor: MakeVisitor, phone: Page, town: Town) -> None:
    one = visitor()
    await one.signs_in(town, "dupont")
    other = await town.sign_in("dupont")
    amalia, multi = town.named("amalia"), town.named("multi")
    await other.submits([other.line(RETIMED, activity="multi", child="amalia", arrival="08:00", departure="17:00")])
    link = f'href="/reserver/jour?enfant={amalia}&amp;date={RETIMED}"'
    month = await one.opens("/reserver", enfant=amalia, activite=multi, mois=f"{RETIMED:%Y-%m}")
    bookings = await one.opens("/reservations", enfant=amalia)
    assert (link in month.text, link in bookings.text) == (True, True)

    day = await one.opens("/reserver/jour", **day_of(town, RETIMED))
    kept = await one.sends("/reserver/jour", **day_of(town, RETIMED), **ticked(day.text, town, {"multi": {"arrivee": "09:00"}}))
    assert draft_of(one, town) == [Line(RETIMED, amalia, multi, "BOOK", "09:00", "17:00"), Line(RETIMED, amalia, multi, "CANCEL")]
    undo = re.search(r'name="brouillon" value="([^"]*)"', kept.text)
    assert undo is not None
    await one.sends("/brouillon", brouillon=undo[1], suite="/")
    assert draft_of(one, town) == []

    await signs_in(phone, town, "dupont")
    for page, name in ((month, "month"), (bookings, "bookings")):
        await phone.goto(str(page.url))
        await phone.evaluate("() => document.querySelectorAll('details').forEach(each => { each.open = true; })")
        await is_sound(phone, f"other-hours-{name}")


async def test_s26_other_hours_are_offered_until_it_is_too_late_to_book(visitor: MakeVisitor, found: Found) -> None:
    late = {"booking_deadline": {"days_before": 60, "at": "12:00"}, "cancellation_deadline": {"hours_before": 24}}
    taken = {"child": "amalia", "activity": "late", "date": DAY.isoformat(), "arrival": "08:00", "departure": "17:00"}
    one, town = visitor(), await found(
        activities=[activity("late", hours=CHOSEN, **late)],
        families=[family("dupont", children=("amalia",), activities=["late"], bookings=[taken])],
    )  # fmt: skip
    await one.signs_in(town, "dupont")
    where = {"enfant": town.named("amalia")}
    pages = [
        await one.opens("/reserver/jour", **where, date=DAY.isoformat()),
        await one.opens("/reservations", **where),
        await one.opens("/reserver", **where, activite=town.named("late"), mois=f"{DAY:%Y-%m}"),
    ]
    assert [(page.status_code, "Changer les horaires" in page.text) for page in pages] == [(200, False)] * 3
    assert "Ces horaires ne peuvent pas être changés." in pages[0].text
    assert 'name="choix0" value="1" checked' in pages[0].text, "it can still be given back"


async def test_lines_of_an_activity_that_is_no_longer_the_childs_can_be_taken_out(visitor: MakeVisitor, town: Town) -> None:
    one = visitor()
    await one.signs_in(town, "dupont")
    await one.sends("/brouillon", brouillon=written([Line(DAY, town.named("amalia"), "gone")]), suite="/")
    page = await one.opens("/reserver/jour", **day_of(town))
    assert TEXTS["ONE_DAY_ELSE"][0] in page.text
    fields = ticked(page.text, town, {})
    gone = fields["activite"].index("gone")
    await one.sends("/reserver/jour", **day_of(town), **(fields | {f"choix{gone}": "0"}))
    assert draft_of(one, town) == []


async def test_odd_addresses_lead_somewhere_and_another_familys_child_is_not_there(visitor: MakeVisitor, town: Town) -> None:
    one = visitor()
    await one.signs_in(town, "dupont")
    mine, other = town.named("amalia"), town.named("nathan")
    for path in ("/reserver/mois", "/reserver/jour", f"/reserver/mois?enfant={other}", f"/reserver/jour?enfant={other}&date={DAY}"):
        answer = await one.opens(path)
        assert (answer.status_code, "Nathan" in answer.text) == (200, False), path
    for month in ("2026-13", "0001-01", "9999-12", "x"):
        assert (await one.opens(f"/reserver/mois?enfant={mine}&mois={month}")).status_code == 200, month
    for date in ("2026-02-30", "0001-01-01", "9999-12-31"):
        assert (await one.opens(f"/reserver/jour?enfant={mine}&date={date}")).status_code == 200, date
    outside = await one.opens(f"/reserver/jour?enfant={mine}&date={today() + dt.timedelta(days=900)}")
    assert (outside.status_code, 'type="checkbox"' in outside.text) == (200, False)
    assert str((await one.opens(f"/reserver?enfant={mine}&activite=*&mois={DAY:%Y-%m}")).url).endswith(
        f"/reserver/mois?enfant={mine}&mois={DAY:%Y-%m}"
    )


async def test_s31_a_copy_tells_what_cannot_be_before_it_enters_the_draft_and_can_be_undone(visitor: MakeVisitor, town: Town) -> None:
    one = visitor()
    await one.signs_in(town, "dupont")
    other = await town.sign_in("dupont")
    await other.submits([other.line(COPIED, activity="aps", child="paolo")])
    amalia, paolo, aps, multi = (town.named(name) for name in ("amalia", "paolo", "aps", "multi"))
    next_day = COPIED + dt.timedelta(days=1)
    held = [Line(date, amalia, aps) for date in (COPIED, next_day)]
    await one.sends("/brouillon", brouillon=written(held), suite="/")
    period = {"de": f"{amalia}:{aps}", "du": COPIED.isoformat(), "au": next_day.isoformat()}

    start = await one.opens("/reserver/copier", enfant=amalia, activite=aps)
    assert f'value="{amalia}:{aps}" selected' in start.text
    for wrong in (
        {"vers": ""},
        {"vers": period["de"]},
        {"vers": f"{paolo}:{aps}", "au": "2020-01-01"},
        {"vers": f"{paolo}:{aps}", "du": "x"},
    ):
        assert (await one.opens("/reserver/copier", **(period | wrong))).status_code == 422, wrong
    nothing = await one.opens("/reserver/copier", de=f"{paolo}:{multi}", vers=f"{amalia}:{multi}", du=period["du"], au=period["au"])
    assert TEXTS["COPY_NOTHING"][0] in nothing.text

    plan = await one.opens("/reserver/copier", vers=f"{paolo}:{aps}", **period)
    assert ("Ajouter 1 jour" in plan.text, "Déjà réservée" in plan.text, draft_of(one, town)) == (True, True, held)
    done = await one.sends("/reserver/copier", vers=f"{paolo}:{aps}", **period)
    assert draft_of(one, town) == [*held, Line(next_day, paolo, aps)]
    assert f"activite={aps}" in str(done.url)
    again = await one.opens("/reserver/copier", vers=f"{paolo}:{aps}", **period)
    assert TEXTS["COPY_ALL_REFUSED"][0] in again.text
    assert 'method="post" action="/reserver/copier"' not in again.text

    asks = await one.opens("/reserver/copier", vers=f"{amalia}:{multi}", **period)
    assert (asks.status_code, 'id="arrivee"' in asks.text) == (200, True)  # S26: its hours first.
    await one.sends("/reserver/copier", vers=f"{amalia}:{multi}", arrivee="08:00", depart="17:00", **period)
    assert [line for line in draft_of(one, town) if line.activity == multi] == [
        Line(date, amalia, multi, "BOOK", "08:00", "17:00") for date in (COPIED, next_day)
    ]


async def test_s21_a_family_in_debt_may_only_cancel(visitor: MakeVisitor, town: Town) -> None:
    one = visitor()
    await one.signs_in(town, "poor")

    async def is_closed() -> bool:
        page = await one.opens(f"/reserver/jour?enfant={town.named('awa')}&date={DAY}")
        return "débiteur" in page.text and 'href="/paiement">Payer en ligne' in page.text and 'type="checkbox"' not in page.text

    await until(is_closed)


async def test_english_is_whole(visitor: MakeVisitor, town: Town) -> None:
    one = visitor("en")
    await one.signs_in(town, "dupont", "/?lang=en")
    child = town.named("amalia")
    for path in (f"/reserver/mois?enfant={child}", f"/reserver/jour?enfant={child}&date={DAY}", f"/reserver/copier?enfant={child}&vers="):
        html = re.sub(r'<span lang="fr">.*?</span>', "", (await one.opens(path)).text)
        said = [
            french
            for french, english in several.TEXTS.values()
            if french != english and len(french) > 8 and "{" not in french and french in html
        ]
        assert said == [], path


# ---------------------------------------------------------------------------------------------------------------- in a browser
STOPS = """() => [...document.querySelectorAll('table.cal [href]')].filter(each => each.tabIndex >= 0).map(each => each.href.slice(-10))"""


async def by_keyboard(page: Page) -> None:
    """One tab stop; arrows, Home and End, as the grid of one activity has them; Enter opens the day, which is a link."""
    first = WATCHED.replace(day=1)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    monday = next(date for date in (first + dt.timedelta(days=number) for number in range(7, 14)) if date.weekday() == 0)
    week = [monday + dt.timedelta(days=number) for number in range(7)]
    assert len(await page.evaluate(STOPS)) == 1
    await page.focus(f'a.day[href$="{week[1]}"]')
    for key, wanted in (
        ("ArrowRight", week[2]),
        ("ArrowLeft", week[1]),
        ("ArrowDown", week[1] + dt.timedelta(days=7)),
        ("ArrowUp", week[1]),
        ("End", week[6]),
        ("ArrowRight", week[6]),
        ("Home", week[0]),
        ("Control+Home", first),
        ("Control+End", last),
    ):
        await page.keyboard.press(key)
        assert await page.evaluate("() => document.activeElement.href.slice(-10)") == f"{wanted}", key
        assert await page.evaluate(STOPS) == [f"{wanted}"], key
    for key, month in (("PageDown", last + dt.timedelta(days=1)), ("PageUp", first)):
        await page.locator("table.cal a.day").first.focus()
        await page.keyboard.press(key)
        await page.wait_for_url(f"**mois={month:%Y-%m}")
        await page.wait_for_selector("table[role=grid]")


async def test_choosing_with_script_asks_for_hours_undoes_and_follows_what_others_do(browse: Browse, town: Town) -> None:
    page = await browse(PHONE)
    await signs_in(page, town, "dupont")
    await page.goto(f"/reserver/mois?enfant={town.named('amalia')}&mois={WATCHED:%Y-%m}")
    await is_sound(page, "several-month")
    await by_keyboard(page)
    await page.click(f'a.day[href$="{WATCHED}"]')
    await page.wait_for_load_state()
    multi, aps = page.get_by_role("checkbox", name="MULTI"), page.get_by_role("checkbox", name="Accueil")

    await multi.click()
    await expect(page.locator("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_be_hidden()
    await expect(multi).not_to_be_checked()
    await multi.click()
    await expect(page.locator("dialog button:visible")).to_have_count(2)  # Nothing is booked: nothing to cancel.
    await shot(page, "several-hours")
    assert await axe(page) == []
    await page.select_option("dialog select[name=a]", "08:00")
    await page.select_option("dialog select[name=b]", "08:30")
    await page.click("dialog button[value=save]")
    await expect(page.locator("dialog .wrong")).to_be_visible()
    await page.select_option("dialog select[name=b]", "17:00")
    await page.click("dialog button[value=save]")
    await expect(multi).to_be_checked()
    await aps.click()
    await page.keyboard.press("Control+z")
    assert (await aps.is_checked(), await multi.is_checked()) == (False, True)
    await aps.click()
    await page.get_by_role("button", name="Annuler la dernière action").click()  # It stays, where what is said leaves by itself.
    assert (await aps.is_checked(), await multi.is_checked()) == (False, True)
    await is_sound(page, "several-day")

    async with page.expect_response(lambda answer: "/reserver/jour" in answer.url):  # Quietly, and what was chosen stays.
        other = await town.sign_in("leroy")
        await other.submits([other.line(WATCHED, activity="aps", child="nathan")])
    await page.wait_for_function("() => document.querySelector('.day-list').innerText.includes('9 places')")
    assert await multi.is_checked()
    await page.click("main .go button")
    assert "1 choix" in await page.inner_text(f'a.day[href$="{WATCHED}"]')
    day, mine = WATCHED + dt.timedelta(days=1 if WATCHED.day == 1 else -1), await town.sign_in("dupont")
    await mine.submits([mine.line(day, activity="aps", child="amalia")])
    await expect(page.locator(f'a.day[href$="{day}"]')).to_have_attribute("data-s", "BOOKED")
    assert len(await page.evaluate(STOPS)) == 1
    await page.goto(f"/reserver/copier?de={town.named('amalia')}:{town.named('multi')}&vers={town.named('paolo')}:{town.named('multi')}")
    await is_sound(page, "copy")
