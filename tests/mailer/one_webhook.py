"""All that a webhook is told, by a process of its own, for tests that kill it: `python -m tests.mailer.one_webhook ID`."""

import asyncio
import sys

from services.mailer import calling
from services.mailer.app import service
from services.service import Running
from services.settings import Settings


async def main(id: str) -> None:
    running = Running.of(service, Settings.from_environment())
    await calling._call(running, id, "this process")
    await running.database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
