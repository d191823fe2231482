"""README's promises that can be checked against the code."""

import re
from pathlib import Path

from services.events import BY_TYPE
from services.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
#: The events that we promised to the town's other systems.
CONTRACT = """identity.account_opened identity.email_changed identity.password_reset_requested identity.family_changed
    identity.announcement_published booking.activity_changed booking.requested booking.accepted booking.waitlisted booking.refused
    booking.cancelled booking.expired booking.capacity_changed booking.day_settled billing.held billing.released billing.entry_posted
    billing.standing_changed billing.payment_settled mailer.mail_sent mailer.mail_failed""".split()


def test_the_first_lines_are_the_two_commands() -> None:
    commands = [line.split()[:2] for line in README.splitlines()[:5] if line.startswith("    ")]
    assert commands == [["make", "run"], ["make", "test"]]


def test_the_table_of_settings_is_the_codes() -> None:
    assert dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", README, re.MULTILINE)) == SETTINGS


def test_every_setting_that_is_read_is_in_the_table() -> None:
    read = set()
    for path in [*ROOT.glob("services/**/*.py"), *ROOT.glob("gateway/**/*.py"), *ROOT.glob("deploy/**/*.py")]:
        read |= set(re.findall(r"environ(?:\.get\(|\[)\s*\"([A-Z_]+)\"", path.read_text()))
    assert read <= set(SETTINGS) | {"PATH", "NO_COLOR"}, read - set(SETTINGS)


def test_every_event_of_the_contract_has_its_class() -> None:
    assert {f"fr.preau.{name}.v1" for name in CONTRACT} <= set(BY_TYPE)


def test_public_events_carry_no_names_and_no_addresses() -> None:
    private = {"first_name", "last_name", "email", "adults_names", "birth_date", "password", "token"}
    for kind in BY_TYPE.values():
        if not kind.internal:
            assert not private & set(kind.model_fields), kind
