"""Sends what is queued: takes mails in hand, sends each, then records it as sent.

In that order on purpose. A crash between the two sends the mail again, with the same Message-ID; the other order would lose it.
Several mailers may run: a mail in hand is claimed, and the claim lapses unless its holder lives to renew it.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from types import MappingProxyType
from uuid import uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from services.clock import Clock
from services.crash import crash_point
from services.database import Database
from services.mailer import delivery, queries
from services.mailer.envelope import Parts, Sender, seal
from services.mailer.letters import PORTAL
from services.mailer.pacing import Rates
from services.mailer.post import Answer, Post, Unreachable, Verdict
from services.service import Running
from services.telemetry import is_told, log, tell
from services.tracing import NOTHING, span

AT_ONCE = 50  #: Mails in hand, sent one after the other.
#: Mails recorded in one transaction, which costs more than sending one: so many may go out twice after a crash, each once more.
RECORDED_TOGETHER = 10
SOON_SECONDS = 0.05  #: If the server takes longer over a mail, those before it are recorded meanwhile.
CLAIM_SECONDS = 15.0  #: After a crash, what was in hand is free again so soon.
LOOK_SECONDS = 1.0  #: How often the queue is looked at when nobody says that there is something in it.
GATHER_SECONDS = 0.1  #: What comes at about the same time is taken in hand together.
LONGEST_PAUSE_SECONDS = 30.0  #: Between two attempts to reach a mail server that is down.
FINISH_SECONDS = 3.0  #: What a mail in mid-sending is given when the process ends.
WAKE = "mailer.wake"
MAILING = {"network.protocol.name": "smtp"}
NO_RATES: Rates = MappingProxyType({})


class Sending:
    """One sender: its connection, and its claims."""

    def __init__(self, database: Database, clock: Clock, post: Post, sender: Sender, portal: str, rates: Rates = NO_RATES) -> None:
        self._database = database
        self._clock = clock
        self._post = post
        self._sender = sender
        self._portal = portal
        self._rates = rates
        self._name = uuid4().hex
        self._answers: list[tuple[str, Answer]] = []  # of mails that were tried, and are not recorded yet
        self._left: list[str] = []  # of those in hand, those that come after the one that is tried
        self._withdrawn: set[str] = set()  # of them

    async def round(self) -> int:
        """Try what is due, at most AT_ONCE mails; how many were tried. Raises Unreachable if the mail server is."""
        async with self._database.reading() as session:
            paces = await queries.paces(session, self._rates) if self._rates else {}
            busy = [domain for domain, free_at in paces.items() if free_at > _real_now()]
            if not await queries.anything_due(session, self._clock.now(), _real_now(), busy):
                return 0
        mails = await self._claim()
        self._withdrawn = set()
        beat = asyncio.create_task(self._renew_claims())
        tried = 0
        try:
            for mail in mails:
                self._left = [one.id for one in mails[tried + 1 :]]
                if mail.id not in self._withdrawn:
                    await self._post_connected(mail)
                    await _unbroken(self._deliver(mail))
                tried += 1
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            await self._record()
            if tried < len(mails):
                async with self._database.transaction() as session:
                    await delivery.release(session, self._name)
        return tried

    async def _claim(self) -> Sequence[Parts]:
        async with self._database.transaction() as session:
            now = _real_now()
            return await delivery.claim(session, self._name, self._clock.now(), now, now + _claim_time(), AT_ONCE, self._rates)

    async def _renew_claims(self) -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS / 3)
            # If the database is away, the claims may lapse and a mail go out twice: under the same Message-ID.
            with contextlib.suppress(Exception):
                async with self._database.transaction() as session:
                    await delivery.renew(session, self._name, _real_now() + _claim_time())

    async def _post_connected(self, mail: Parts) -> None:
        """A server that is down costs no mail an attempt, but it does cost patience."""
        try:
            await self._post.connect()
        except Unreachable as error:
            async with self._database.transaction() as session:
                await delivery.lose_patience(session, mail.id, self._clock.now(), str(error))
            raise

    async def _deliver(self, mail: Parts) -> None:
        ours = replace(mail, text=mail.text.replace(PORTAL, self._portal), html=mail.html.replace(PORTAL, self._portal))
        crash_point("mailer.before_send")
        sending = asyncio.ensure_future(self._send(ours))
        try:
            done, _ = await asyncio.wait({sending}, timeout=SOON_SECONDS)
            if not done:
                await self._record()
            self._answers.append((mail.id, await sending))
        finally:
            sending.cancel()
        if mail.trace is not None and is_told(mail.trace):
            tell("mailed", mail.trace, mail=mail.id, outcome=self._answers[-1][1].verdict.value)
        crash_point("mailer.after_send")
        if len(self._answers) >= RECORDED_TOGETHER:
            await self._record()

    async def _send(self, mail: Parts) -> Answer:
        with span("send mail", "client", MAILING, of=mail.trace) if mail.trace else NOTHING as sending:
            answer = await self._post.send(seal(mail, self._sender), self._sender.address, mail.to_address)
            if answer.verdict is not Verdict.TAKEN:
                sending.failed(answer.verdict.value)
            return answer

    async def _record(self) -> None:
        answers, self._answers = self._answers, []
        if answers:
            async with self._database.transaction() as session:
                await self._note(session, answers)
                self._withdrawn = await delivery.withdrawn(session, self._left) if self._left else set()

    async def _note(self, session: AsyncSession, answers: Sequence[tuple[str, Answer]]) -> None:
        now = self._clock.now()
        await delivery.mark_sent(session, [mail for mail, answer in answers if answer.verdict is Verdict.TAKEN], now)
        for mail, answer in answers:
            if answer.verdict is Verdict.LATER:
                await delivery.postpone(session, mail, now, answer.words)
            elif answer.verdict is Verdict.NEVER:
                await delivery.give_up(session, mail, now, answer.words)
            if answer.verdict is not Verdict.TAKEN:
                log().warning("a mail was not taken", mail=mail, again=answer.verdict is Verdict.LATER)


def _real_now() -> dt.datetime:
    """Claims are about processes that live or die, not about the town's time: a clock that stands still must not keep one for ever."""
    return dt.datetime.now(dt.UTC)


