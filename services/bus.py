"""The bus: two JetStream streams (what the town may hear, and our own plumbing), one durable consumer of each per service."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats.js.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType, StreamConfig, StreamInfo

from services import nkeys
from services.events import INTERNAL, PUBLIC
from services.settings import Settings
from services.telemetry import log
from services.tracing import trail

STREAM = {False: "PREAU", True: "PREAU_INTERNAL"}  #: By whether it is internal.
SUBJECTS = {False: f"{PUBLIC}.>", True: f"{INTERNAL}.>"}
WAKE = "preau-wake"  #: Under it our processes wake one another. None of that is kept: whoever sleeps looks by itself, a little later.
INBOX = "_INBOX"  #: Under it and one's name come answers.
REQUEST_ID = "x-request-id"  #: Of the request that caused the event, where it has another than its trace's.
MESSAGE_ID = "Nats-Msg-Id"  # JetStream drops a second message with the same id, for two minutes.
ATOMIC_FROM = 16  #: From this many messages on, one atomic batch (one sync to disk) beats single publishes.
ATOMIC_MOST = 1000  #: What the server takes in one batch.
RETRY_SECONDS = 0.2
TIMEOUT_SECONDS = 5.0
LOOKED_THROUGH = 1000  #: Headers that are read at once.
LOOK_SECONDS = 60.0  #: What looks through a stream is forgotten by the broker when it has not asked for so long.

BROKER_TROUBLE = (NatsError, nats.js.errors.Error, OSError, TimeoutError, asyncio.TimeoutError)


def messaging(operation: str, subject: str, event_id: str) -> dict[str, str]:
    """What a span says of an event: OpenTelemetry's words."""
    about = {"messaging.system": "nats", "messaging.destination.name": subject, "messaging.message.id": event_id}
    return {**about, "messaging.operation.name": operation, "messaging.operation.type": operation}


def trail_of(message: Msg) -> str | None:
    headers = {name.lower(): value for name, value in (message.headers or {}).items()}
    return trail(headers.get("traceparent"), headers.get(REQUEST_ID))


@dataclass(frozen=True, slots=True)
class Letter:
    """A message ready to be published."""

    event_id: str
    subject: str
    headers: dict[str, str]
    body: bytes


def _command(letter: Letter, more: str) -> bytes | None:
    """The message as the NATS protocol has it. None: its subject or a header would break out of its line."""
    headers = "".join([f"{name}: {value}\r\n" for name, value in letter.headers.items()])
    if headers.count("\n") != len(letter.headers) or headers.count("\r") != len(letter.headers) or len(letter.subject.split()) != 1:
        return None
    head = f"NATS/1.0\r\n{headers}{more}\r\n\r\n".encode()
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (letter.subject.encode(), len(head), len(head) + len(letter.body), head, letter.body)


def stream(internal: bool, replicas: int) -> StreamConfig:
    """What is kept of all that is told: the one place that says how."""
    return StreamConfig(
        name=STREAM[internal],
        subjects=[SUBJECTS[internal]],
        storage=StorageType.FILE,
        num_replicas=replicas,
        allow_atomic=True,
        duplicate_window=120,
    )


def consumer(durable: str, filters: Iterable[str]) -> ConsumerConfig:
    """How a service listens to a stream: the one place that says how."""
    return ConsumerConfig(
        durable_name=durable,
        filter_subjects=sorted(filters),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=5,  # What a dead process had in hand comes again soon; a slow one hears it twice, which the inbox is for.
        max_deliver=-1,  # We count ourselves, and bury what cannot be handled where operators see it.
        max_ack_pending=5000,
    )


class NotOurs(nats.js.errors.Error):
    """Somebody else has made this stream, and has it copy others, or be copied: what is told in it is for nobody but us."""

    def __init__(self, stream: str) -> None:
        super().__init__(description=f"stream {stream} copies another, or is copied: it is not as we make it; delete it")


class _Signing(Client):
    """nats-py's client, which would want a library of its own to sign with a key."""

    def _setup_nkeys_connect(self) -> None:
        credentials = nkeys.read(Path(str(self._user_credentials)))
        self._signature_cb = lambda nonce: nkeys.sign(credentials.seed, nonce.encode())
        if credentials.jwt is None:
            self._public_nkey = nkeys.public_of(credentials.seed)
        else:
            self._user_jwt_cb = lambda: bytearray(credentials.jwt.encode())


