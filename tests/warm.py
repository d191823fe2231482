"""What a process does once, at its start or the first time that it asks a database, done before it is forked (tests/forked.py)."""

from graphql import assert_valid_schema
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import configure_mappers
from sqlmodel.main import default_registry

from gateway.supergraph import Supergraph
from services.booking.school_calendar import published

configure_mappers()  # type: ignore[no-untyped-call]
for mapper in default_registry.mappers:
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        select(mapper.class_).compile(dialect=dialect)
        mapper.local_table.insert().compile(dialect=dialect)  # type: ignore[attr-defined]
assert_valid_schema(Supergraph.committed().api)
published()
