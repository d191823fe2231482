"""A town back as a file that `load` takes: as it is now, and its history, so that it lives on elsewhere as it would have here.

Passwords cannot be exported, and need not be: an account without one keeps its own when the file is loaded again. Lines that wait for
a run are not in the file: its seed was drawn here.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from deploy.town.dates import WEEKDAYS
from deploy.town.history import FORMER_CHILDREN, written
from deploy.trouble import Trouble
from services.billing import carrying as books
from services.billing import tables as billing
from services.booking import activity as rules
from services.booking import carrying, queries, run_queries
from services.booking import tables as booking
from services.bulk import one_of
from services.carrying import Row, found
from services.database import Database
from services.identity import tables as identity
from services.identity.households import ReportsWanted
from services.settings import Settings

HEAD = """\
# {name}, exported on {today}. `preau load` takes it. Accounts keep their passwords; a new account needs one here.
"""
LEFT_OUT = "# Not in here: {count} lines that wait for a run. Let the run be held, then export.\n"

Item = dict[str, Any]


async def export(settings: Settings, structure: str) -> str:
    """The file's text. Raises Trouble if there is no such structure."""
    async with AsyncExitStack() as stack:
        sessions = {}
        for service in ("identity", "billing", "booking"):
            database = Database(settings.database_urls[service])
            stack.push_async_callback(database.close)
            sessions[service] = await stack.enter_async_context(database.snapshot())
            await sessions[service].exec(select(1))  # In this order: what billing has not heard yet of booking, it will hear there.
        row = await sessions["identity"].get(identity.Structure, structure)
        if row is None:
            known = (await sessions["identity"].exec(select(identity.Structure.id))).all()
            raise Trouble(f"there is no structure {structure!r}; known: {', '.join(sorted(known)) or 'none'}")
        today = settings.clock.today(row.timezone)
        work = _Export(row, today, **sessions)
        town = await work.town()
        waiting = await carrying.undecided(sessions["booking"], structure)
    text: str = yaml.safe_dump(town, allow_unicode=True, sort_keys=False, width=140, default_flow_style=None)
    return HEAD.format(name=row.name, today=today) + (LEFT_OUT.format(count=waiting) if waiting else "") + text


def without_nothing(item: Item) -> Item:
    """Keys that would say nothing are left out."""
    return {key: value for key, value in item.items() if value is not None and value != []}


def role_item(role: identity.AgentRole | None) -> Item:
    return {} if role is None else {"agent": True, "administrator": role.administrator or None}


