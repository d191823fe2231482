"""RGPD through real processes: a family with unmistakable names goes through everything, is erased, and no byte of it is left."""

import datetime as dt
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import yaml
from sqlmodel import select

from services.billing.tables import LedgerEntry, OnlinePayment
from services.database import Database
from services.outbox import Withdrawal
from services.settings import SERVICES
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Family, Town, activity, family, load_file, next_days, today

#: Odd enough to be found wherever they are: in no id, no other family and no word of ours.
CANARIES = (
    "Xanthippe",
    "VOGELSANGKA",
    "Quirinus",
    "2014-02-17",
    "vogelsangka-post",
    "PAYEUSEKA",
    "allergiquissime",
    "cousinquisse",
    "hallebardier",
    "psychopompe",
)
ERASE = """mutation($input: EraseFamilyInput!) { eraseFamily(input: $input) { __typename
  ... on Erasure { id state obstacles family { number children { id } adults { id } } by { lastName } }
  ... on ErasureObstructed { code message obstacles } ... on Refusal { code } } }"""
MY_DATA = "mutation($family: ID!) { requestMyData(family: $family) { ... on DataExport { id state } ... on Refusal { code } } }"
EXPORTS = "{ me { families { dataExports { id state askedAt readyAt expiresAt file { url } } } } }"
ERASURES = "query($structure: ID!) { erasures(structure: $structure) { id state reason despite family { id number } } }"
PAY = "mutation($input: RecordPaymentInput!) { recordPayment(input: $input) { ... on Payment { id } ... on Refusal { code message } } }"
RENEW = "mutation($child: ID!, $title: String) { renewCalendarFeed(child: $child, title: $title) { ... on CalendarFeed { url } } }"
RESET = "mutation($login: String!) { requestPasswordReset(login: $login) }"
ADJUST = """mutation($input: AdjustWalletInput!) { adjustWallet(input: $input) { ... on Adjustment { reason } ... on Refusal { code } } }"""
BOOK = """mutation($input: BookForFamilyInput!) { bookForFamily(input: $input) { ... on Request { reason } ... on Refusal { code } } }"""
START = """mutation($input: StartPaymentInput!) { startPayment(input: $input) { ... on OnlinePayment { id } ... on Refusal { code } } }"""
RECORD = """mutation($activity: ID!, $date: Date!, $entries: [AttendanceInput!]!) {
  recordAttendance(activity: $activity, date: $date, entries: $entries) { ... on AttendanceRecorded { answers { refusal { code } } }
  ... on Refusal { code message } } }"""


async def test_an_erased_family_leaves_no_byte_and_the_books_stay_right(system: System, found: Found, tmp_path: Path) -> None:
    town = await found(
        activities=[activity("aps", childcare=True, hours={"arrival": "00:00", "departure": "23:59"})],
        families=[family("f77", children=("k1", "k2")), family("f78")],
    )
    await _christen(system, town, tmp_path)
    canary, neighbour, agent = await town.sign_in("f77"), await town.sign_in("f78"), await town.agent()
    canary.child, neighbour.child = "k1", "f78-child"
    days = next_days(3)
    await _lives(town, canary, agent, days)
    assert await neighbour.asks(*days) == ["ACCEPTED"] * 3
    await neighbour.costs(3 * 131)
    assert (await _left(system)).keys() == set(CANARIES), "or it is no canary"
    before = await _books(system, town)

    await _reads_all(canary, neighbour)
    wish: dict[str, Any] = {"family": canary.id, "reason": "Demande écrite du 3 novembre", "idempotencyKey": "k1"}
    refused = await town.post(ERASE, {"input": wish}, token=agent.token)
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN", "an agent, and no administrator"
    admin = await town.administrator()
    obstructed = (await admin.ask(ERASE, {"input": wish}))["eraseFamily"]
    assert obstructed == {
        "__typename": "ErasureObstructed",
        "code": "ERASURE_OBSTRUCTED",
        "message": "Cette famille ne peut pas encore être effacée : il lui reste un crédit à rembourser, elle a des réservations à venir.",
        "obstacles": ["HAS_CREDIT", "HAS_BOOKINGS"],
    }
    assert (await admin.ask(ERASE, {"input": wish}))["eraseFamily"] == obstructed, "the same wish has the same answer"
    wish |= {"idempotencyKey": "k2", "despite": ["HAS_CREDIT", "HAS_BOOKINGS"]}
    erasure = (await admin.ask(ERASE, {"input": wish}))["eraseFamily"]
    assert erasure["__typename"] == "Erasure", erasure
    assert (erasure["family"]["children"], erasure["family"]["adults"], erasure["by"]) == ([], [], {"lastName": "MARTIN"})

    async def erased() -> bool:
        (newest, _) = (await admin.ask(ERASURES, {"structure": town.structure}))["erasures"]
        return bool(newest["state"] == "ERASED")

    await until(erased)
    await until(lambda: _withdrawn(system))
    assert (await admin.ask(ERASE, {"input": wish | {"idempotencyKey": "k3"}}))["eraseFamily"]["code"] == "FAMILY_ALREADY_ERASED"
    left = {"": ("not looked yet", "")}

    async def wiped() -> bool:
        left.clear()
        left.update(await _left(system))
        return not left

    try:
        await until(wiped)
    except AssertionError:
        assert left == {}

    assert await _books(system, town) == before
    assert await neighbour.bookings() == {day.isoformat(): "ACCEPTED" for day in days}
    assert (await neighbour.ask("{ me { lastName families { children { firstName } } } }"))["me"]["lastName"] == "F78"
    assert (await town.post("{ me { login } }", token=canary.token))["data"]["me"] is None
    checked = system.preau("check", check=False)
    assert checked.returncode == 0, checked.stdout
    out = tmp_path / "out.yaml"
    system.preau("export", town.structure, str(out))
    text = out.read_text()
    assert [name for name in CANARIES if name in text] == []
    loaded = system.preau("load", str(out), "--dry-run", check=False)
    assert loaded.returncode == 0, (loaded.stdout[-3000:], loaded.stderr[-3000:])


