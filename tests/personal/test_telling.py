"""All that is known of a family: who may ask, in which parts it travels, and that it is forgotten after seven days."""

import datetime as dt
from typing import Any
from uuid import uuid4

from sqlalchemy import insert
from sqlmodel import select

from services.billing import personal as billing
from services.billing.hold import HoldKind, HoldState
from services.billing.tables import Consumption, Hold, LedgerEntry, core
from services.clock import Clock
from services.events import BillingDataTold, BookingDataTold, DataRequested, MailerDataTold
from services.identity import audit, installation, portability, queries
from services.identity.data_file import page
from services.identity.tables import DataPart, DataRequest, Factor, OutsideIdentity
from services.listening import react, read
from services.outbox import Outgoing
from services.telling import PART_BYTES, in_parts, new_key, opened, public_part, sealed
from tests.identity.test_office import Desk
from tests.identity.test_second_factor import sets_up
from tests.identity.town import AMALIA, NOW, PAOLO, FamilySpec, RunFixture, Town
from tests.personal.test_erasing import MARTIN


def test_what_is_large_travels_in_parts_that_nobody_reads_without_the_key() -> None:
    key = new_key()
    what = {
        "mail": {"about": "", "rows": [{"text": f"{n} {n * n * 7919 % 1_000_003}", "day": dt.date(2026, 1, 1)} for n in range(100_000)]}
    }
    parts = sealed(what, public_part(key))
    assert len(parts) > 1
    assert max(map(len, parts)) < 500_000
    assert max(map(len, parts)) > PART_BYTES
    assert "d" not in public_part(key)
    assert opened(parts, key)["mail"]["rows"][99_999] == {"text": what["mail"]["rows"][99_999]["text"], "day": "2026-01-01"}


def test_the_page_takes_names_as_words_and_never_as_markup() -> None:
    shown = page({"identity": {"child": {"about": "", "rows": [{"first_name": "<script>alert(1)</script>", "note": None}]}}}, english=False)
    assert "<script>" not in shown
    assert "<h2>Enfants</h2>" in shown


async def _asked(town: Town, account: str, *, by_agent: bool) -> DataRequest:
    async with town.running.database.transaction() as session:
        family = (await queries.families(session, {"dupont"}))["dupont"]
        return await portability.ask(session, town.running.clock, account, family, by_agent=by_agent)


async def _question(town: Town) -> DataRequested:
    (row,) = await town.events("data_requested")
    return DataRequested.model_validate_json(row.body[:-1] + f',"occurred_at":"{NOW.isoformat()}"}}')


async def _answered(town: Town, *but: type[Any]) -> None:
    asked = await _question(town)
    for kind in (BillingDataTold, BookingDataTold, MailerDataTold):
        if kind in but:
            continue
        events = await in_parts(kind, asked, {"toy": {"about": "", "rows": [{"of": kind.service}]}}, NOW)
        for _ in range(2):  # as the broker may
            async with town.running.database.transaction() as session:
                await react(town.running.service, session, events, town.running.clock)


async def _now(town: Town, request: str) -> DataRequest:
    async with town.running.database.reading() as session:
        return await session.get_one(DataRequest, request)


async def test_it_is_ready_when_all_have_told_and_forgotten_after_seven_days(running: RunFixture) -> None:
    town = await Town.of(running)
    me = town.caller((await town.signs_in())["accessToken"])
    assert me is not None
    asked = await _asked(town, me.account, by_agent=False)
    await _answered(town, MailerDataTold)
    assert (await _now(town, asked.id)).ready_at is None
    await _answered(town)
    assert (await _now(town, asked.id)).ready_at == NOW
    async with town.running.database.reading() as session:
        told = await portability.everything(session, asked)
    assert {service: list(part) for service, part in told.items() if service != "identity"} == {
        name: ["toy"] for name in ("billing", "booking", "mailer")
    }
    assert told["identity"]["account"]["rows"][0]["email"] == "jp.dupont@example.org"
    assert {row["first_name"] for row in told["identity"]["child"]["rows"]} == {"Amalia", "Paolo"}
    town.later(days=7, seconds=1)
    async with town.running.database.transaction() as session:
        await installation.tidy(session, town.running.clock)
    assert (await _now(town, asked.id)).private_key is None
    async with town.running.database.reading() as session:
        assert (await session.exec(select(DataPart))).all() == []


async def test_an_agent_may_ask_for_a_family_which_is_noted_and_tells_no_adult_s_own(running: RunFixture) -> None:
    town = await Town.of(running)
    asked = await _asked(town, "agent-account", by_agent=True)
    await _answered(town)
    async with town.running.database.reading() as session:
        told = await portability.everything(session, await session.get_one(DataRequest, asked.id))
        (act,) = await audit.page(session, {"structure": "carteville", "kind": "READ_ALL_DATA"}, None, 10)
    assert told["identity"]["account"]["rows"] == []
    assert [row["last_name"] for row in told["identity"]["family_adult"]["rows"]] == ["DUPONT"]
    assert (act.account, act.family) == ("agent-account", "dupont")


async def test_it_tells_what_else_opens_the_account_and_none_of_the_secrets(running: RunFixture) -> None:
    town = await Town.of(running)
    token = (await town.signs_in())["accessToken"]
    await sets_up(town, token)
    me = town.caller(token)
    assert me is not None
    async with town.running.database.transaction() as session:
        session.add(OutsideIdentity(provider="fc", subject="jp", account_id=me.account, label="Jean-Paul DUPONT", linked_at=NOW))
    asked = await _asked(town, me.account, by_agent=False)
    await _answered(town)
    async with town.running.database.reading() as session:
        told = (await portability.everything(session, await session.get_one(DataRequest, asked.id)))["identity"]
        factor = (await session.exec(select(Factor))).one()
    assert [row["kind"] for row in told["factor"]["rows"]] == ["TOTP"]
    assert [row["label"] for row in told["outside_identity"]["rows"]] == ["Jean-Paul DUPONT"]
    assert factor.sealed_secret is not None
    assert factor.sealed_secret not in str(told)