async def connect(settings: Settings, name: str, **options: Any) -> Client:
    """A connection of whoever is called so: answers come to an inbox that no other key may listen at.

    Raises one of BROKER_TROUBLE.
    """
    client = _Signing()
    try:
        await client.connect(
            settings.nats_url, name=name, user_credentials=settings.nats_credentials, inbox_prefix=f"{INBOX}.{name}", **options
        )
    except nkeys.NotAKey as error:
        raise OSError(f"NATS_CREDENTIALS: {error}") from None
    except BaseException:
        with suppress(*BROKER_TROUBLE):
            await client.close()  # whoever was not let in has a connection all the same
        raise
    return client


@dataclass(slots=True)
class Bus:
    """One connection to the broker. It may be down for as long as it likes: `connected` says when it is not."""

    settings: Settings
    name: str
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0  #: Grows with each connection: whoever saw another number looks at the streams again.
    client: Client | None = None
    when_connected: Callable[[], Awaitable[None]] | None = None  #: Called after each connection, the first one too.
    _ears: dict[str, Callable[[Msg], None]] = field(default_factory=dict)

    async def keep_connecting(self) -> None:
        """Connect, trying again until it works; from then on the client reconnects by itself."""
        while self.client is None:
            try:
                self.client = await self._connect()
            except BROKER_TROUBLE as error:
                log().info("no broker yet", url=self.settings.nats_place, error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
        await self._on_connected()

    async def _connect(self) -> Client:
        return await connect(
            self.settings,
            self.name,
            connect_timeout=2,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_SECONDS,
            # The defaults notice a half-open connection after six minutes.
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_connected,
        )

    async def _on_connected(self) -> None:
        self.connections += 1
        self.connected.set()
        if self.when_connected is not None:
            await self.when_connected()

    async def _on_disconnected(self) -> None:
        self.connected.clear()

    async def _on_error(self, error: Exception) -> None:
        # A forbidden publish is told here and nowhere else.
        log().warning("broker", error=repr(error))

    @property
    def jetstream(self) -> JetStreamContext:
        assert self.client is not None, "wait for `connected` first"
        return self.client.jetstream(timeout=TIMEOUT_SECONDS)

    async def ensure_stream(self, internal: bool) -> StreamInfo:
        """The stream, created if it is missing. Several services may do this at once. Raises NotOurs."""
        try:
            found = await self.jetstream.stream_info(STREAM[internal])
        except nats.js.errors.NotFoundError:
            return await self.jetstream.add_stream(stream(internal, self.settings.nats_replicas))
        if found.config.sources or found.config.mirror or (internal and found.config.republish):
            raise NotOurs(STREAM[internal])
        return found

    async def ensure_consumer(self, internal: bool, durable: str, filters: Sequence[str]) -> None:
        """Remember, on the server, how far this service has listened: one consumer for all it hears of a stream."""
        await self.jetstream.add_consumer(STREAM[internal], consumer(durable, filters))

    async def waiting(self, internal: bool, durable: str) -> int:
        """Messages that this consumer has before it, or that somebody has in hand for it. Raises one of BROKER_TROUBLE."""
        info = await self.jetstream.consumer_info(STREAM[internal], durable)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def subscribe(self, internal: bool, durable: str) -> JetStreamContext.PullSubscription:
        return await self.jetstream.pull_subscribe_bind(durable=durable, stream=STREAM[internal])

    async def acknowledge(self, messages: Iterable[Msg]) -> None:
        """These were handled: all said at once, and like every acknowledgement only hoped to arrive. What is lost comes again."""
        if self.client is not None:
            # Past `Msg.ack`, which takes as long as handling the message did.
            await self.client._send_command(b"".join([b"PUB %b 0\r\n\r\n" % message.reply.encode() for message in messages]))
            await self.client._flush_pending()

    async def call(self, subject: str, words: bytes = b"") -> None:
        """To those of our processes that listen now. Nobody may depend on it."""
        if self.client is not None and self.connected.is_set():
            with suppress(*BROKER_TROUBLE):
                await self.client.publish(f"{WAKE}.{subject}", words)

    async def overhear(self, subject: str, hear: Callable[[bytes], None]) -> None:
        """What is called from now on, whatever becomes of the connection meanwhile. Raises one of BROKER_TROUBLE."""
        await self.hear(f"{WAKE}.{subject}", lambda message: hear(message.data))

    async def hear(self, subject: str, hear: Callable[[Msg], None]) -> None:
        """What is published from now on, in every process that asks: at most once, and kept for nobody. Raises one of BROKER_TROUBLE."""
        assert self.client is not None, "wait for `connected` first"
        known = subject in self._ears
        self._ears[subject] = hear

        async def on_message(message: Msg) -> None:
            self._ears[subject](message)

        if not known:
            await self.client.subscribe(subject, cb=on_message)

    async def publish(self, letters: Sequence[Letter]) -> int:
        """Publish in order, all to one stream; return the sequence number of the last. Raises one of BROKER_TROUBLE."""
        if len(letters) >= ATOMIC_FROM:
            last = await self._publish_together(letters)
            if last is not None:
                return last
        last = 0
        for letter in letters:
            ack = await self.jetstream.publish(letter.subject, letter.body, headers=letter.headers, timeout=TIMEOUT_SECONDS)
            last = ack.seq
        return last

    async def _publish_together(self, letters: Sequence[Letter]) -> int | None:
        """As one atomic batch (ADR-50). None if the server would not: some of it was published before, for instance."""
        assert self.client is not None
        batch = secrets.token_hex(8)
        commands = [_command(letter, f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {n}") for n, letter in enumerate(letters[:-1], 1)]
        if None in commands or max(len(letter.body) for letter in letters) > self.client.max_payload:
            return None  # One by one it comes out which, and why.
        # Past `client.publish`, which takes as long over the headers of one message as the server takes to keep it.
        await self.client._send_command(b"".join(filter(None, commands)))
        end = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(len(letters)), "Nats-Batch-Commit": "1"}
        final = letters[-1]
        reply = await self.client.request(final.subject, final.body, headers={**final.headers, **end}, timeout=TIMEOUT_SECONDS)
        answer: dict[str, Any] = orjson.loads(reply.data)
        if "error" in answer:
            log().debug("published one by one", reason=answer["error"])
            return None
        return int(answer["seq"])

    async def find(self, internal: bool, subjects: Collection[str], ids: Collection[str]) -> dict[str, int]:
        """Where in the stream the messages with these ids are, by id, of those that are there. Raises one of BROKER_TROUBLE."""
        here = [subject for subject in sorted(subjects) if await self._holds(internal, subject)]
        found: dict[str, int] = {}
        if not here:
            return found
        looker = f"{self.name}-look"  # one at a time looks: whoever holds the relay's lock
        with suppress(nats.js.errors.NotFoundError):
            await self.jetstream.delete_consumer(STREAM[internal], looker)
        looking = ConsumerConfig(
            name=looker,
            filter_subjects=here,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.NONE,
            headers_only=True,
            mem_storage=True,
            inactive_threshold=LOOK_SECONDS,
        )
        consumer = await self.jetstream.add_consumer(STREAM[internal], looking)
        ear = await self.jetstream.pull_subscribe_bind(consumer=consumer.name, stream=STREAM[internal])
        try:
            left = consumer.num_pending or 0
            while left > 0 and len(found) < len(ids):
                messages = await ear.fetch(min(left, LOOKED_THROUGH), timeout=TIMEOUT_SECONDS)
                for message in messages:
                    event_id = (message.headers or {}).get(MESSAGE_ID, "")
                    if event_id in ids:
                        found[event_id] = message.metadata.sequence.stream
                left = int(messages[-1].metadata.num_pending or 0)
        finally:
            await ear.unsubscribe()
            await self.jetstream.delete_consumer(STREAM[internal], consumer.name)
        return found

    async def _holds(self, internal: bool, subject: str) -> bool:
        """Whether the stream has a message of that subject."""
        info = await self.jetstream.stream_info(STREAM[internal], subjects_filter=subject)
        return bool(info.state.subjects)

    async def wipe(self, internal: bool, place: int) -> None:
        """Take the message at this place out of the stream: the broker overwrites it. Nothing else moves. Raises one of BROKER_TROUBLE."""
        with suppress(nats.js.errors.NotFoundError):
            await self.jetstream.delete_msg(STREAM[internal], place)

    async def close(self) -> None:
        """Flush and leave. Pull subscriptions are to be unsubscribed before: one left open makes a drain wait for 30 s."""
        client, self.client = self.client, None
        self.connected.clear()
        if client is None:
            return
        try:
            await asyncio.wait_for(client.drain(), 2)
        except BROKER_TROUBLE:
            with suppress(*BROKER_TROUBLE):
                await client.close()