def _claim_time() -> dt.timedelta:
    return dt.timedelta(seconds=CLAIM_SECONDS)


async def keep_sending(running: Running) -> None:
    """The background task of every mailer. A mail server that is down makes it wait, and nothing else."""
    settings = running.settings
    post = Post(settings.smtp_url)
    sending = Sending(running.database, running.clock, post, Sender.read(settings.mail_from), settings.public_url, settings.mail_rates)
    wake: asyncio.Event = running.resources.setdefault(WAKE, asyncio.Event())
    pause = LOOK_SECONDS
    try:
        while True:
            await running.crowd.let_pass()
            try:
                tried = await sending.round()
                pause = LOOK_SECONDS
            except Unreachable as error:
                log().warning("mail server unreachable", error=str(error), next_attempt_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            if tried:
                continue  # That they were sent is published at the relay's next sweep: many at once, nobody waits for it.
            if await _woken(wake):
                await asyncio.sleep(GATHER_SECONDS)
            else:
                await post.close()
    finally:
        await post.close()


def look_now(running: Running) -> None:
    """Something was queued."""
    running.resources.setdefault(WAKE, asyncio.Event()).set()


async def _woken(wake: asyncio.Event) -> bool:
    """Wait for somebody to say that there is something to send, but not for ever: a mail's own time may come."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await wake.wait()
    except TimeoutError:
        return False
    wake.clear()
    return True


async def _unbroken(work: Coroutine[None, None, None]) -> None:
    """Let it end, even when the process is asked to: a mail that was handed over should be recorded."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=FINISH_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