async def test_an_adult_is_told_what_was_done_with_another_s_account_but_not_what_it_says(running: RunFixture) -> None:
    """Parents may live apart: the new address of the one is no business of the other's."""
    town = await Town.of(running)
    await town.puts(MARTIN, FamilySpec("dupont", "carteville", "003150", ("dupont", "martin"), (PAOLO, AMALIA)))
    desk = await Desk.of(town)
    accounts = {row["lastName"]: row["id"] for row in (await desk.family("dupont"))["adults"]}
    for name, address in (("MARTIN", "refuge@example.org"), ("DUPONT", "jean-paul@example.org")):
        about = {"structure": "carteville", "account": accounts[name], "email": address, "reason": f"Pour {name}"}
        assert "code" not in await desk.does("changeAccount", **about)
    other = await _asked(town, accounts["MARTIN"], by_agent=False)
    for account, by_agent, theirs in (
        (accounts["DUPONT"], False, ["jean-paul@example.org"]),
        (accounts["MARTIN"], False, ["refuge@example.org"]),
        ("agent-account", True, []),
    ):
        asked = await _asked(town, account, by_agent=by_agent)
        async with town.running.database.reading() as session:
            told = (await portability.everything(session, asked))["identity"]
        acts = [row for row in told["act"]["rows"] if row["kind"] == "CHANGE_ACCOUNT"]
        assert len(acts) == 2
        assert [row["after"]["email"] for row in acts if row["after"]] == theirs
        assert str(told).count("Pour MARTIN") == (account == accounts["MARTIN"])
        assert (other.id in str(told)) == (account == accounts["MARTIN"])
        assert ("martin" in str(told)) == (account == accounts["MARTIN"]), "nor is the login, which may be an address"


async def test_ten_years_of_a_large_family_travel_and_arrive(running: RunFixture) -> None:
    """Three children, three activities a day: 12,600 days that were held, charged and paid for. joserfc takes 64 kB as it comes."""
    billing_service = await running("billing", clock=Clock(frozen_at=NOW), start=False)
    town = await Town.of(running)
    asked = await _asked(town, "somebody", by_agent=False)
    days = [NOW.date() - dt.timedelta(days=365 * year + day) for year in range(10) for day in range(140)]
    causes = [(f"attendance:{uuid4().hex}", child, activity, day) for day in days for child in "abc" for activity in "xyz"]
    about = {"structure": "carteville", "family": "dupont", "wallet": "w", "amount_cents": 131}
    hours = {"arrival": "07:30", "departure": "08:45", "tariff_version": "1/2026-09-01", "explanation": [{"code": "BAND", "details": {}}]}
    entry = {"kind": "CHARGE", "from_account": "wallet:dupont:w", "to_account": "revenue", "posted_at": NOW}
    holds = {"kind": HoldKind.CONFIRMED, "state": HoldState.SETTLED, "version": 2}
    async with billing_service.database.transaction() as session:
        connection = await session.connection()
        whose = [about | {"child": child, "activity": activity, "date": day} for _, child, activity, day in causes]
        for table, rows in (
            (Hold, [one | hours | holds | {"booking": cause[0]} for one, cause in zip(whose, causes, strict=True)]),
            (
                Consumption,
                [one | hours | {"cause": cause[0], "flat": False, "due": True} for one, cause in zip(whose, causes, strict=True)],
            ),
            (LedgerEntry, [about | entry | {"id": uuid4().hex, "cause": cause, "date": day} for cause, _, _, day in causes]),
        ):
            await connection.execute(insert(core(table)), rows)
    async with billing_service.database.transaction() as session:
        await billing.tell(session, await _question(town), billing_service.clock)
    async with billing_service.database.reading() as session:
        sent = (await session.exec(select(Outgoing).where(Outgoing.type == BillingDataTold.type_name()))).all()
    assert len(sent) > 1
    assert max(len(row.body) for row in sent) < 1_000_000, "what a broker takes"
    for row in sent:
        event = read(row.event_id, row.type, NOW.isoformat(), row.body.encode())
        async with town.running.database.transaction() as session:
            await react(town.running.service, session, [event], town.running.clock)
    async with town.running.database.reading() as session:
        told = (await portability.everything(session, asked))["billing"]
    assert {name: len(told[name]["rows"]) for name in ("hold", "consumption", "ledger_entry")} == dict.fromkeys(
        ("hold", "consumption", "ledger_entry"), len(causes)
    )


async def test_an_act_with_much_to_say_is_read_again_and_not_taken_for_erased(running: RunFixture) -> None:
    """A family with all its children's changes in one act is more than the 64 kB that joserfc takes as they come."""
    town = await Town.of(running)
    after = {"observations": "é" * 100_000}
    async with town.running.database.transaction() as session:
        await audit.lock_structure(session, "carteville")
        await audit.note(session, NOW, "carteville", "agent", audit.Done("CHANGE_FAMILY", family="dupont", after=after))
    async with town.running.database.reading() as session:
        (act,) = await audit.page(session, {"structure": "carteville"}, None, 1)
    assert (act.erased, act.after) == (False, after)
