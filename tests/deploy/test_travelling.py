"""What of identity goes with a town that moves: of every column it is said, and those that go arrive as they were."""

from typing import Any

import yaml
from sqlmodel import select

from deploy.town.export import export
from services.database import Database
from services.identity.tables import IdentityTable
from services.settings import Settings
from tests.conftest import MakeUrl
from tests.deploy.conftest import Databases
from tests.deploy.test_loaded_again import FILE
from tests.deploy.test_loading import put

#: Table -> the columns that arrive as they were.
GOES = {
    "structure": {"id", "name", "timezone", "school_zone", "secret_questions", "second_factor", "retention"},
    "announcement": {"structure_id", "title", "body", "published_at", "ends_at", "mail", "public"},
    "account": {"login", "title", "first_name", "last_name", "email", "language", "reports", "announcements_by_mail"},
    "agent_role": {"structure_id", "administrator"},
    "family": {"id", "structure_id", "number", "looked_for_by"},
    "family_adult": {"family_id", "position"},
    "child": {"id", "family_id", "first_name", "last_name", "birth_date", "position", "listed"},
}
#: Table -> the columns that are made anew there, and why: ids of rows, counters, and what the file says, which is what is then there.
ANEW = {
    "structure": {"version", "loaded"},
    "announcement": {"id", "loaded_title", "loaded_body", "loaded", "told_at", "withdrawn_at"},  # One that was withdrawn stays here.
    "account": {"id", "loaded_email", "loaded_language", "opened_at", "version"},
    "membership": {"account_id", "structure_id", "loaded"},
    "agent_role": {"account_id"},
    "family": {"version", "loaded"},
    "family_adult": {"account_id"},
    "child": {"loaded"},
}
#: What stays behind: whoever comes shows anew who they are (deploy/town/README.md, Moving a town).
STAYS = {
    "account": {"pending_email", "pending_proven", "pending_due_at", "security_question", "signed_in_at"},
    "family": {"erased_at"},  # Of an erased family nothing but its number and its books goes.
    **dict.fromkeys(
        (
            *("credential", "factor", "outside_identity", "recovery_code", "known_device", "account_session", "refresh_token"),
            *("reset_token", "address_token", "challenge", "oidc_state", "attempt"),  # how somebody comes in
            *("operator", "signing_key", "secret", "link_key"),  # the installation's
            *("act", "subject_key", "asked_once", "viewing", "erasure", "data_request", "data_part"),  # what was done here, and asked
            *("invitation", "unattached"),  # whom letters from here asked, or told
            "undeliverable",  # what became of mails from here
        ),
        None,
    ),
}


def said_of(table: str) -> set[str] | None:
    """None: of all columns the same."""
    parts = [where[table] for where in (GOES, ANEW, STAYS) if table in where]
    return None if None in parts else {column for part in parts for column in part or ()}


def test_of_every_column_it_is_said_whether_it_goes_along() -> None:
    unsaid = [
        f"{table.name}.{column.name}"
        for table in IdentityTable.metadata.sorted_tables
        for column in table.columns
        if (said := said_of(table.name)) is not None and column.name not in said
    ]
    assert unsaid == []


async def what_goes(databases: Databases) -> dict[str, list[Any]]:
    found = {}
    async with databases["identity"].reading() as session:
        for name, columns in GOES.items():
            table = IdentityTable.metadata.tables[name]
            query = select(*(table.c[column] for column in sorted(columns)))  # type: ignore[call-overload]
            found[name] = sorted((await (await session.connection()).execute(query)).all(), key=repr)
    return found


async def test_what_goes_arrives_as_it_was(settings: Settings, databases: Databases, database_url: MakeUrl) -> None:
    """Each of those columns says something else here than a town would have it that nobody touched."""
    file = yaml.safe_load(FILE)
    file["structure"] |= {"second_factor": "optional", "secret_questions": True, "retention": {"mails_days": 30, "families_years": 5}}
    file["announcements"][0] |= {"from": "today+7d", "until": "today+9d", "mail": True, "public": True}
    file["accounts"][0] |= {"reports": "daily", "announcements_by_mail": False, "language": "en"}
    file["families"][0]["accounts"] = ["agent", "dupont"]
    await put(databases, yaml.safe_dump(file))
    here = await what_goes(databases)
    exported = yaml.safe_load(await export(settings, "carteville"))
    for account in exported["accounts"]:
        account["password"] = "Un-nouveau-mot-2026"
    elsewhere = {service: Database(await database_url(service)) for service in databases}
    try:
        await put(elsewhere, yaml.safe_dump(exported))
        assert await what_goes(elsewhere) == here
    finally:
        for database in elsewhere.values():
            await database.close()
