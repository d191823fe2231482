"""A real SMTP server that does what a test tells it to: take a mail, refuse it, hang, or lose the connection."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.mailbox import receiving

LOST = "LOST"  #: Takes the mail, then breaks the connection instead of saying so.
HANGS = "HANGS"  #: Says nothing any more.


class MailServer:
    def __init__(self) -> None:
        self.taken: list[tuple[tuple[str, ...], EmailMessage]] = []  #: (recipients, message) of each mail that it has.
        self.refused: dict[str, str] = {}  #: address -> what is said to it.
        self.refused_sender: str | None = None
        self.after_data: deque[str] = deque()  #: What the next mails meet, instead of 250.
        self.drops = 0  #: So many of the next connections break in the middle of a mail.
        self.conversations = 0
        self.gate = asyncio.Event()  #: Mails are answered when it is set.
        self.gate.set()
        self.knocks = 0  #: Mails that came as far as the gate.
        self.url = ""
        self._changed = asyncio.Condition()

    def message_ids(self) -> list[str]:
        return [str(message["Message-ID"]) for _, message in self.taken]

    async def has(self, count: int) -> None:
        """Wait until it has so many mails."""
        await self._until(lambda: len(self.taken) >= count)

    async def is_knocked_at(self, count: int = 1) -> None:
        await self._until(lambda: self.knocks >= count)

    async def _until(self, fact: object) -> None:
        assert callable(fact)
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(fact)

    async def _say(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # What aiosmtpd asks.
    async def handle_EHLO(self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]) -> list[str]:  # noqa: N802
        self.conversations += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self.refused_sender:
            return self.refused_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        if self.drops:
            self.drops -= 1
            self._drop_in_data(server)
        return "250 OK"

    def _drop_in_data(self, server: SMTP) -> None:
        """Let it say go ahead, read a few lines of the mail, and be gone."""
        push = server.push

        async def push_and_drop(status: str | bytes) -> None:
            await push(status)
            if str(status).startswith("354"):
                for _ in range(3):
                    await server._reader.readline()
                assert server.transport is not None
                server.transport.abort()
                raise ConnectionResetError

        server.push = push_and_drop  # type: ignore[method-assign]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.knocks += 1
        await self._say()
        await self.gate.wait()
        fault = self.after_data.popleft() if self.after_data else None
        if fault == HANGS:
            await asyncio.Event().wait()
        if fault is None or fault == LOST:
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.taken.append((tuple(envelope.rcpt_tos), message))
        if fault == LOST:
            assert server.transport is not None
            server.transport.abort()
            await self._say()
            await asyncio.Event().wait()
        await self._say()
        return fault or "250 OK"


@asynccontextmanager
async def mail_server(port: int = 0) -> AsyncIterator[MailServer]:
    server = MailServer()
    listening = socket.create_server(("127.0.0.1", port))
    server.url = f"smtp://127.0.0.1:{listening.getsockname()[1]}"
    async with receiving(server, listening):
        yield server
