"""One round of a mailer in a process of its own, for tests that kill it: `python -m tests.mailer.one_round DATABASE_URL SMTP_URL`."""

import asyncio
import sys

from services.clock import Clock
from services.database import Database
from services.mailer.envelope import Sender
from services.mailer.post import Post
from services.mailer.sending import Sending


async def main(database_url: str, smtp_url: str) -> None:
    database, post = Database(database_url), Post(smtp_url)
    sending = Sending(database, Clock(), post, Sender.read("no-reply@carteville.example"), "https://famille.example.org")
    while await sending.round():
        pass
    await post.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
