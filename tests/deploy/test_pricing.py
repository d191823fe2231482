"""`preau price-draft`: a town file's tariffs beside what last month did cost."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.pricing import last_month, price_draft
from deploy.town.reading import TownFileError
from deploy.trouble import Trouble
from services.billing.hold import HoldKind, HoldState
from services.billing.tables import Hold
from services.settings import Settings
from tests.deploy.conftest import Databases
from tests.deploy.test_checking import TEXT
from tests.deploy.test_loading import events_of, put

#: The example's morning costs 1,31 for a quotient of 742; in the draft, whose newest version counts, 1,50.
OLD = "{from: month-start, per: presence, bands: [{quotient_up_to: 500, cents: 80}, {quotient_up_to: 1000, cents: 131}, {cents: 190}]}"
NEW = "{from: 2027-01-01, per: presence, bands: [{quotient_up_to: 500, cents: 80}, {quotient_up_to: 1000, cents: 150}, {cents: 210}]}"
DRAFT = TEXT.replace(f"      - {OLD}\n", f"      - {OLD}\n      - {NEW}\n")
TOLD = """\
family       days          now        draft   difference
dupont          2         2.62         3.00        +0.38

activity     days          now        draft   difference
aps-matin       2         2.62         3.00        +0.38
all             2         2.62         3.00        +0.38

2026-10: 1 of 1 families would pay another price
2 of 2 days are not closed yet, and priced as if everybody came who has a place
"""


def held(day: int) -> Hold:
    return Hold(
        booking=f"b{day}",
        structure="carteville",
        family="dupont",
        child="amalia",
        activity="aps-matin",
        date=dt.date(2026, 10, day),
        arrival="07:30",
        departure="08:45",
        wallet="periscolaire",
        kind=HoldKind.CONFIRMED,
        state=HoldState.LIVE,
        amount_cents=1_31,
        tariff_version="1/2026-11-01",
        explanation=[],
        version=2,
    )


async def test_a_draft_is_priced_beside_last_month_and_changes_nothing(
    settings: Settings, databases: Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text(DRAFT, encoding="utf-8")
    assert DRAFT != TEXT
    with pytest.raises(Trouble, match="there is no structure 'carteville' to compare with"):
        await price_draft(settings, file, None)
    await put(databases, TEXT)
    before = await events_of(databases["billing"])
    async with databases["billing"].transaction() as session:
        session.add_all([held(1), held(2)])
    only_billing = replace(settings, database_urls={"billing": settings.database_urls["billing"]})
    await price_draft(only_billing, file, None)
    assert capsys.readouterr().out == TOLD
    await price_draft(only_billing, file, "2026-09")
    assert capsys.readouterr().out == "2026-09: nobody had a booking in these activities\n"
    assert await events_of(databases["billing"]) == before
    assert (await put(databases, TEXT)).changes.total() == 0, "the draft is not in force"


@pytest.mark.parametrize("month", ["2026-13", "october", "2026-10-01", "0001-01", "9999-12"])
async def test_what_is_no_month(settings: Settings, tmp_path: Path, month: str) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text(DRAFT, encoding="utf-8")
    with pytest.raises(Trouble, match=month):
        await price_draft(settings, file, month)


@pytest.mark.parametrize(
    ("bands", "told"),
    [
        ("{quotient_up_to: 500, cents: 80}|{quotient_above: 600, cents: 150}", r"leave a hole between them; expected quotient_above: 500"),
        ("{quotient_up_to: 500, cents: 80}|{quotient_above: 400, cents: 150}", r"overlap; expected quotient_above: 500"),
        ("{quotient_up_to: 500, cents: 80}|{quotient_up_to: 500, cents: 150}|{cents: 1}", r"overlap; expected a bound above 500"),
    ],
)
async def test_both_bands_are_named_with_their_lines(settings: Settings, tmp_path: Path, bands: str, told: str) -> None:
    lines = "".join(f"\n          - {band}" for band in bands.split("|"))
    file = tmp_path / "draft.yaml"
    file.write_text(DRAFT.replace(f"      - {NEW}\n", f"      - from: 2027-01-01\n        per: presence\n        bands:{lines}\n"))
    first = next(
        number for number, line in enumerate(file.read_text().splitlines(), 1) if line.strip() == "- {quotient_up_to: 500, cents: 80}"
    )
    where = rf"draft\.yaml:{first + 1}: bands 1 \(up to 500\) on line {first} and 2 \((above|up to) \d00.*\) {told}"
    with pytest.raises(TownFileError, match=where):
        await price_draft(settings, file, None)


async def test_a_draft_with_a_mistake_says_where(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text(DRAFT.replace("quotient_up_to: 1000, cents: 150", "quotient_up_to: 400, cents: 150"), encoding="utf-8")
    with pytest.raises(TownFileError, match=r"draft\.yaml:\d+: bands 1 \(up to 500\) and 2 \(up to 400\) overlap"):
        await price_draft(settings, file, None)


def test_last_month_is_the_one_before_todays() -> None:
    assert [last_month(day) for day in (dt.date(2026, 11, 30), dt.date(2027, 1, 1))] == ["2026-10", "2026-12"]
