"""What the resolvers of one request share: whose data the caller may see, and loaders that turn a hundred entities into one statement."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.dataloader import DataLoader

from services.billing import alerts, estimates, prices, queries
from services.billing.balance import Balance
from services.billing.online import LONGEST_PAGE
from services.billing.prices import PreviewLine
from services.billing.quote import Unpriced
from services.billing.tables import OnlinePayment, Wallet
from services.billing.tariff import Price
from services.billing.viewing import LOG
from services.claims import Caller
from services.graphql import Context
from services.refusal import CodedError, Forbidden
from services.service import Running
from services.viewing import OfFamily, Whose

K = TypeVar("K")
V = TypeVar("V")
#: Lines of some (family, month).
Find = Callable[[AsyncSession, list[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], list[V]]]]

#: How long an answer waits for the price of a booking that was made this very moment and is not heard of yet.
PATIENCE_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.1
NEWS = "billing.news"


def _loader(context: Context, name: str, load: Callable[[Context, list[K]], Awaitable[Sequence[V | BaseException]]]) -> DataLoader[K, V]:
    if name not in context.loaders:
        context.loaders[name] = DataLoader(load_fn=lambda keys: load(context, keys))
    loader: DataLoader[K, V] = context.loaders[name]
    return loader


# --------------------------------------------------------------------------------------------------------------- callers
async def structure_of(context: Context, family: str) -> str:
    """The structure of a family that is the caller's, or that the caller serves as an agent. Raises Forbidden for any other."""
    caller = context.signed_in()
    if family in caller.families:
        return caller.families[family]
    if caller.agent_of:
        loader: DataLoader[str, str | None] = _loader(context, "structures", _structures)
        structure = await loader.load(family)
        if structure in caller.agent_of:
            saw(context, "MONEY", [Whose(structure, family)])
            return structure
    raise Forbidden


def saw(context: Context, what: str, those: Iterable[OfFamily]) -> None:
    """What an agent is shown. Of what a family sees of its own nothing is noted."""
    LOG.saw(context.running, context.signed_in(), what, those)


async def saw_file(context: Context, family: str, *, names_children: bool) -> None:
    """A link was given to a file about the family."""
    structure, named = await structure_of(context, family), [""]
    if names_children and family not in context.signed_in().families:
        async with context.database.reading() as session:
            named += (await queries.household(session, family)).children
    saw(context, "FILE", (Whose(structure, family, child) for child in named))


async def _structures(context: Context, families: list[str]) -> list[str | None]:
    async with context.database.reading() as session:
        found = await queries.structures_of(session, families)
    return [found.get(family) for family in families]


def sees_structure(caller: Caller, structure: str) -> bool:
    return structure in caller.agent_of or structure in caller.families.values()


# -------------------------------------------------------------------------------------------------------------- families
async def balance(context: Context, asked: queries.BalanceAsked) -> Balance:
    """Of a family that the caller may see."""
    return (await context.library.find(estimates.balances, [asked]))[asked]


async def _of_month(context: Context, name: str, find: Find[V], family: str, month: str) -> list[V]:
    async def found(context: Context, asked: list[tuple[str, str]]) -> list[list[V]]:
        async with context.database.reading() as session:
            lines = await find(session, asked)
        return [lines[one] for one in asked]

    loader: DataLoader[tuple[str, str], list[V]] = _loader(context, name, found)
    return await loader.load((family, month))


async def payments(context: Context, family: str, month: str) -> list[queries.PaymentLine]:
    return await _of_month(context, "payments", queries.payments, family, month)


async def reversed_on(context: Context, payment: str) -> dt.date | None:
    """Of a payment that the caller sees. None: nobody took it back."""
    loader: DataLoader[str, dt.date | None] = _loader(context, "reversals", _reversals)
    return await loader.load(payment)


async def _reversals(context: Context, payments: list[str]) -> list[dt.date | None]:
    async with context.database.reading() as session:
        found = await queries.reversals(session, payments)
    return [found[payment][0] if payment in found else None for payment in payments]


async def adjustments(context: Context, family: str, month: str) -> list[queries.AdjustmentLine]:
    return await _of_month(context, "adjustments", queries.adjustments, family, month)


async def threshold(context: Context, family: str) -> int | None:
    """Below which balance the family wants to be told, in cents."""
    loader: DataLoader[str, int | None] = _loader(context, "thresholds", _thresholds)
    return await loader.load(family)


async def _thresholds(context: Context, families: list[str]) -> list[int | None]:
    async with context.database.reading() as session:
        found = await alerts.thresholds(session, families)
    return [found.get(family) for family in families]


async def consumptions(context: Context, family: str, month: str) -> list[queries.ConsumptionLine]:
    found = await _of_month(context, "consumptions", queries.consumptions, family, month)
    saw(context, "MONEY", (line.consumption for line in found))
    return found


async def wallet(context: Context, id: str) -> Wallet | None:
    """None where it does not exist, or belongs to a structure that is none of the caller's."""
    loader: DataLoader[str, Wallet | None] = _loader(context, "wallets", _wallets)
    return await loader.load(id)