class _Export:
    def __init__(
        self, structure: identity.Structure, today: dt.date, identity: AsyncSession, billing: AsyncSession, booking: AsyncSession
    ) -> None:
        self.structure = structure
        self.today = today
        self.identity = identity
        self.billing = billing
        self.booking = booking

    def own(self, id: str) -> str:
        """The id as the town wrote it: without what was put before it because another town had it."""
        return id.removeprefix(f"{self.structure.id}.")

    async def town(self) -> Item:
        purse = await self.billing.get(billing.Structure, self.structure.id)
        wallets = await self._of(self.billing, billing.Wallet, billing.Wallet.structure)
        specs = [rules.from_json(row.rules) for row in await self._of(self.booking, booking.Activity, booking.Activity.structure)]
        days_off = await queries.days_off(self.booking, self.structure.id)
        structure = {
            "id": self.structure.id,
            "name": self.structure.name,
            "timezone": self.structure.timezone,
            "school_zone": self.structure.school_zone,
            "second_factor": self.structure.second_factor and self.structure.second_factor.value,
            "secret_questions": self.structure.secret_questions,
            "retention": self.structure.retention,
            "debt_limit_cents": purse.debt_limit_cents if purse else 0,
            "address": (purse and purse.address) or None,
            **closings(days_off, days_off),
        }
        criteria = await run_queries.criteria(self.booking, self.structure.id)
        families = await self._of(self.identity, identity.Family, identity.Family.structure_id)
        town = {
            "structure": without_nothing(structure),
            "announcements": await self._announcements(),
            "wallets": [{"id": self.own(wallet.id), "name": wallet.name} for wallet in wallets],
            "criteria": [{"id": id_, "name": name} for id_, name in criteria.items()],
            "activities": [await self._activity(spec) for spec in specs],
            "accounts": await self._accounts(),
            "families": await self._families(families, {spec.id: spec for spec in specs}),
        }
        history = written(await self._history([family.id for family in families], [spec.id for spec in specs]))
        return town | ({"history": history} if history else {})

    async def _of(self, session: AsyncSession, table: Any, column: Any) -> list[Any]:
        """Rows of this structure, in a stable order."""
        return list((await session.exec(select(table).where(col(column) == self.structure.id).order_by(col(table.id)))).all())

    async def _announcements(self) -> list[Item]:
        zone = ZoneInfo(self.structure.timezone)
        rows = await self._of(self.identity, identity.Announcement, identity.Announcement.structure_id)
        rows.sort(key=lambda row: (row.published_at, row.title))
        return [
            without_nothing(
                {
                    "title": row.title,
                    "body": row.body,
                    "from": row.published_at.astimezone(zone).date(),
                    # Until the end of that day: of one that ends in its midst, no hour is kept.
                    "until": row.ends_at and (row.ends_at.astimezone(zone) - dt.timedelta(seconds=1)).date(),
                    "mail": True if row.mail and row.told_at is None else None,  # Letters that were written are not written again.
                    "public": row.public or None,
                }
            )
            for row in rows
            if row.withdrawn_at is None
        ]

    # --------------------------------------------------------------------------------------------------------- activities
    async def _activity(self, spec: rules.ActivitySpec) -> Item:
        newest = select(billing.Tariff).where(billing.Tariff.activity == spec.id).order_by(col(billing.Tariff.revision).desc()).limit(1)
        tariff = (await self.billing.exec(newest)).first()
        priced = await self.billing.get(billing.Activity, spec.id)
        item = {
            "id": self.own(spec.id),
            "name": spec.name,
            "category": spec.category,
            "childcare": True if priced is not None and priced.childcare else None,
            "wallet": self.own(spec.wallet),
            "season": {"from": spec.opens_on, "to": spec.closes_on},
            "weekdays": [WEEKDAYS[day] for day in sorted(spec.weekdays)],
            "school_holidays": spec.school_holidays,
            **closings(spec.closed_on, spec.closed_because),
            "open_on": sorted(spec.open_on),
            "capacity": spec.capacity,
            "capacity_on": dict(sorted(spec.capacity_on.items())) or None,
            "waiting_list_on": dict(sorted(spec.waiting_list_on.items())) or None,
            "hours": hours_item(spec.hours),
            "booking_deadline": deadline_item(spec.booking_deadline),
            "cancellation_deadline": deadline_item(spec.cancellation_deadline),
            "allocation": allocation_item(spec.allocation),
            "attendance": attendance_item(spec.attendance),
            "tariff": [tariff_item(version) for version in tariff.versions] if tariff else [],
        }
        return without_nothing(item) | {"waiting_list": spec.waiting_list}

    # ------------------------------------------------------------------------------------------------ accounts and families
    async def _accounts(self) -> list[Item]:
        member = select(identity.Account).join(identity.Membership, col(identity.Membership.account_id) == col(identity.Account.id))
        rows = await self.identity.exec(
            member.where(identity.Membership.structure_id == self.structure.id).order_by(identity.Account.login)
        )
        roles = select(identity.AgentRole).where(identity.AgentRole.structure_id == self.structure.id)
        agents = {role.account_id: role for role in (await self.identity.exec(roles)).all()}
        return [without_nothing(account_item(row) | role_item(agents.get(row.id))) for row in rows]

    async def _families(self, families: Sequence[identity.Family], specs: dict[str, rules.ActivitySpec]) -> list[Item]:
        logins = await self._logins()
        children = await self._children()
        enrolled = await self._enrollments(specs)
        told = await run_queries.family_criteria(self.booking, [family.id for family in families])
        known = set((await self.booking.exec(select(booking.Residence.family))).all())  # to have told none is not the same as nothing told
        items = []
        for family in families:
            own = children[family.id]
            item = {
                "id": self.own(family.id),
                "number": family.number,
                "accounts": logins[family.id],
                "quotient": await self._quotient(family.id),
                **await self._borne(family.id),
                "children": [child_item(child, self.own(child.id), enrolled[child.id]) for child in own],
            }
            item = without_nothing(item) | {"accounts": logins[family.id]}
            items.append(item | ({"criteria": list(told[family.id])} if told[family.id] or family.id in known else {}))
        return items

    async def _logins(self) -> dict[str, list[str]]:
        adults = select(identity.FamilyAdult, identity.Account.login).join(
            identity.Account, col(identity.Account.id) == col(identity.FamilyAdult.account_id)
        )
        found: dict[str, list[str]] = defaultdict(list)
        for adult, login in await self.identity.exec(adults.order_by(col(identity.FamilyAdult.position))):
            found[adult.family_id].append(login)
        return found

    async def _children(self) -> dict[str, list[identity.Child]]:
        found: dict[str, list[identity.Child]] = defaultdict(list)
        for child in await self.identity.exec(
            select(identity.Child).where(col(identity.Child.listed)).order_by(col(identity.Child.position))
        ):
            found[child.family_id].append(child)
        return found

    async def _enrollments(self, specs: dict[str, rules.ActivitySpec]) -> dict[str, dict[str, Item]]:
        """Child -> activity -> enrollment, both as in the file."""
        found: dict[str, dict[str, Item]] = defaultdict(dict)
        rows = select(booking.Enrollment).where(booking.Enrollment.structure == self.structure.id).order_by(booking.Enrollment.activity)
        for row in await self.booking.exec(rows):
            if row.activity in specs:
                item = {"activity": self.own(row.activity), "from": row.starts_on, "until": row.ends_on}
                found[row.child][row.activity] = without_nothing(item)
        return found

    async def _quotient(self, family: str) -> Decimal | int | float | None:
        newest = select(billing.Quotient.hundredths).where(billing.Quotient.family == family)
        hundredths = (await self.billing.exec(newest.order_by(col(billing.Quotient.starts_on).desc()).limit(1))).first()
        if hundredths is None:
            return None
        return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100

    async def _borne(self, family: str) -> Item:
        """What the town bears of this family's debt, where that is not what it bears of all."""
        standing = await self.billing.get(billing.Standing, family)
        return {"debt_limit_cents": standing and standing.limit_cents, "debt_exempt": True if standing and standing.exempt else None}

    # ------------------------------------------------------------------------------------------------------------ history
    async def _history(self, families: Sequence[str], activities: Sequence[str]) -> dict[str, list[Row]]:
        """What the services have of it, with the file's ids."""
        logins = dict((await self.identity.exec(select(identity.Account.id, identity.Account.login))).all())

        def of(kind: str, id_: str) -> str:
            return logins.get(id_, id_) if kind == "account" else self.own(id_)

        child = FORMER_CHILDREN.table.c
        gone = await found(self.identity, FORMER_CHILDREN, child.listed.is_(False), one_of(child.family_id, "ids"), ids=list(families))
        live, closings = await carrying.live_and_closings(self.booking, self.structure.id)
        return {
            FORMER_CHILDREN.name: [FORMER_CHILDREN.renamed(row, of) for row in gone],
            **await books.leaves(self.billing, self.structure.id, families, activities, books.Bookings(live, closings), of),
            **await carrying.leaves(self.booking, self.structure.id, activities, of),
        }


