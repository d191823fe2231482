"""How payment online is, for operators: whether the payment sites answer, how many payments are open, and how many wait for an agent."""

import asyncio

from prometheus_client import Gauge

from services.billing import cashier, unsettled
from services.billing.provider import Provider, ProviderTrouble
from services.service import Running

UP = Gauge("preau_payment_provider_up", "Whether the payment provider answers (1) or not (0)", ["provider"])
PAYMENTS = Gauge("preau_online_payments", "Online payments that did not end, of all structures", ["state"])
OLDEST = Gauge("preau_online_payment_oldest_seconds", "Age of the oldest of them; 0 if there is none")
LOOK_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 3.0  #: Where one did not answer: perhaps it starts with us.
NOBODYS = "preau-is-anybody-there"  #: No provider calls a payment so: whoever answers that it knows nothing of it answers.


async def watch(running: Running) -> None:
    """For ever."""
    while True:
        await running.rest(LOOK_SECONDS if await look(running) else LOOK_AGAIN_SECONDS)


async def look(running: Running) -> bool:
    """Set the gauges; whether all providers answer."""
    async with running.database.reading() as session:
        state = await unsettled.state(session)
    PAYMENTS.labels("open").set(state.open)
    PAYMENTS.labels("troubled").set(state.troubled)
    now = running.clock.now()
    OLDEST.set(0 if state.oldest_at is None else (now - state.oldest_at).total_seconds())
    known = cashier.providers(running)
    answers = await asyncio.gather(*map(_answers, known.values()))
    for name, is_up in zip(known, answers, strict=True):
        UP.labels(name).set(is_up)
    return all(answers)


async def _answers(provider: Provider) -> bool:
    try:
        await provider.ask(NOBODYS)
    except ProviderTrouble:
        return False
    return True
