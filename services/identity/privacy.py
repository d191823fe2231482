"""Erasing a family (RGPD, art. 17): what the law wants kept stays in billing's books; names, addresses, logins and children go.

First billing and booking say what stands in the way; then identity erases, and tells the others, who do so too. Each runs in its
caller's transaction.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from uuid import uuid4

from sqlalchemy import delete, exists, or_
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from services.audit import reason_of
from services.clock import Clock
from services.events import ContactsChanged, ErasureAsked, ErasureObstacle, ErasureRefused, FamilyChanged, FamilyErased, FamilyErasing
from services.identity import audit, portability
from services.identity.closing import forget_accounts
from services.identity.ending import lock_account, outdate_tokens
from services.identity.erasure import ERASING, ErasureState, Obstacle, standing_in_the_way
from services.identity.tables import (
    Account,
    AgentRole,
    Child,
    DataRequest,
    Erasure,
    Family,
    FamilyAdult,
    Invitation,
    Membership,
    Operator,
)
from services.outbox import record
from services.personal import UNANSWERED, forget_what_was_said
from services.refusal import Refused

UNDECIDED = (ErasureState.ASKED, ErasureState.ERASING)


async def ask(
    session: AsyncSession, clock: Clock, account: str, family: Family, reason: str, key: str, despite: Collection[Obstacle]
) -> Erasure:
    """An administrator of the family's structure wants it erased. The same key again is the same wish.

    Raises Refused: REASON_REQUIRED, IDEMPOTENCY_KEY_REUSED, FAMILY_ERASED.
    """
    why = reason_of(reason)
    assert why is not None, "or it would be refused"
    row = await session.get_one(Family, family.id, with_for_update=True, populate_existing=True)
    known = (await session.exec(select_rows(Erasure).where(Erasure.account == account, Erasure.key == key))).first()
    if known is not None:
        if (known.family, known.reason, set(known.despite)) != (row.id, why, set(despite)):
            raise Refused("IDEMPOTENCY_KEY_REUSED")
        return known
    if row.erased_at is not None:
        raise Refused("FAMILY_ERASED", family=row.number)
    erasure = Erasure(
        id=uuid4().hex,
        key=key,
        structure=row.structure_id,
        family=row.id,
        account=account,
        reason=why,
        despite=sorted(despite),
        asked_at=clock.now(),
        state=ErasureState.ASKED,
    )
    session.add(erasure)
    record(session, ErasureAsked(structure=row.structure_id, occurred_at=clock.now(), erasure=erasure.id, family=row.id))
    return erasure


async def hear_weighed(session: AsyncSession, clock: Clock, erasure: str, service: str, obstacles: Sequence[ErasureObstacle]) -> None:
    """When everybody has answered, it is decided."""
    row = await session.get(Erasure, erasure, with_for_update=True, populate_existing=True)
    if row is None or row.state is not ErasureState.ASKED:
        return
    row.weighed = {**row.weighed, service: list(obstacles)}
    left = standing_in_the_way(row.weighed, row.despite)
    if left == [] and clock.now() - row.asked_at <= UNANSWERED:
        row.state = ErasureState.ERASING
        await erase(session, clock, row)
    elif left is not None:
        _refuse(session, clock, row)
    session.add(row)


def _refuse(session: AsyncSession, clock: Clock, row: Erasure) -> None:
    """All goes on as before; it may be asked anew."""
    row.state = ErasureState.REFUSED
    session.add(row)
    record(session, ErasureRefused(structure=row.structure, occurred_at=clock.now(), erasure=row.id, family=row.family))


async def hear_erased(session: AsyncSession, clock: Clock, erasure: str, service: str) -> None:
    row = await session.get(Erasure, erasure, with_for_update=True, populate_existing=True)
    if row is None:
        return
    row.erased = {**row.erased, service: clock.now().isoformat()}
    if row.erased.keys() >= ERASING:
        row.state = ErasureState.ERASED
    session.add(row)


async def erase(session: AsyncSession, clock: Clock, erasure: Erasure) -> None:
    """Of the family its id and its number remain; of an account that belongs elsewhere too, all but that it belonged here."""
    await audit.lock_structure(session, erasure.structure)
    adults = await _adults(session, erasure.family)
    for account in adults:
        await lock_account(session, account)
    family = await session.get_one(Family, erasure.family, with_for_update=True, populate_existing=True)
    if family.erased_at is not None:
        erasure.state = ErasureState.ERASED  # By another wish.
        return
    adults = await _adults(session, family.id)
    children = (await session.exec(select_rows(Child.id).where(Child.family_id == family.id).order_by(Child.id))).all()
    await session.exec(delete(FamilyAdult).where(col(FamilyAdult.family_id) == family.id))
    await session.exec(delete(Child).where(col(Child.family_id) == family.id))
    alone = await _alone(session, adults, family.structure_id)
    for account in adults:
        await outdate_tokens(session, clock, account)
    await _leave(session, set(adults) - set(alone), family.structure_id)
    await forget_accounts(session, alone)
    await portability.forget_requests(session, col(DataRequest.family) == family.id)
    await session.exec(delete(Invitation).where(col(Invitation.family_id) == family.id))
    await audit.forget(session, [family.id, *alone])
    done = audit.Done("ERASE_FAMILY", family=family.id, reason=erasure.reason)
    await audit.note(session, clock.now(), erasure.structure, erasure.account, done)
    await forget_what_was_said(session, [family.id], alone)
    family.erased_at, family.version, family.looked_for_by = clock.now(), family.version + 1, ""
    session.add(family)
    await session.flush()
    _tell(session, clock.now(), family, erasure, alone, children)


async def _adults(session: AsyncSession, family: str) -> Sequence[str]:
    """Always in one order, so that two never wait for each other."""
    found = select_rows(FamilyAdult.account_id).where(FamilyAdult.family_id == family)
    return (await session.exec(found.order_by(FamilyAdult.account_id))).all()


def _tell(
    session: AsyncSession, now: dt.datetime, family: Family, erasure: Erasure, accounts: Sequence[str], children: Sequence[str]
) -> None:
    about = {"structure": family.structure_id, "occurred_at": now, "family": family.id}
    record(
        session,
        FamilyErasing(
            **about,
            erasure=erasure.id,
            accounts=list(accounts),
            children=list(children),
            by=erasure.account,
            number=family.number,
        ),
        FamilyChanged(**about, version=family.version, adults=[], children=[]),
        ContactsChanged(**about, version=family.version, adults=[], children={}),
        FamilyErased(**about, children=list(children)),
    )


async def _alone(session: AsyncSession, accounts: Collection[str], structure: str) -> list[str]:
    """Those that nothing else needs: no family, no work, no other structure that they belong, or belonged, to."""
    account = col(Account.id)
    needed = (
        exists().where(col(FamilyAdult.account_id) == account),
        exists().where(col(AgentRole.account_id) == account),
        exists().where(col(Operator.account_id) == account),
        exists().where(col(Membership.account_id) == account, col(Membership.structure_id) != structure),
    )
    found = select_rows(Account.id).where(account.in_(accounts), ~or_(*needed)).order_by(account)
    return list((await session.exec(found)).all())


async def _leave(session: AsyncSession, accounts: Collection[str], structure: str) -> None:
    """They live on elsewhere: this structure knows them no longer, unless they have another family here, or work here."""
    account = col(Membership.account_id)
    families = exists().where(
        col(FamilyAdult.account_id) == account, col(FamilyAdult.family_id) == col(Family.id), col(Family.structure_id) == structure
    )
    works = exists().where(col(AgentRole.account_id) == account, col(AgentRole.structure_id) == structure)
    here = delete(Membership).where(account.in_(accounts), col(Membership.structure_id) == structure, ~families, ~works)
    await session.exec(here)


async def refuse_late(session: AsyncSession, clock: Clock) -> None:
    """Wishes that nobody has answered in time."""
    late = select_rows(Erasure).where(Erasure.state == ErasureState.ASKED, Erasure.asked_at < clock.now() - UNANSWERED)
    for row in (await session.exec(late.order_by(Erasure.id).with_for_update())).all():
        _refuse(session, clock, row)


async def erasures(session: AsyncSession, structure: str, most: int) -> Sequence[Erasure]:
    """The newest first."""
    found = select_rows(Erasure).where(Erasure.structure == structure)
    return (await session.exec(found.order_by(col(Erasure.asked_at).desc(), col(Erasure.id)).limit(most))).all()