# ------------------------------------------------------------------------------------------------ into the file's words
def closings(days: Collection[dt.date], because: Mapping[dt.date, str | None]) -> Item:
    """Of an activity, or of all the structure."""
    reasons = {day: because[day] for day in sorted(because) if because[day]}
    return {"closed_on": sorted(days), "closed_because": reasons or None}


def hours_item(hours: rules.Hours) -> Item:
    if isinstance(hours, rules.FixedHours):
        return {"arrival": hours.arrival, "departure": hours.departure}
    bounds = {"from": hours.earliest, "to": hours.latest}
    return bounds | {"step_minutes": hours.step_minutes, "minimum_minutes": hours.minimum_minutes}


def deadline_item(deadline: rules.Deadline) -> Item | None:
    match deadline:
        case rules.DaysBefore(days, at, working_days):
            return {"days_before": days, "at": at, "working_days": working_days}
        case rules.HoursBefore(hours):
            return {"hours_before": hours}
        case rules.WeekdayBefore(weekday, at, weeks_before):
            return {"weekday": WEEKDAYS[weekday], "at": at, "weeks_before": weeks_before}
    return None


def allocation_item(allocation: rules.Allocation) -> str | Item:
    if isinstance(allocation, rules.Scheduled):
        item: Item = {"scheduled_at": allocation.at, "policy": allocation.policy}
        return item | ({"points": dict(allocation.points)} if allocation.points else {})
    return "immediate"


def attendance_item(kept: rules.AttendanceRules) -> Item | None:
    if kept == rules.AttendanceRules():
        return None
    return {"close_after_days": kept.close_after_days, "unrecorded": kept.unrecorded}


def tariff_item(version: dict[str, Any]) -> Item:
    """From billing's own stored form."""
    bands = [
        without_nothing({"quotient_above": _number(band["above"]), "quotient_up_to": _number(band["up_to"]), "cents": band["cents"]})
        for band in version["bands"]
    ]
    item = {
        "from": dt.date.fromisoformat(version["from"]),
        "per": version["per"],
        "bands": bands,
        "effort": effort_item(version.get("effort")),
        "rounding": version.get("rounding"),
        "siblings_percent": version["siblings_percent"],
        "outside_town": surcharge_item(version.get("outside_town")),
        "charged": charged_item(version.get("charged")),
    }
    return without_nothing(item)


def effort_item(effort: Item | None) -> Item | None:
    return effort and effort | {"percent": _number(effort["percent"])}


def surcharge_item(surcharge: Item | None) -> Item | None:
    return surcharge and {key: value for key, value in surcharge.items() if value}


def charged_item(charged: Item | None) -> Item | None:
    return charged and without_nothing(charged | {"late": charged["late"] and without_nothing(charged["late"])})


def _number(text: str | None) -> int | float | None:
    if text is None:
        return None
    return float(text) if "." in text else int(text)


def account_item(row: identity.Account) -> Item:
    item = {"login": row.login, "title": row.title, "first_name": row.first_name, "last_name": row.last_name, "email": row.email}
    choices = {
        "reports": None if row.reports is ReportsWanted.AT_ONCE else row.reports.value,
        "announcements_by_mail": None if row.announcements_by_mail else False,
    }
    return item | {"language": row.language} | choices


def child_item(row: identity.Child, id: str, enrolled: dict[str, Item]) -> Item:
    activities = [item["activity"] if list(item) == ["activity"] else item for item in enrolled.values()]
    item = {"id": id, "first_name": row.first_name, "last_name": row.last_name, "birth_date": row.birth_date}
    return without_nothing(item | {"activities": activities})
