"""The operator's file of school holidays: every mistake has its line; what is right wins over the package."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.doctor import examine
from services.booking.app import app
from services.booking.holiday_file import HolidayFileError, read
from services.booking.school_calendar import follow, followed
from services.clock import Clock
from services.settings import Settings, SettingsError
from tests.booking.screens import NOW, Screens, screens
from tests.booking.test_activity import APS_MATIN

__all__ = ["screens"]

HEADING = "zone;from;to;label\n"


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(text: str, encoding: str = "utf-8") -> str:
        path = tmp_path / "holidays.csv"
        path.write_text(text, encoding=encoding)
        return str(path)

    yield write
    follow(None)


def test_a_file_names_zones_and_school_years(file: Any) -> None:
    found = read(
        file(f"{HEADING}ABC;2028-12-30;2029-01-01;Noël\n\n b ; 17/02/2029;18/02/2029 ;Hiver\nA;2029-07-07;2029-09-02;Été\n", "utf-8-sig")
    )
    christmas = [dt.date(2028, 12, 30), dt.date(2028, 12, 31), dt.date(2029, 1, 1)]
    assert set(found) == {("A", 2028), ("B", 2028), ("C", 2028)}
    assert found["C", 2028] == set(christmas)
    assert found["B", 2028] == {*christmas, dt.date(2029, 2, 17), dt.date(2029, 2, 18)}
    assert max(found["A", 2028]) == dt.date(2029, 9, 2)


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["1: the first line is not the heading; expected zone;from;to;label"]),
        ("zone,from,to,label\nA,2028-10-21,2028-11-05,x\n", ["1: the first line is not the heading; expected zone;from;to;label"]),
        (HEADING, ["1: no holidays follow; expected a line for each period"]),
        (
            f"{HEADING}D;2028-10-21;2028-11-05;x\nAA;2028-10-21;2028-11-05;x\n;2028-10-21;2028-11-05;x\nA;2028-10-21;2028-11-05\n",
            [
                "2: zone 'D'; expected A, B or C, or several such as ABC",
                "3: zone 'AA'; expected A, B or C, or several such as ABC",
                "4: zone ''; expected A, B or C, or several such as ABC",
                "5: 3 cells; expected 4, zone;from;to;label",
            ],
        ),
        (
            f"{HEADING}A;2028-10-32;2028-11-05;x\nA;2028-11-05;2028-10-21;x\nA;2028-10-21;2029-11-05;x\nA;9999-12-30;9999-12-31;x\n",
            [
                "2: '2028-10-32'; expected an existing day such as 2028-10-21 or 21/10/2028",
                "3: from 2028-11-05 to 2028-10-21; expected a period of 1 to 101 days",
                "4: from 2028-10-21 to 2029-11-05; expected a period of 1 to 101 days",
                "5: '9999-12-30'; expected an existing day such as 2028-10-21 or 21/10/2028",
            ],
        ),
        (
            f"{HEADING}AB;2028-10-21;2028-11-05;x\nC;2028-10-21;2028-11-05;x\nBC;2028-11-05;2028-11-06;x\n",
            ["4: these days are on line 2 already"],
        ),
    ],
)
def test_every_mistake_is_told_with_its_line(file: Any, text: str, mistakes: list[str]) -> None:
    path = file(text)
    with pytest.raises(HolidayFileError) as noticed:
        read(path)
    assert str(noticed.value).splitlines() == [f"{path}:{mistake}" for mistake in mistakes]


def test_a_file_that_cannot_be_read_is_told(file: Any, tmp_path: Path) -> None:
    with pytest.raises(HolidayFileError, match=r"nothing\.csv cannot be read: No such file"):
        read(str(tmp_path / "nothing.csv"))
    with pytest.raises(HolidayFileError, match="is not UTF-8"):
        read(file(f"{HEADING}A;2028-10-21;2028-11-05;Été", "latin-1"))


def test_booking_does_not_start_with_a_mistake_in_the_file(file: Any) -> None:
    settings = Settings.from_environment({"PREAU_SCHOOL_HOLIDAYS": file(f"{HEADING}A;x;y;z\n")})
    with pytest.raises(SettingsError, match=r"holidays\.csv:2: 'x'; expected an existing day"):
        app(settings)


# ------------------------------------------------------------------------------------------------------ what comes of it
FIELDS = 'day(date: "2026-09-14") { state reason }'


async def shown(town: Screens) -> dict[str, Any]:
    await town.opens(APS_MATIN)
    await town.household("dupont", "amalia")
    await town.enrolls("amalia", "aps-matin")
    found: dict[str, Any] = (await town.of_child("amalia", FIELDS))["day"][0]
    return found


async def test_s20_families_see_the_operators_holidays(running: Any, file: Any) -> None:
    path = file(f"{HEADING}B;2026-09-12;2026-09-20;Fermeture des écoles\n")
    town = Screens(await running("booking", clock=Clock(frozen_at=NOW), start=False, school_holidays=path))
    assert await shown(town) == {"state": "CLOSED", "reason": "Vacances scolaires"}
    assert dt.date(2026, 10, 20) not in followed().holidays("B").school


async def test_s20_the_control_without_a_file_the_day_is_open(screens: Screens) -> None:
    assert await shown(screens) == {"state": "AVAILABLE", "reason": None}


async def test_the_doctor_warns_of_seasons_that_go_beyond_what_is_known(
    screens: Screens, file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    after = followed().known_until("B") + dt.timedelta(days=30)
    await screens.opens(
        replace(APS_MATIN, closes_on=after),
        replace(APS_MATIN, id="any", school_holidays="any", closes_on=after),
        replace(APS_MATIN, id="nowhere", school_zone=None, closes_on=after),
        replace(APS_MATIN, id="soon", name="SOON"),
    )
    settings = replace(screens.running.settings, smtp_url="smtp://127.0.0.1:1", port=1, nats_url="nats://127.0.0.1:1")
    told = await _doctor(settings, capsys)
    assert told[0].startswith("WARN  school holidays: ")
    assert told[1] == f"carteville: APS MATIN (aps-matin) goes on until {after}; zone B is known until {followed().known_until('B')}"
    assert told[2].startswith("-> update Préau")
    assert len(told) == 3

    year = after.year
    path = file(f"{HEADING}B;{year}-10-20;{year}-11-03;Toussaint\n")
    assert (await _doctor(replace(settings, school_holidays=path), capsys))[0].startswith("ok    school holidays: known until ")

    told = await _doctor(replace(settings, school_holidays=file("nonsense")), capsys)
    assert told[0] == f"SICK  school holidays: {path}:1: the first line is not the heading; expected zone;from;to;label"


async def _doctor(settings: Settings, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of its finding about the school holidays."""
    await examine(settings)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    first = next(place for place, line in enumerate(lines) if "school holidays: " in line)
    last = next(place for place, line in enumerate(lines) if place > first and " broker: " in line)
    return lines[first:last]
