"""What the subgraphs know of the family that asks."""

import calendar
import datetime as dt
from collections.abc import Mapping
from typing import Any

from tests.gateway.fakes import ACTIVITY, Subgraph, sdl

CHILDREN = {"amalia": "Amalia", "paolo": "Paolo", "lina": "Lina"}
WALLETS = {"multi": 'Multiaccueil "Les Tagazoux"', "peri": "PERISCOLAIRE"}
STATES = ("CLOSED", "AVAILABLE", "FULL", "WAITLIST_OPEN", "BOOKED", "WAITING")


def subgraphs() -> dict[str, Subgraph]:
    """Of dictionaries, by the services' names: they validate and execute whatever a gateway asks them."""
    family = {"id": "dupont", "number": "003150", "children": [{"id": id_, "firstName": name} for id_, name in CHILDREN.items()]}
    account = {"id": "dupont", "login": "dupont", "firstName": "Jean-Paul", "families": [family]}
    lines = [
        {"wallet": {"id": id_, "name": name}, "balanceCents": 50_06, "estimatedCostCents": 102_61, "newBalanceCents": -52_55}
        for id_, name in WALLETS.items()
    ]
    return {
        "identity": Subgraph(sdl("identity"), {"me": account}),
        "booking": Subgraph(sdl("booking"), {}, {"Child": lambda found: {"calendar": lambda _, **told: month_of(found["id"], **told)}}),
        "billing": Subgraph(sdl("billing"), {}, {"Family": lambda _: {"balance": {"lines": lines, "inDebit": False}}}),
    }


def month_of(child: str, month: str, activity: str) -> dict[str, Any]:
    first = dt.date.fromisoformat(f"{month}-01")
    dates = [first + dt.timedelta(days=n) for n in range(calendar.monthrange(first.year, first.month)[1])]
    days = [day(child, activity, date, STATES[(date.toordinal() + len(child) + len(activity)) % len(STATES)]) for date in dates]
    return {"month": month, "activity": ACTIVITY, "days": days}


def day(child: str, activity: str, date: dt.date, state: str) -> Mapping[str, Any]:
    booked = {"BOOKED": "ACCEPTED", "WAITING": "WAITLISTED"}.get(state)
    return {
        "date": date.isoformat(),
        "state": state,
        "placesLeft": None if activity == "restauration" else date.day,
        "reason": "Jour férié" if state == "CLOSED" else None,
        "revision": date.toordinal(),
        "booking": {"id": f"{child}-{activity}-{date.toordinal()}", "status": booked} if booked else None,
    }