# --------------------------------------------------------------------------------------------------------- what they do
async def _christen(system: System, town: Town, folder: Path) -> None:
    """By the town's file, loaded again: only the names change."""
    one = next(each for each in town.file["families"] if each["id"].endswith("f77"))
    one["children"][0] |= {"first_name": "Xanthippe", "last_name": "VOGELSANGKA", "birth_date": "2014-02-17"}
    one["children"][1] |= {"first_name": "Quirinus", "last_name": "VOGELSANGKA"}
    account = next(each for each in town.file["accounts"] if each["login"].endswith("f77"))
    account |= {"first_name": "Xanthippe", "last_name": "VOGELSANGKA", "email": f"vogelsangka-post@{town.structure}.example.org"}
    path = folder / "christened.yaml"
    path.write_text(yaml.safe_dump(town.file, allow_unicode=True, sort_keys=False))
    await load_file(system, path)


async def _lives(town: Town, canary: Family, agent: Family, days: list[dt.date]) -> None:
    assert await canary.asks(*days) == ["ACCEPTED"] * 3
    await canary.costs(3 * 131)
    paid = {
        "family": canary.id,
        "wallet": town.named("periscolaire"),
        "mode": "CHEQUE",
        "amountCents": 50_00,
        "payer": "PAYEUSEKA VOGELSANGKA",
        "reference": "2578012",
        "bank": "BANQUE POSTALE",
        "idempotencyKey": "cheque",
    }
    assert "id" in (await agent.ask(PAY, {"input": paid}))["recordPayment"]
    started = {"family": canary.id, "lines": [{"wallet": town.named("periscolaire"), "amountCents": 1_00}], "idempotencyKey": "online"}
    assert "id" in (await canary.ask(START, {"input": started}))["startPayment"]
    await _given_up(canary)
    await _is_spoken_of(town, canary, agent, days[-1] + dt.timedelta(days=1))
    await canary.ask(RENEW, {"child": town.named("k1"), "title": "Xanthippe à l'école"})
    await canary.ask(RESET, {"login": town.named("f77")})
    entry = {"child": town.named("k2"), "attendance": "PRESENT", "note": "allergiquissime"}
    noted = await agent.ask(RECORD, {"activity": town.named("aps"), "date": today().isoformat(), "entries": [entry]})
    assert noted["recordAttendance"]["answers"][0]["refusal"] is None, noted

    async def mailed() -> bool:
        return len(await town.system.mails(f"vogelsangka-post@{town.structure}.example.org")) >= 2

    await until(mailed)


async def _is_spoken_of(town: Town, canary: Family, agent: Family, day: dt.date) -> None:
    """In reasons that agents give: in the trails of booking and billing, and beside the ledger."""
    for cents, why in ((7_00, "dette de la cousinquisse"), (-7_00, "remise du hallebardier")):
        given = {"family": canary.id, "wallet": town.named("periscolaire"), "amountCents": cents, "reason": why, "idempotencyKey": why}
        assert "reason" in (await agent.ask(ADJUST, {"input": given}))["adjustWallet"]
    line = {key: value for key, value in canary.line(day).items() if key != "change"}
    order = {"family": canary.id, "idempotencyKey": "guichet", "bookings": [line], "reason": "appel du psychopompe"}
    assert "reason" in (await agent.ask(BOOK, {"input": order}))["bookForFamily"]


