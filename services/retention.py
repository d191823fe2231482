"""For how long is kept what need not be: a town decides it, within bounds, in its file; what it does not say is as here."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.sql.elements import SQLCoreOperations

Kept = Mapping[str, int]  #: Name of a period -> its length, as a town says it.


@dataclass(frozen=True, slots=True)
class Period:
    """In days, or years, as its name says."""

    usual: int  #: Where the town says nothing.
    least: int
    most: int


PERIODS: Mapping[str, Period] = {
    #: What mails said and to which address they went: long enough for a family that asks what it was told.
    "mails_days": Period(90, 14, 1095),
    #: What was noted of a child on one day.
    "notes_days": Period(365, 30, 1095),
    #: Which agents saw which families and children (CNIL: six months to a year, three years at most).
    "viewings_days": Period(365, 180, 1095),
    #: What payment sites sent, and the pages of payments that are over: for those who have to explain a payment.
    "payment_notices_days": Period(365, 90, 1825),
    #: A family's file of its data.
    "data_files_days": Period(7, 1, 30),
    #: After so long without a booking, families are proposed to be erased.
    "families_years": Period(3, 1, 30),
}


def length_of(name: str, kept: Kept | None) -> int:
    return (kept or {}).get(name, PERIODS[name].usual)


def days_of(name: str, kept: Kept | None) -> dt.timedelta:
    return dt.timedelta(days=length_of(name, kept))


def overdue(
    name: str,
    at: SQLCoreOperations[Any],
    structure: SQLCoreOperations[str],
    now: dt.date,
    towns: Mapping[str, Kept | None],
) -> ColumnElement[bool]:
    """What is older than its town keeps it. `towns`: what those say that say anything."""
    own = {town: days_of(name, kept) for town, kept in towns.items() if name in (kept or {})}
    usual = days_of(name, None)
    shortest = min([usual, *own.values()])
    by_town = [and_(structure == town, at < now - days) for town, days in own.items()]
    return and_(at < now - shortest, or_(and_(structure.not_in(own), at < now - usual), *by_town))