async def _wallets(context: Context, ids: list[str]) -> list[Wallet | None]:
    async with context.database.reading() as session:
        return _seen(context, await queries.wallets(session, ids), ids)


def _seen(context: Context, found: Mapping[str, Wallet], ids: list[str]) -> list[Wallet | None]:
    caller = context.signed_in()
    seen = {id: wallet for id, wallet in found.items() if sees_structure(caller, wallet.structure)}
    return [seen.get(id) for id in ids]


async def wallet_of_activity(context: Context, activity: str) -> Wallet | None:
    """None where nobody knows the activity, or it belongs to a structure that is none of the caller's."""
    loader: DataLoader[str, Wallet | None] = _loader(context, "wallets_by_activity", _wallets_by_activity)
    return await loader.load(activity)


async def _wallets_by_activity(context: Context, activities: list[str]) -> list[Wallet | None]:
    async with context.database.reading() as session:
        return _seen(context, await queries.wallets_by_activity(session, activities), activities)


async def online_payment(context: Context, id: str) -> OnlinePayment | None:
    """None where it does not exist, or is another family's."""
    loader: DataLoader[str, OnlinePayment | None] = _loader(context, "online_payments", _online_payments)
    return await loader.load(id)


async def _online_payments(context: Context, ids: list[str]) -> list[OnlinePayment | None]:
    caller = context.signed_in()
    async with context.database.reading() as session:
        found = await queries.online_payments(session, ids)
    seen = {id: row for id, row in found.items() if row.family in caller.families or row.structure in caller.agent_of}
    saw(context, "MONEY", (Whose(row.structure, row.family) for row in seen.values()))
    return [seen.get(id) for id in ids]


async def payments_under_way(context: Context, family: str) -> list[OnlinePayment]:
    """Those of a family that the caller may see on whose pages one may still pay, newest first."""
    loader: DataLoader[str, list[OnlinePayment]] = _loader(context, "payments_under_way", _payments_under_way)
    return await loader.load(family)


async def _payments_under_way(context: Context, families: list[str]) -> list[list[OnlinePayment]]:
    async with context.database.reading() as session:
        found = await queries.payments_under_way(session, families, context.running.clock.now() - LONGEST_PAGE)
    return [found[family] for family in families]


async def entry_of_online_payment(context: Context, id: str) -> str | None:
    """One of those that it came to. The payment is one that the caller sees."""
    async with context.database.reading() as session:
        lines = await queries.online_lines(session, id)
    return lines[0].entry.id if lines else None


# ---------------------------------------------------------------------------------------------------------------- prices
async def preview(context: Context, line: PreviewLine) -> Price:
    """Its price among all lines that are asked for in the same request. Raises Forbidden for a child that is not the caller's."""
    loader: DataLoader[PreviewLine, Price] = _loader(context, "previews", _previews)
    return await loader.load(line)


async def _previews(context: Context, lines: list[PreviewLine]) -> list[Price | BaseException]:
    caller = context.signed_in()
    async with context.database.reading() as session:
        answers = await estimates.preview(session, lines, caller.families, caller.agent_of)
        if caller.agent_of:
            owners = await prices.families_of(session, {line.child for line in lines})
            saw(context, "MONEY", (Whose(town, family, child) for child, those in owners.items() for family, town in those))
    return [_price_or_error(answer) for answer in answers]


def _price_or_error(answer: Price | Unpriced | None) -> Price | BaseException:
    if answer is None:
        return Forbidden()
    if isinstance(answer, Unpriced):
        return CodedError("NOT_PRICED", f"No price yet without {answer}.")
    return answer


async def booking_price(context: Context, booking: str) -> Price:
    """What its hold is or was. Nothing for a booking that is unknown, or another family's: nobody learns which."""
    loader: DataLoader[str, Price] = _loader(context, "bookings", _booking_prices)
    return await loader.load(booking)


async def _booking_prices(context: Context, bookings: list[str]) -> list[Price]:
    """A booking made by this very request may not be heard of yet: worth a moment's patience."""
    caller = context.signed_in()
    found: dict[str, Price] = {}
    give_up_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        news = _news(context.running)
        missing = [booking for booking in bookings if booking not in found]
        async with context.database.reading() as session:
            held = await prices.holds(session, missing, caller.families, caller.agent_of)
        saw(context, "MONEY", held.values())
        found |= {booking: prices.price_of(hold) for booking, hold in held.items()}
        if len(found) == len(bookings) or asyncio.get_running_loop().time() >= give_up_at:
            return [found.get(booking, prices.price_of(None)) for booking in bookings]
        await asyncio.wait([news], timeout=LOOK_AGAIN_SECONDS)


def _news(running: Running) -> "asyncio.Future[None]":
    """Done when holds were next digested in this process; other replicas' are found by looking again."""
    news: asyncio.Future[None] | None = running.resources.get(NEWS)
    if news is None or news.done():
        news = running.resources[NEWS] = asyncio.get_running_loop().create_future()
    return news


def holds_moved(running: Running) -> None:
    """Wake the answers that wait for a price."""
    news: asyncio.Future[Any] | None = running.resources.get(NEWS)
    if news is not None and not news.done():
        news.set_result(None)
