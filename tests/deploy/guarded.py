"""A broker that knows who may do what (SEC8), whoever configured it, and every key against every class of subjects."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from nats.aio.client import Client

from deploy import broker
from deploy.backlog import connect as connect_operator
from deploy.broker import NACK, OURS, key_file, new_key, partner, write
from deploy.partners import ensure_all
from services.bus import connect
from services.settings import SERVICES, Settings
from tests.facts import until
from tests.nats_server import NatsServer

#: partner -> what it hears. Two of one town, one of another.
HEARS = {"canteen": "carteville", "accounting": "carteville.billing", "school": "otherville"}
EVERYBODY = (*SERVICES, "gateway", *HEARS, "operator")  #: The last of them may delete a stream, and does.
STREAMS = ("PREAU", "PREAU_INTERNAL")
TOWNS = ("carteville", "otherville")
DURABLES = (
    *SERVICES,
    *(f"{service}-urgent" for service in SERVICES),
    *(f"{service}-look" for service in SERVICES),
    "mailer-hooks",
    *HEARS,
    "new",
)

PER_STREAM = (
    *("INFO", "CREATE", "UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN", "PEER.REMOVE"),
    "CONSUMER_LIST",
)
PER_CONSUMER = ("CREATE", "DURABLE.CREATE", "INFO", "DELETE", "PAUSE", "RESET", "UNPIN", "LEADER.STEPDOWN", "MSG.NEXT")


def subjects_to_publish() -> list[str]:
    """One of each class, and more of those that matter."""
    events = [f"{root}.{town}.{service}.event" for root in ("preau", "preau-internal") for town in TOWNS for service in SERVICES]
    streams = [f"$JS.API.STREAM.{act}.{stream}" for act in PER_STREAM[:-1] for stream in (*STREAMS, "OTHER")]
    lists = [f"$JS.API.CONSUMER.{act}.{stream}" for act in ("LIST", "NAMES", "CREATE") for stream in STREAMS]
    whose = [(stream, durable) for stream in STREAMS for durable in DURABLES]
    consumers = [f"$JS.API.CONSUMER.{act}.{stream}.{durable}" for act in PER_CONSUMER for stream, durable in whose]
    with_filter = [f"$JS.API.CONSUMER.CREATE.{stream}.{durable}.preau.carteville.>" for stream, durable in whose]
    lent = [f"$JS.PREAU.API.CONSUMER.{act}.PREAU.{durable}" for act in PER_CONSUMER for durable in DURABLES]
    acks = [f"$JS.ACK.{stream}.{durable}.1.1.1.1.0" for stream, durable in whose]
    others = ["$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES", "$JS.API.ACCOUNT.PURGE.PREAU", "$JS.API.META.LEADER.STEPDOWN"]
    others += [
        "$JS.API.DIRECT.GET.PREAU",
        "$JS.API.SERVER.REMOVE",
        "$JS.PREAU.API.STREAM.PURGE.PREAU",
        "$KV.any.key",
        "$O.any.C.1",
        "anything",
    ]
    others += ["preau-wake.booking", "preau-wake.crowd", *(f"_INBOX.{who}.x" for who in (*OURS, "x"))]
    others += [
        f"$SYS.{rest}" for rest in ("REQ.SERVER.PING", "REQ.ACCOUNT.PING.CONNZ", "REQ.USER.INFO", "REQ.ACCOUNT.PREAU.CONNZ", "ACCOUNT.x")
    ]
    return [*events, *streams, *lists, *consumers, *with_filter, *lent, *acks, *others]


SUBSCRIBED = (
    *(">", "*.>", "preau.>", "preau.*.booking.>", "preau-internal.>", "preau-internal.*.identity.>", "preau-wake.>", "$JS.>", "$JS.ACK.>"),
    *("$JS.API.>", "$JS.EVENT.>", "$SYS.>", "$KV.>", "_INBOX.>", "_R_.>", "anything"),
    *(f"preau.{town}.>" for town in TOWNS),
    *("preau.carteville.booking.>", "preau.carteville.billing.>", "preau.carteville.billing.entry_posted", "preau.all.>"),
    *("preau-internal.*.identity.tokens_revoked", "preau-internal.*.identity.key_withdrawn", "preau-internal.*.identity.reset_link_made"),
    *(f"_INBOX.{who}.>" for who in (*OURS, "x")),
)


def may_publish(who: str) -> set[str]:
    """As it is documented (README, Partners): said here once more, by hand."""
    if who in HEARS:
        mine = {f"$JS.PREAU.API.CONSUMER.{act}.PREAU.{who}" for act in ("MSG.NEXT", "INFO", "RESET")}
        return mine | {f"$JS.ACK.PREAU.{who}.1.1.1.1.0"}
    if who == "gateway":
        return set()
    if who == NACK:
        streams = {f"$JS.API.STREAM.{act}.PREAU" for act in ("INFO", "CREATE")}
        acts = tuple(f"$JS.API.CONSUMER.{act}.PREAU." for act in ("INFO", "CREATE", "DURABLE.CREATE", "DELETE"))
        every = {subject for subject in subjects_to_publish() if subject.startswith(acts) and subject.rpartition(".")[2] not in STREAMS}
        return streams | every | {"$JS.API.INFO"}
    if who == "operator":
        streams = {
            f"$JS.API.STREAM.{act}.{stream}" for act in ("INFO", "CREATE", "UPDATE", "MSG.GET", "DELETE") for stream in (*STREAMS, "OTHER")
        }
        every = {subject for subject in subjects_to_publish() if subject.startswith("$JS.API.CONSUMER.")}
        return streams | every | {"$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES"}
    may = {f"{root}.{town}.{who}.event" for root in ("preau", "preau-internal") for town in TOWNS} | {
        "preau-wake.booking",
        "preau-wake.crowd",
    }
    for stream in STREAMS:
        may |= {f"$JS.API.STREAM.{act}.{stream}" for act in ("INFO", "CREATE", "MSG.GET", "MSG.DELETE")}
        for durable in (who, f"{who}-urgent", f"{who}-look"):
            may |= {f"$JS.API.CONSUMER.{act}.{stream}.{durable}" for act in ("INFO", "MSG.NEXT")} | {
                f"$JS.ACK.{stream}.{durable}.1.1.1.1.0"
            }
        may |= {f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}" for durable in (who, f"{who}-urgent")}
        may |= {f"$JS.API.CONSUMER.{act}.{stream}.{who}-look" for act in ("CREATE", "DELETE")}
    if who == "mailer":  # webhooks
        may |= {f"$JS.API.CONSUMER.{act}.PREAU.mailer-hooks" for act in ("DURABLE.CREATE", "INFO", "MSG.NEXT")}
        may |= {"$JS.ACK.PREAU.mailer-hooks.1.1.1.1.0"}
    return may


def may_subscribe(who: str) -> set[str]:
    town = {"preau.carteville.billing.>", "preau.carteville.billing.entry_posted"}
    match who:
        case "canteen":
            return town | {"preau.carteville.>", "preau.carteville.booking.>"} | {one for one in SUBSCRIBED if one.startswith("_INBOX.")}
        case "accounting":
            return town | {
                one for one in SUBSCRIBED if one.startswith("_INBOX.")
            }  # In an account of its own: nobody else's answers are there.
        case "school":
            return {"preau.otherville.>"} | {one for one in SUBSCRIBED if one.startswith("_INBOX.")}
        case "gateway":
            every = {one for one in SUBSCRIBED if one.startswith("preau.")}
            ends = {"preau-internal.*.identity.tokens_revoked", "preau-internal.*.identity.key_withdrawn"}
            return every | ends | {"_INBOX.gateway.>"}
        case "operator":
            return {"_INBOX.operator.>"}
        case "nack":
            return {"_INBOX.>", "_INBOX.x.>"}
    return {f"_INBOX.{who}.>", "preau-wake.>"}


@dataclass
class Broker:
    """A server with accounts, and whoever connects to it."""

    server: NatsServer
    folder: Path
    errors: dict[str, list[str]] = field(default_factory=dict)
    open: list[Client] = field(default_factory=list)

    def settings(self, who: str) -> Settings:
        return replace(Settings.from_environment({}), nats_url=self.server.url, nats_credentials=str(key_file(self.folder, who)))

    async def sign_in(self, who: str) -> Client:
        self.errors[who] = []

        async def on_error(error: Exception) -> None:
            self.errors[who].append(str(error))

        client = await connect(self.settings(who), who, error_cb=on_error, allow_reconnect=False)
        self.open.append(client)
        return client

    async def refused(self, who: str, client: Client) -> set[str]:
        """What the server has said no to since the last time, in small letters."""
        last = f"never.{len(self.open)}.{time.monotonic_ns()}"
        await client.publish(last)  # Nobody may: what is refused is told in order.

        async def told() -> bool:
            return any(last in error for error in self.errors[who])

        await until(told)
        found = {error.rpartition(" to ")[2].strip('"') for error in self.errors[who] if "permissions violation" in error.lower()}
        self.errors[who].clear()
        return found - {last}


@asynccontextmanager
async def serving(folder: Path, configured: Callable[[NatsServer, Path], str] | None = None) -> AsyncIterator[Broker]:
    """`configured`: the server's whole configuration, of it and of the folder of keys; None: as `preau up` has it."""
    keys = folder / "broker"
    keys.mkdir()
    write(keys, [partner(name, hears, new_key(keys, name)) for name, hears in HEARS.items()])
    server = NatsServer(folder, accounts=keys / broker.ACCOUNTS)
    server.settings = configured(server, keys) if configured else ""
    server.start()
    one = Broker(server, keys)
    try:
        operator = await connect_operator(one.settings("operator"))
        await operator.ensure_stream(True)
        await operator.close()
        await ensure_all(one.settings("operator"), keys)
        yield one
    finally:
        for client in one.open:
            await client.close()
        server.stop()


