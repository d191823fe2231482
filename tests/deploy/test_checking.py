"""A town file with mistakes tells all of them at once, with file, line and what was expected, and gives nothing."""

import datetime as dt
from pathlib import Path

import pytest

from deploy.town.checking import check, read_town, read_towns
from deploy.town.reading import TownFileError, parse
from deploy.town.town import Town
from services.booking.activity import ChosenHours, DaysBefore, FixedHours, HoursBefore, WeekdayBefore
from services.clock import Clock
from tests.deploy.mistakes import MISTAKES

EXAMPLE = Path(__file__).parent / "town.example.yaml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
MONDAY = Clock(frozen_at=dt.datetime(2026, 11, 23, 7, 0, tzinfo=dt.UTC))


def town_of(text: str, clock: Clock = MONDAY) -> Town:
    return check(parse(text, "town.yaml"), clock)


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(TownFileError) as caught:
        town_of(text)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_the_contracts_example_is_read_as_it_is() -> None:
    town = read_town(EXAMPLE, MONDAY)
    morning, creche = town.activities
    assert town.structure.name == "Mairie de CarteVille"
    assert (morning.spec.opens_on, morning.spec.closes_on) == (dt.date(2026, 11, 1), dt.date(2027, 9, 1))
    assert morning.spec.hours == FixedHours("07:30", "08:45")
    assert morning.spec.booking_deadline == DaysBefore(2, "09:00", working_days=True)
    assert morning.spec.waiting_list == 10
    assert creche.spec.hours == ChosenHours("07:30", "18:30", 15, 60)
    assert creche.spec.booking_deadline == WeekdayBefore(3, "12:00", 1)
    assert creche.spec.cancellation_deadline == HoursBefore(48)
    assert creche.spec.waiting_list is None
    (family,) = town.families
    assert family.number == "003150"
    assert [payment.cents for payment in family.payments] == [50_06]
    assert [booking.date for booking in family.bookings] == [dt.date(2026, 11, 30)]


@pytest.mark.parametrize("day", range(0, 800, 3))
def test_the_example_is_right_on_any_day(day: int) -> None:
    town_of(TEXT, Clock(frozen_at=dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC) + dt.timedelta(days=day)))


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_names_its_line_and_what_was_expected(kind: str) -> None:
    old, new, said = MISTAKES[kind]
    assert TEXT.count(old) >= 1, "the example has changed"
    before = TEXT[: TEXT.index(old)]
    first, last = before.count("\n") + 1, before.count("\n") + 1 + max(old.count("\n"), new.count("\n"), 1)
    told = mistakes_of(TEXT.replace(old, new, 1))
    places = [f"town.yaml:{line}: " for line in range(first - (new == ""), last + 1)]
    if new == "":  # what is missing is told where the thing begins
        places += [f"town.yaml:{line}: " for line in range(first - 3, first)]
    assert any(said in mistake and mistake.startswith(tuple(places)) for mistake in told), told
    assert all("; expected " in mistake for mistake in told)


def test_all_mistakes_are_told_at_once_in_the_files_order() -> None:
    text = TEXT.replace("school_zone: B", "school_zone: D").replace("cents: 5006", "cents: much").replace("capacity: 12", "capacity: few")
    told = mistakes_of(text)
    assert len(told) == 3
    assert [mistake.split(": ")[1] for mistake in told] == ["school_zone", "capacity", "cents"]


def test_a_mistake_in_one_place_is_not_told_again_elsewhere() -> None:
    assert len(mistakes_of(TEXT.replace("name: PERISCOLAIRE", "nom: PERISCOLAIRE"))) == 2  # the unknown key and the missing one


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this is not a town file"),
        ("- a\n- b\n", "this is not a town file"),
        ("structure: {id: x\nname: y", "this is not YAML"),
        ("structure: 'x\n", "this is not YAML"),
        ("structure: &a [*a]\n", "nested too deeply, or within itself"),
        ("structure: nothing\n", "the structure is 'nothing'; expected keys and values"),
        ("wallets: []\n", "structure is missing in a town file"),
        ("structure: {id: x, name: y, timezone: Europe/Paris}\nwallets: {id: x}\n", "wallets: a group of keys is no list"),
        ("structure: {id: x, name: y, timezone: Europe/Paris}\nwallets: [x]\n", "a wallet is 'x'; expected keys and values"),
        ("\x01", "this is not YAML"),
    ],
)
def test_what_is_no_town_at_all(text: str, said: str) -> None:
    assert any(said in mistake for mistake in mistakes_of(text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("structure: {name: Préau}".encode("latin-1"))
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(TownFileError, match="cannot be read"):
            read_town(path, MONDAY)


def test_the_mistakes_of_several_files_are_told_together(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(TEXT.replace("cents: 5006", "cents: much"), encoding="utf-8")
    with pytest.raises(TownFileError) as caught:
        read_towns([EXAMPLE, tmp_path / "a.yaml", tmp_path / "b.yaml"], MONDAY)
    assert [Path(mistake.place.file).name for mistake in caught.value.mistakes] == ["a.yaml", "b.yaml"]


def test_the_next_open_days_may_be_booked_without_naming_them() -> None:
    booking = "{child: amalia, activity: aps-matin, next: 20}"
    (family,) = town_of(TEXT.replace("{child: amalia, activity: aps-matin, date: today+7d}", booking)).families
    assert [(booking.date, booking.count) for booking in family.bookings] == [(dt.date(2026, 11, 24), 20)]


def test_a_payment_keeps_its_cause_on_another_day() -> None:
    """Loading the file again tomorrow must not pay again, although `today-20d` is another day then."""
    tomorrow = Clock(frozen_at=dt.datetime(2026, 11, 24, 7, 0, tzinfo=dt.UTC))
    causes = {town_of(TEXT, clock).families[0].payments[0].cause for clock in (MONDAY, tomorrow)}
    assert len(causes) == 1


def test_two_equal_payments_are_two() -> None:
    line = next(line for line in TEXT.splitlines() if "mode: CHEQUE" in line)
    (family,) = town_of(TEXT.replace(line, f"{line}\n{line}")).families
    assert len({payment.cause for payment in family.payments}) == 2


def test_repeated_parts_may_be_written_once() -> None:
    """YAML's own anchors and merge keys work, and mistakes in them name the line where they stand."""
    text = (
        "structure: {id: x, name: X, timezone: Europe/Paris}\nwallets: [{id: w, name: W}]\nactivities:\n"
        '  - &school {id: a, name: A, wallet: w, season: {from: today, to: today+9m}, weekdays: [monday], hours: {arrival: "08:00", '
        "departure: 09:00}, tariff: [{from: today, per: presence, bands: [{cents: 100}]}]}\n"
        "  - {<<: *school, id: b, name: B}\n"
    )
    assert [(activity.spec.id, activity.spec.name) for activity in town_of(text).activities] == [("a", "A"), ("b", "B")]
