"""All that is known of a family as one file (RGPD, art. 15 and 20): every service tells what it knows, and identity alone can read it.

Each runs in its caller's transaction. What was told stays sealed with the request's own key until it is fetched; after some days the key
is forgotten, and with it whatever of it is still in a stream or an outbox.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.events import DataRequested, DataToldEvent
from services.identity import audit, queries
from services.identity.tables import (
    Account,
    AccountSession,
    Child,
    DataPart,
    DataRequest,
    Erasure,
    Factor,
    Family,
    FamilyAdult,
    Invitation,
    Membership,
    OutsideIdentity,
    Structure,
    Viewing,
)
from services.identity.trying import insert_if_new
from services.outbox import record
from services.refusal import Refused
from services.retention import days_of
from services.telling import Told, Whose, new_key, opened, public_part, told

DATA = "data"  #: What a link to the file is for.
AGAIN_AFTER = dt.timedelta(days=1)  #: Who asks before then is shown what was asked for.
TELLING = frozenset({"billing", "booking", "mailer"})
#: Columns that are told to nobody. What a family is found by holds both parents' logins.
NOBODY_S = (
    *("loaded", "loaded_email", "loaded_language", "private_key", "key", "sealed_secret", "last_step", "public_key", "token_sum"),
    *("looked_for_by", "invited_by", "withdrawn_at"),
)
MOST_ACTS = 1000


async def ask(session: AsyncSession, clock: Clock, account: str, family: Family, *, by_agent: bool) -> DataRequest:
    """Raises Refused FAMILY_ERASED."""
    now = clock.now()
    if by_agent:
        await audit.lock_structure(session, family.structure_id)
    row = await session.get_one(Family, family.id, with_for_update=True, populate_existing=True)
    if row.erased_at is not None:
        raise Refused("FAMILY_ERASED", family=row.number)
    asked = select_rows(DataRequest).where(DataRequest.family == row.id, DataRequest.account == account)
    newest = (await session.exec(asked.order_by(col(DataRequest.asked_at).desc()).limit(1))).first()
    if newest is not None and newest.by_agent == by_agent and newest.asked_at > now - AGAIN_AFTER:
        return newest
    key = new_key()
    town = await session.get_one(Structure, row.structure_id)
    request = DataRequest(
        id=uuid4().hex,
        structure=row.structure_id,
        family=row.id,
        account=account,
        by_agent=by_agent,
        asked_at=now,
        expires_at=now + days_of("data_files_days", town.retention),
        private_key=key,
    )
    session.add(request)
    asked_for = DataRequested(
        structure=row.structure_id,
        occurred_at=now,
        request=request.id,
        family=row.id,
        account=None if by_agent else account,
        key=public_part(key),
        expires_at=request.expires_at,
    )
    record(session, asked_for)
    if by_agent:
        await audit.note(session, now, row.structure_id, account, audit.Done("READ_ALL_DATA", family=row.id))
    return request


async def hear(session: AsyncSession, clock: Clock, event: DataToldEvent) -> None:
    """When the last part is here, the file is ready."""
    row = await session.get(DataRequest, event.request, with_for_update=True, populate_existing=True)
    if row is None or row.private_key is None or not event.sealed:
        return
    about = {"request": row.id, "service": event.service, "part": event.part}
    await insert_if_new(session, DataPart, **about, parts=event.parts, sealed=event.sealed)
    there = select(DataPart.service, func.count(), func.max(DataPart.parts)).where(col(DataPart.request) == row.id)  # type: ignore[call-overload]
    found = (await (await session.connection()).execute(there.group_by(DataPart.service))).all()
    if {service for service, count, parts in found if count == parts} >= TELLING and row.ready_at is None:
        row.ready_at = clock.now()
        session.add(row)


async def everything(session: AsyncSession, row: DataRequest) -> dict[str, Told]:
    """By service. The request is ready, and not over."""
    assert row.private_key is not None, "or it is over"
    parts = select_rows(DataPart).where(DataPart.request == row.id).order_by(DataPart.service, col(DataPart.part))
    sealed: dict[str, list[str]] = {}
    for part in (await session.exec(parts)).all():
        sealed.setdefault(part.service, []).append(part.sealed)
    others = {service: opened(pieces, row.private_key) for service, pieces in sorted(sealed.items())}
    return {"identity": await _own(session, row), **others}


async def _own(session: AsyncSession, row: DataRequest) -> Told:
    """Of other adults nothing but their names: one's address is no business of the other's. Nor is the name of the agent who looked."""
    account = "" if row.by_agent else row.account
    whose: Whose = {
        Family: col(Family.id) == row.family,
        Child: col(Child.family_id) == row.family,
        FamilyAdult: col(FamilyAdult.family_id) == row.family,
        Account: col(Account.id) == account,
        Membership: col(Membership.account_id) == account,
        AccountSession: col(AccountSession.account_id) == account,
        Factor: col(Factor.account_id) == account,
        OutsideIdentity: col(OutsideIdentity.account_id) == account,
        DataRequest: and_(col(DataRequest.family) == row.family, or_(col(DataRequest.account) == account, col(DataRequest.by_agent))),
        Erasure: col(Erasure.family) == row.family,
        Invitation: and_(col(Invitation.family_id) == row.family, col(Invitation.account_id) == account),
    }
    found = await told(session, whose, but=NOBODY_S)
    found |= await told(session, {Viewing: col(Viewing.family) == row.family}, but=("account",))
    adults = (await queries.adults(session, [row.family])).get(row.family, [])
    names = {one.id: (one.title, one.first_name, one.last_name) for one in adults}
    for adult in found["family_adult"]["rows"]:
        adult["title"], adult["first_name"], adult["last_name"] = names.get(adult["account_id"], (None, None, None))
    acts = await audit.page(session, {"family": row.family}, None, MOST_ACTS)
    return found | {"act": {"about": "What the town hall did.", "rows": [_act(act, account) for act in acts]}}


def _act(act: audit.ActRow, account: str) -> dict[str, object]:
    """What was done about another adult's account is told without what it was, and what for; nobody is told another's login."""
    head: dict[str, object] = {"at": act.at, "kind": act.kind}
    if act.adult not in (None, account):
        return head | dict.fromkeys(("reason", "before", "after"))
    return head | {"reason": act.reason, "before": _no_logins(act.before), "after": _no_logins(act.after)}


def _no_logins(said: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if said is None else {name: value for name, value in said.items() if name != "adults"}


async def requests_of(session: AsyncSession, family: str, account: str) -> Sequence[DataRequest]:
    """The newest first."""
    found = select_rows(DataRequest).where(DataRequest.family == family, DataRequest.account == account)
    return (await session.exec(found.order_by(col(DataRequest.asked_at).desc()).limit(20))).all()


async def forget(session: AsyncSession, now: dt.datetime) -> None:
    """What is over: the parts, and the key that opens whatever copy of them there is."""
    over = select(col(DataRequest.id)).where(col(DataRequest.expires_at) <= now)
    await session.exec(delete(DataPart).where(col(DataPart.request).in_(over)))
    keys = update(DataRequest).where(col(DataRequest.expires_at) <= now, col(DataRequest.private_key).is_not(None))
    await session.exec(keys.values(private_key=None))


async def forget_requests(session: AsyncSession, which: ColumnElement[bool]) -> None:
    """Of a family that is erased, or an account."""
    await session.exec(delete(DataPart).where(col(DataPart.request).in_(select(col(DataRequest.id)).where(which))))
    await session.exec(delete(DataRequest).where(which))


def as_json(told_by: Mapping[str, Told], row: DataRequest) -> dict[str, object]:
    head = {"structure": row.structure, "family": row.family, "asked_at": row.asked_at, "ready_at": row.ready_at}
    return {"about": head, "services": told_by}