async def say(guarded: Broker, *subjects: str) -> None:
    """As the services do."""
    for subject in subjects:
        client = next((one for one in guarded.open if one.options["name"] == subject.split(".")[2]), None) or await guarded.sign_in(
            subject.split(".")[2]
        )
        id = f"{subject}-{time.monotonic_ns()}"
        headers = {"Nats-Msg-Id": id, "ce-id": id, "ce-type": f"fr.preau.{'.'.join(subject.split('.')[2:])}.v1"}
        await client.jetstream().publish(subject, b"{}", headers=headers)


async def every_key_against_every_class_of_subjects(guarded: Broker, everybody: Iterable[str]) -> None:
    publish = subjects_to_publish()
    assert len(publish) == len(set(publish)) > 400
    for who in everybody:
        client = await guarded.sign_in(who)
        if who == "operator":
            state = (await guarded.open[0].jetstream().stream_info("PREAU")).state
            assert state.messages == len(TOWNS) * len(SERVICES), "each service's own event of each town, and nothing of anybody else's"
        for subject in publish:
            await client.publish(subject, b"not even JSON")  # Nothing comes of it but where nothing need be said.
        refused = await guarded.refused(who, client)
        wanted = may_publish(who)
        allowed = {subject for subject in publish if subject.lower() not in refused}
        assert allowed == wanted, (who, sorted(allowed ^ wanted))

        for subject in SUBSCRIBED:
            await client.subscribe(subject)
        refused = await guarded.refused(who, client)
        allowed = {subject for subject in SUBSCRIBED if subject.lower() not in refused}
        assert allowed == may_subscribe(who), (who, sorted(allowed ^ may_subscribe(who)))
