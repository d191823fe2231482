"""Production refuses what is good enough for one machine: missing settings, toys, and stores that forget in a power cut."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from services.service import Running, weak_broker
from services.settings import NEEDED, Settings, SettingsError
from tests.conftest import MakeUrl, service_of
from tests.nats_server import NatsServer

WHOLE = {
    "PREAU_ENV": "production",
    "NATS_URL": "nats://nats:4222",
    "NATS_MONITOR_URL": "http://nats:8222",
    "SMTP_URL": "smtp://mail:25",
    "PREAU_MAIL_FROM": "mairie@example.org",
    "PREAU_PUBLIC_URL": "https://famille.example.org",
    "PREAU_SIGNING_KEY": "{}",
    "PREAU_FIELD_KEY": "00" * 32,
    **{f"{name}_DATABASE_URL": f"postgresql+asyncpg://db/{name.lower()}" for name in ("IDENTITY", "BILLING", "BOOKING", "MAILER")},
    **{f"{name}_URL": f"http://{name.lower()}" for name in ("IDENTITY", "BILLING", "BOOKING", "MAILER")},
}


@pytest.mark.parametrize("process", NEEDED)
def test_each_process_needs_what_it_uses_and_nothing_else(process: str | None) -> None:
    only = {name: value for name, value in WHOLE.items() if name in ("PREAU_ENV", *NEEDED[process])}
    assert Settings.from_environment(only, process).production
    for name in NEEDED[process]:
        with pytest.raises(SettingsError, match=f"production needs {name}"):
            Settings.from_environment({key: value for key, value in only.items() if key != name}, process)


def test_only_identity_holds_the_key_that_signs_tokens() -> None:
    assert [process for process, names in NEEDED.items() if "PREAU_SIGNING_KEY" in names] == ["identity"]


@pytest.mark.parametrize("toy", ["PREAU_CLOCK", "PREAU_CRASH_AT"])
def test_production_refuses_toys(toy: str) -> None:
    with pytest.raises(SettingsError, match=f"{toy} is for tests"):
        Settings.from_environment(WHOLE | {toy: "+1d"}, "booking")


def test_production_takes_no_play_money() -> None:
    for name in ("sandbox", "stripe,sandbox-unsigned"):
        with pytest.raises(SettingsError, match="nobody pays in a sandbox"):
            Settings.from_environment(WHOLE | {"PREAU_PAYMENT_PROVIDER": name}, "billing")
    stripe = WHOLE | {"PREAU_PAYMENT_PROVIDER": "stripe"}
    assert Settings.from_environment(stripe, "billing").payment_providers == ("stripe",)
    with pytest.raises(SettingsError, match="production needs PREAU_PUBLIC_URL"):
        Settings.from_environment({name: value for name, value in stripe.items() if name != "PREAU_PUBLIC_URL"}, "billing")


def test_streams_have_three_copies_in_production_and_one_on_one_machine() -> None:
    assert Settings.from_environment(WHOLE, "booking").nats_replicas == 3
    assert Settings.from_environment({}).nats_replicas == 1
    with pytest.raises(SettingsError, match="NATS_REPLICAS is 1, 3 or 5"):
        Settings.from_environment({"NATS_REPLICAS": "2"})


async def test_a_broker_that_answers_before_it_syncs_is_refused(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    settings = replace(Settings.from_environment(WHOLE, "booking"), nats_monitor_url=f"http://127.0.0.1:{server.monitor}")
    (silent,) = await weak_broker(settings)
    assert "does not say" in silent
    server.start()
    assert await weak_broker(settings) == []
    server.stop()
    server.sync = "2m"  # what a server does that is told nothing
    server.start()
    assert await weak_broker(settings) == ["broker: set `sync_interval: always` in its jetstream block"]
    server.stop()


async def test_a_database_without_the_newest_migration_is_not_ready(database_url: MakeUrl, nats_url: str) -> None:
    url = await database_url("booking")
    settings = Settings.from_environment({})
    running = Running.of(
        service_of("booking"), replace(settings, nats_url=nats_url, database_urls={**settings.database_urls, "booking": url})
    )
    assert not [reason for reason in await running.not_ready() if reason.startswith("database")]
    async with running.database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert any("run `preau migrate booking`" in reason for reason in await running.not_ready())
    await running.database.close()


async def test_a_database_that_a_newer_version_has_migrated_is_served_on(database_url: MakeUrl, nats_url: str) -> None:
    """A deployment migrates first: until the new processes are there the old ones are all there is."""
    url = await database_url("booking")
    settings = Settings.from_environment({})
    running = Running.of(
        service_of("booking"), replace(settings, nats_url=nats_url, database_urls={**settings.database_urls, "booking": url})
    )
    async with running.database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not [reason for reason in await running.not_ready() if reason.startswith("database")]
    await running.database.close()


def test_a_password_in_the_brokers_address_is_told_to_nobody() -> None:
    for url, place in (
        ("nats://booking:secret@nats:4222", "nats://nats:4222"),
        ("nats://u:secret@a:4222,nats://u:secret@b:4222", "nats://a:4222,nats://b:4222"),
        ("u:secret@a", "a"),
        ("nats://nats:4222", "nats://nats:4222"),
    ):
        assert Settings.from_environment({"NATS_URL": url}).nats_place == place
