"""What must always be true of billing's tables: `preau check` says what is not.

The databases look through the rows, and hand over what is wrong alone: a ledger of ten years does not fit into anybody's memory.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, Text, case, cast, exists, func, literal, or_, select, union_all
from sqlmodel.ext.asyncio.session import AsyncSession

from services.billing.audit import broken_seals
from services.billing.balance import Tolerance, in_debit
from services.billing.hold import HoldKind, HoldState
from services.billing.ledger import WALLETS, EntryKind
from services.billing.online import OnlinePaymentStatus
from services.billing.paying import cause_of
from services.billing.queries import ONLINE, tolerances
from services.billing.settlement import ATTENDANCE
from services.billing.tables import Consumption, Hold, LedgerEntry, OnlinePayment, PaymentDetail, Purse, Standing, Wallet, core
from services.bulk import one_of

C, H, L, ON, D, P, S, W = (core(rows).c for rows in (Consumption, Hold, LedgerEntry, OnlinePayment, PaymentDetail, Purse, Standing, Wallet))


async def violations(session: AsyncSession) -> list[str]:
    """One sentence each; empty if all is well."""
    return [
        sentence
        for check in (_entries, _ledger, _purses, _payments, _online, _holds, _consumptions, _standings, broken_seals)
        for sentence in await check(session)
    ]


async def _rows(session: AsyncSession, statement: Select[Any]) -> Iterable[Any]:
    return await (await session.connection()).execute(statement)


def _account(whose: Any) -> ColumnElement[str]:
    """wallet_account, for the databases."""
    account: ColumnElement[str] = literal(WALLETS) + whose.family + ":" + whose.wallet
    return account


# ------------------------------------------------------------------------------------------------------------- the ledger
async def _entries(session: AsyncSession) -> list[str]:
    """Positive, between two accounts, of the family and wallet that they name, one for each cause."""
    moves = select(L.id, L.amount_cents, L.from_account, L.to_account).where(or_(L.amount_cents <= 0, L.from_account == L.to_account))
    strange = select(L.id, L.wallet, L.family).where(_account(L) != L.from_account, _account(L) != L.to_account)
    known = exists().where(W.id == L.wallet, W.structure == L.structure)
    abroad = select(L.id, L.structure, L.wallet).where(~known)
    causes = select(L.cause, func.count()).group_by(L.cause).having(func.count() > 1)
    return [
        *(f"ledger entry {id} moves {cents} cents from {source} to {target}" for id, cents, source, target in await _rows(session, moves)),
        *(f"ledger entry {id} does not touch wallet {wallet} of family {family}" for id, wallet, family in await _rows(session, strange)),
        *(
            f"ledger entry {id} is in structure {structure}, its wallet {wallet} is not"
            for id, structure, wallet in await _rows(session, abroad)
        ),
        *(f"cause {cause} has {count} ledger entries" for cause, count in await _rows(session, causes)),
    ]


async def _ledger(session: AsyncSession) -> list[str]:
    """Zero over all accounts: what families' wallets hold, and what came into all others."""
    into, out_of = (func.sum(case((account.startswith(WALLETS), 0), else_=L.amount_cents)) for account in (L.to_account, L.from_account))
    ((others,),) = await _rows(session, select(func.coalesce(into - out_of, 0)))
    ((purses,),) = await _rows(session, select(func.coalesce(func.sum(P.cents), 0)))
    total = int(others) + int(purses)
    return [f"the ledger's accounts sum to {total} cents, not 0"] if total else []


async def _purses(session: AsyncSession) -> list[str]:
    """What is kept of each wallet is what its entries come to."""
    came = select(L.to_account.label("account"), L.amount_cents.label("posted"), literal(0).label("kept"))
    left = select(L.from_account, -L.amount_cents, literal(0))
    kept = select(_account(P), literal(0), P.cents)
    sums = union_all(came.where(L.to_account.startswith(WALLETS)), left.where(L.from_account.startswith(WALLETS)), kept).subquery()
    posted, holds = func.sum(sums.c.posted), func.sum(sums.c.kept)
    wrong = select(sums.c.account, posted, holds).group_by(sums.c.account).having(posted != holds)
    return [f"{account} holds {holds} cents; its entries come to {posted}" for account, posted, holds in await _rows(session, wrong)]


async def _payments(session: AsyncSession) -> list[str]:
    told = exists().where(D.entry == L.id)
    bare = select(L.id).where(L.kind.in_([EntryKind.PAYMENT, EntryKind.REFUND]), ~told)
    return [f"payment {entry} does not say how it was paid" for (entry,) in await _rows(session, bare)]


async def _online(session: AsyncSession) -> list[str]:
    """Of an online payment that was paid, one entry for each wallet, of its amount; of any other, none (S19)."""
    entries = select(L.cause, L.family, L.amount_cents).where(L.cause.startswith(ONLINE))
    posted = {cause: (family, cents) for cause, family, cents in await _rows(session, entries)}
    due: dict[str, tuple[str, int]] = {}
    found = []
    paid = select(ON.id, ON.family, ON.lines, ON.amount_cents, ON.credited).where(ON.status == OnlinePaymentStatus.PAID)
    for id, family, lines, amount_cents, credited in await _rows(session, paid):
        due |= {cause_of(id, wallet): (family, cents) for wallet, cents in (lines if credited is None else credited)}
        if sum(cents for _, cents in lines) != amount_cents:
            found.append(f"online payment {id} is over {amount_cents} cents, its lines are not")
    found += [f"{cause} was paid and feeds no wallet, or another, or with other cents" for cause in due if posted.get(cause) != due[cause]]
    return found + [f"{cause} feeds a wallet and was not paid" for cause in posted if cause not in due]


