"""`preau partners`: who else may hear a town's events from the broker, and how far each has listened."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nats.js.errors
from nats.js.api import AckPolicy, ConsumerConfig

from deploy.backlog import connect
from deploy.broker import ACCOUNTS, Partner, key_file, new_key, partner, partners_in, write
from deploy.trouble import Trouble
from services.bus import BROKER_TROUBLE, STREAM, Bus
from services.settings import Settings

ACK_SECONDS = 30.0  #: What a partner has in hand comes again after so long.


async def act(settings: Settings, folder: Path, action: str, name: str | None, hears: str | None, public_key: str | None) -> None:
    """Raises Trouble."""
    known = {one.name: one for one in partners_in(folder)}
    if action == "list":
        write(folder)
        await _show(settings, list(known.values()))
        return
    if name is None:
        raise Trouble("say which partner, such as `preau partners add canteen carteville`")
    if action != "add" and name not in known:
        raise Trouble(f"there is no partner {name!r}: there are {', '.join(known) or 'none'}")
    if action == "add" and (hears is None or name in known):
        raise Trouble(
            f"{name!r} is there already" if hears else "say what it hears, such as `preau partners add canteen carteville.booking`"
        )
    if action == "remove":
        del known[name]
    else:
        known[name] = _with_key(folder, known.get(name) or partner(name, hears or "", public_key or _EXAMPLE), public_key)
    write(folder, list(known.values()))
    if action == "remove" or public_key:  # One that we made before is nobody's now.
        key_file(folder, name).unlink(missing_ok=True)
    print(await _told(settings, folder, name, known.get(name)))


#: Stands in until a key is made, once everything else was found to be right.
_EXAMPLE = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def _with_key(folder: Path, one: Partner, public_key: str | None) -> Partner:
    made = partner(one.name, one.hears, public_key).public_key if public_key else new_key(folder, one.name)
    return replace(one, public_key=made)


async def _told(settings: Settings, folder: Path, name: str, one: Partner | None) -> str:
    """What is to be done now."""
    lines = [f"{name} hears {one.subject}" if one else f"{name} hears nothing any more"]
    if one and key_file(folder, name).exists():
        lines.append(f"its key, to be handed over: {key_file(folder, name)}")
    try:
        bus = await connect(settings)
    except BROKER_TROUBLE:
        lines.append(
            f"no broker at {settings.nats_place}: it knows once it runs with {folder / ACCOUNTS}, and `preau partners` was said again"
        )
        return "\n".join(lines)
    try:
        if one is None:
            await _forget(bus, name)
        else:
            await ensure(bus, one)
    finally:
        await bus.close()
    lines.append("`preau up` has its broker read this at once; any other reads it when it is told to (SIGHUP)")
    return "\n".join(lines)


async def _show(settings: Settings, partners: Sequence[Partner]) -> None:
    if not partners:
        print("no partners")
        return
    bus = await connect(settings)
    try:
        for one in partners:
            print(f"{one.name}  hears {one.subject}  {await _place(bus, one)}")
    finally:
        await bus.close()


async def _place(bus: Bus, one: Partner) -> str:
    await bus.ensure_stream(False)
    await ensure(bus, one)
    info = await bus.jetstream.consumer_info(STREAM[False], one.name)
    return f"{info.num_pending or 0} events before it, {info.num_ack_pending or 0} in hand"


async def ensure(bus: Bus, one: Partner) -> None:
    """Its consumer, from the stream's beginning on if there was none. Raises one of BROKER_TROUBLE."""
    wanted = ConsumerConfig(
        durable_name=one.name,
        filter_subject=one.subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_SECONDS,
        max_deliver=-1,
        max_ack_pending=1000,
    )
    await bus.ensure_stream(False)
    await bus.jetstream.add_consumer(STREAM[False], wanted)


async def ensure_all(settings: Settings, folder: Path) -> None:
    """Of every partner. Raises one of BROKER_TROUBLE, Trouble."""
    if not (partners := partners_in(folder)):
        return
    bus = await connect(settings)
    try:
        for one in partners:
            await ensure(bus, one)
    finally:
        await bus.close()


async def _forget(bus: Bus, name: str) -> None:
    try:
        await bus.jetstream.delete_consumer(STREAM[False], name)
    except nats.js.errors.NotFoundError:
        return
