"""The reference of the town file names every key that can be written there, and README points to what exists."""

import re
from pathlib import Path

import pytest

from deploy.demo import DEMO
from deploy.town import reading
from deploy.town.checking import check
from deploy.town.fields import Fields
from services.clock import Clock

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
structure: {id: a, name: A, timezone: Europe/Paris, retention: {mails_days: 30}}
wallets: [{id: w, name: W}]
activities:
  - {id: x, name: X, wallet: w, season: {from: today, to: today}, weekdays: [monday], hours: {arrival: "07:00", departure: "08:00"},
     allocation: {scheduled_at: "02:00"}, attendance: {unrecorded: absent}, tariff: [{from: today, per: presence, bands: [{cents: 1}]},
     {from: tomorrow, per: hour, effort: {percent: 1, ceiling_cents: 1}, rounding: {minutes: 5}, outside_town: {cents: 1},
     charged: {late: {cents: 1}}}]}
accounts: [{login: l, first_name: F, last_name: L, password: Un-preau-sous-la-pluie}]
families: [{id: f, number: "1", accounts: [l], children: [{id: c, first_name: F, last_name: L, activities: [{activity: x, from: today}]}]}]
"""


def test_the_reference_has_every_key_of_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, set[str]] = {}
    report = Fields.report_unknown

    def note(fields: Fields) -> None:
        asked.setdefault(fields.name, set()).update(fields._asked)
        report(fields)

    monkeypatch.setattr(Fields, "report_unknown", note)
    for text in (DEMO.read_text(encoding="utf-8"), SMALL):
        check(reading.parse(text, "a town"), Clock())
    reference = (ROOT / "deploy" / "town" / "README.md").read_text(encoding="utf-8").partition("\n## Keys\n")[2]
    words = set(re.findall("[a-z_]+", reference))
    assert len(asked) == 27
    assert {part: keys - words for part, keys in asked.items() if keys - words} == {}


def test_the_files_that_it_points_to_are_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:deploy|tests|services|gateway)/[\w./-]+)`", readme)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
