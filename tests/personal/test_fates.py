"""Of every column of the four databases it is said what is personal in it, and what becomes of it: a table that is new is asked about."""

from importlib import import_module

import pytest
from sqlalchemy import MetaData

from services.events import BY_TYPE
from services.outbox import MailroomTable
from services.personal import MAILROOM, Fate, Fates
from services.settings import SERVICES


def unclassified(metadata: MetaData, fates: Fates) -> list[str]:
    found = []
    for table in metadata.sorted_tables:
        fate = fates.get(table.name)
        if not isinstance(fate, Fate):
            found += [f"{table.name}.{column.name}" for column in table.columns if fate is None or column.name not in fate]
    return found


def unknown(metadata: MetaData, fates: Fates) -> list[str]:
    """What is spoken of, and is not there."""
    found = []
    for name, fate in fates.items():
        table = metadata.tables.get(name)
        if table is None:
            found.append(name)
        elif not isinstance(fate, Fate):
            found += [f"{name}.{column}" for column in fate if column not in table.columns]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_of_every_column_it_is_said_what_becomes_of_it(service: str) -> None:
    module = import_module(f"services.{service}.app")
    fates = import_module(f"services.{service}.personal").FATES
    assert unclassified(module.service.metadata, fates) == []
    assert unknown(module.service.metadata, fates) == []


def test_so_it_is_of_what_all_services_have() -> None:
    assert unclassified(MailroomTable.metadata, MAILROOM) == []
    assert unknown(MailroomTable.metadata, MAILROOM) == ["alembic_version"], "which the migrations keep for themselves"


def test_a_column_that_nobody_spoke_of_is_found() -> None:
    metadata = MailroomTable.metadata
    assert unclassified(metadata, {**MAILROOM, "outgoing": {"position": Fate.NOBODY}})[0] == "outgoing.event_id"
    assert "heard.event_id" in unclassified(metadata, {name: fate for name, fate in MAILROOM.items() if name != "heard"})


def test_what_is_not_there_any_more_is_found_too() -> None:
    spoken = {"heard": {"event_id": Fate.NUMBER, "gone": Fate.NUMBER}, "thrown_away": Fate.DELETED}
    assert unknown(MailroomTable.metadata, spoken) == ["heard.gone", "thrown_away"]


#: What an event may carry that says who somebody is. Where one has such a field, it is named as personal.
TELLING = {"email", "payer", "first_name", "last_name", "adults", "children", "birth_dates", "reason", "token", "detail"}
#: Ids alone, whatever they are called.
ONLY_IDS = {("family_changed", "adults"), ("family_changed", "children"), ("family_erasing", "children"), ("family_erased", "children")}


def test_no_event_says_who_somebody_is_without_saying_so() -> None:
    silent = [
        (kind.name, field)
        for kind in BY_TYPE.values()
        for field in kind.model_fields
        if field in TELLING and field not in kind.personal and (kind.name, field) not in ONLY_IDS
    ]
    assert silent == []
    assert all(kind.internal for kind in BY_TYPE.values() if kind.personal), "none of that is for other systems"