async def _reads_all(canary: Family, neighbour: Family) -> None:
    """Every service's part, by a link that needs no token; and nothing of the neighbours."""
    asked = (await canary.ask(MY_DATA, {"family": canary.id}))["requestMyData"]
    assert (await canary.ask(MY_DATA, {"family": canary.id}))["requestMyData"]["id"] == asked["id"], "once a day"
    refused = await neighbour.town.post(MY_DATA, {"family": canary.id}, token=neighbour.token)
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"

    async def ready() -> Any:
        (one,) = (await canary.ask(EXPORTS))["me"]["families"][0]["dataExports"]
        return one["state"] == "READY" and one["file"]["url"]

    url = await until(ready)
    answer = await canary.town.client.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert file.namelist() == ["donnees.json", "lisez-moi.html"]
        text, page = file.read("donnees.json").decode(), file.read("lisez-moi.html").decode()
    told = json.loads(text)["services"]
    assert list(told) == ["identity", "billing", "booking", "mailer"]
    for name in CANARIES:
        assert name in text, f"{name} is not told"
    assert [row["first_name"] for row in told["identity"]["child"]["rows"]] == ["Xanthippe", "Quirinus"]
    assert len(told["booking"]["booking"]["rows"]) == 4
    assert sorted(row["amount_cents"] for row in told["billing"]["ledger_entry"]["rows"]) == [7_00, 7_00, 50_00]
    said = {row["reason"] for row in told["billing"]["entry_reason"]["rows"]}
    assert said == {"dette de la cousinquisse", "remise du hallebardier"}
    assert said < {row["reason"] for row in told["billing"]["act"]["rows"]} | {None}
    assert "appel du psychopompe" in {row["reason"] for row in told["booking"]["act"]["rows"]}
    assert any("COMPTE RENDU" in row["text"].upper() or "RESERVATIONS" in row["text"] for row in told["mailer"]["mail"]["rows"])
    assert {row["note"] for row in told["booking"]["presence"]["rows"]} == {"allergiquissime"}
    assert "<h2>Réservations</h2>" in page
    assert neighbour.id not in text, "the neighbours are none of theirs"
    assert all(word in page for word in ("<th>Prénom</th>", "<td>50,00\u00a0€</td>", "<td>non</td>"))
    assert "<th>first_name" not in page, "the JSON's names are for programs"
    assert not any(word in text for word in ("password_hash", "secret_hash", "token_sum", "private_key"))


async def _given_up(canary: Family) -> None:
    """On the payment site's page."""
    database = Database(canary.town.system.databases["billing"])
    try:
        async with database.reading() as session:
            row = (await session.exec(select(OnlinePayment).where(OnlinePayment.family == canary.id))).one()
        assert row.url is not None
        await canary.town.client.post(row.url, data={"action": "abandon", "misbehaviour": "none"}, follow_redirects=True)

        async def over() -> bool:
            async with database.reading() as session:
                found = (await session.exec(select(OnlinePayment.status).where(OnlinePayment.family == canary.id))).one()
            return found != "STARTED"

        await until(over)
    finally:
        await database.close()


# ------------------------------------------------------------------------------------------------------- what is looked at
async def _books(system: System, town: Town) -> list[tuple[Any, ...]]:
    """Every entry of the town's ledger."""
    database = Database(system.databases["billing"])
    try:
        async with database.reading() as session:
            about = LedgerEntry.id, LedgerEntry.from_account, LedgerEntry.to_account, LedgerEntry.amount_cents
            rows = await session.exec(select(*about).where(LedgerEntry.structure == town.structure).order_by(LedgerEntry.id))
            return [tuple(row) for row in rows]
    finally:
        await database.close()


async def _withdrawn(system: System) -> bool:
    """nothing waits to be taken out of the streams"""
    for service in SERVICES:
        database = Database(system.databases[service])
        try:
            async with database.reading() as session:
                if (await session.exec(select(Withdrawal))).first() is not None:
                    return False
        finally:
            await database.close()
    return True


async def _left(system: System) -> dict[str, tuple[str, str]]:
    """Canary -> where it still is, with what is around it."""
    found = {}
    for where, told in [*_everything(system), ("PostgreSQL", await _dumped(system))]:
        for name in CANARIES:
            place = told.find(name.encode())
            if place >= 0:
                found[name] = where, told[max(place - 300, 0) : place + 100].decode(errors="replace")
    return found


def _everything(system: System) -> Iterator[tuple[str, bytes]]:
    """Every file of the system: SQLite's with their freed pages, the broker's, logs. Not what left it: mails, and the payment site."""
    folder = system.folder.parent
    for path in folder.rglob("*"):
        if (
            path.is_file()
            and not {"mail", "sandbox"} & set(path.relative_to(folder).parts)
            and path.name not in ("mailbox.log", "sandbox.log")
        ):
            yield str(path), path.read_bytes()


async def _dumped(system: System) -> bytes:
    """What PostgreSQL's tables say, row by row."""
    said: list[str] = []
    for url in system.databases.values():
        if not url.startswith("postgresql"):
            continue
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            for (name,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
                said += [row[0] for row in await connection.fetch(f'SELECT t::text FROM "{name}" t')]
        finally:
            await connection.close()
    return "\n".join(said).encode()