# ----------------------------------------------------------------------------------------------------- holds and charges
async def _unexplained(session: AsyncSession, key: Any, rows: Any) -> list[str]:
    """Those whose steps do not add up to their amount. Thousands of families have one explanation: each is read once."""
    steps = cast(rows.explanation, Text)
    found: list[str] = []
    for explanation, cents in list(await _rows(session, select(steps, rows.amount_cents).distinct())):
        if sum(step["amount_cents"] or 0 for step in orjson.loads(explanation)) != cents:
            wrong = select(key).where(steps == explanation, rows.amount_cents == cents)
            found += [one for (one,) in await _rows(session, wrong)]
    return found


async def _holds(session: AsyncSession) -> list[str]:
    """Explained to the cent, on a wallet of the right structure, and at most one confirmed for a child's day."""
    known = exists().where(W.id == H.wallet, W.structure == H.structure)
    abroad = select(H.booking, H.wallet, H.structure).where(H.state == HoldState.LIVE, ~known)
    day = H.family, H.child, H.activity, H.date
    confirmed = select(*day, func.count()).where(H.state == HoldState.LIVE, H.kind == HoldKind.CONFIRMED)
    twice = confirmed.group_by(*day).having(func.count() > 1)
    return [
        *(f"the hold of booking {one} is not what its steps add up to" for one in await _unexplained(session, H.booking, H)),
        *(
            f"the hold of booking {one} draws on {wallet}, no wallet of {structure}"
            for one, wallet, structure in await _rows(session, abroad)
        ),
        *(
            f"{child} of {family} has {n} holds for {activity} on {date}"
            for family, child, activity, date, n in await _rows(session, twice)
        ),
    ]


async def _consumptions(session: AsyncSession) -> list[str]:
    """The books say of each what it comes to, of its own wallet; and a booking is charged if, and only if, its hold is settled."""
    found = await _differing(session)
    found += [f"{one} is not what its steps add up to" for one in await _unexplained(session, C.cause, C)]
    settled = exists().where(H.booking == C.booking, H.state == HoldState.SETTLED)
    unsettled = select(C.booking).where(C.due, C.booking.is_not(None), ~settled).order_by(C.booking)
    # By the cause, which has an index: what is in no list of a million others takes a database hours to tell.
    charged = exists().where(C.cause == literal(ATTENDANCE) + H.booking, C.booking == H.booking, C.due)
    uncharged = select(H.booking).where(H.state == HoldState.SETTLED, ~charged).order_by(H.booking)
    nothing = select(L.settles).where(L.settles.is_not(None), ~exists().where(C.cause == L.settles)).distinct().order_by(L.settles)
    return [
        *found,
        *(f"booking {one} is charged, and its hold is not settled" for (one,) in await _rows(session, unsettled)),
        *(f"the hold of booking {one} is settled, and nothing is charged for it" for (one,) in await _rows(session, uncharged)),
        *(f"ledger entries settle {cause}, which is no consumption" for (cause,) in await _rows(session, nothing)),
    ]


async def _differing(session: AsyncSession) -> list[str]:
    """Those of which the books say something else."""
    leaves = L.from_account.startswith(WALLETS)
    account, cents = case((leaves, L.from_account), else_=L.to_account), case((leaves, L.amount_cents), else_=-L.amount_cents)
    taken = select(L.settles.label("cause"), account.label("account"), cents.label("cents")).where(L.settles.is_not(None))
    both = union_all(taken, select(C.cause, _account(C), -C.amount_cents)).subquery()
    differ = select(both.c.cause).group_by(both.c.cause, both.c.account).having(func.sum(both.c.cents) != 0)
    causes = {"causes": {cause for (cause,) in await _rows(session, differ)}}
    books = taken.where(one_of(L.settles, "causes")).subquery()
    sums = select(books.c.cause, books.c.account, func.sum(books.c.cents)).group_by(books.c.cause, books.c.account)
    due = select(C.cause, C.amount_cents).where(one_of(C.cause, "causes"))
    if not causes["causes"]:
        return []
    connection = await session.connection()
    said: dict[str, dict[str, int]] = defaultdict(dict)
    for cause, purse, total in await connection.execute(sums, causes):
        said[cause][purse] = int(total)
    return [f"{cause} comes to {amount} cents; its entries say {said[cause]}" for cause, amount in await connection.execute(due, causes)]


# -------------------------------------------------------------------------------------------------------------- standings
async def _standings(session: AsyncSession) -> list[str]:
    """What is said of each family is what its posted balance says (S21)."""
    standings = dict(map(tuple, await _rows(session, select(S.family, S.in_debit))))
    posted = {
        family: (structure, int(cents))
        for family, structure, cents in await _rows(session, select(P.family, func.min(P.structure), func.sum(P.cents)).group_by(P.family))
    }
    borne = await tolerances(session, {family: structure for family, (structure, _) in posted.items()})
    cents_of = {family: posted[family][1] if family in posted else 0 for family in sorted({*posted, *standings})}
    return [
        f"family {family} has {cents} cents and is said to be {'in debt' if standings.get(family) else 'in order'}"
        for family, cents in cents_of.items()
        if in_debit(cents, borne.get(family, Tolerance())) != standings.get(family, False)
    ]
