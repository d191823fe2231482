"""Forgets what mails of long ago said and to which address they went: that there was one, and what became of it, is enough."""

from services.mailer import delivery
from services.personal import FIRST_SECONDS, forget_in_time
from services.service import Running

EVERY_SECONDS = 3600
PORTION = 500  #: Mails that are forgotten in one transaction.


async def keep_forgetting(running: Running) -> None:
    """The background task of every mailer."""
    await running.rest(FIRST_SECONDS)
    while True:
        await forget_old(running)
        await forget_in_time(running)
        await running.rest(EVERY_SECONDS)


async def forget_old(running: Running) -> None:
    many = PORTION
    while many == PORTION:
        await running.crowd.let_pass()
        async with running.database.transaction() as session:
            many = await delivery.forget(session, running.clock.now(), PORTION)
