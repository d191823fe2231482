"""Another system of a town listens to its events: `python subscriber.py canteen canteen.nk [--replay]`. Needs nats-py[nkeys].

What it has to bear: an event may come twice (a crash between handling and saying so), and events of different subjects in any order. So
what it does and that it did it are written in one transaction, by the event's id, and only then does it tell the broker.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Mapping

import nats
from nats.aio.msg import Msg

STREAM = "PREAU"


def open_store(name: str) -> sqlite3.Connection:
    store = sqlite3.connect(f"{name}.sqlite", isolation_level=None)
    store.execute("CREATE TABLE IF NOT EXISTS handled (id TEXT PRIMARY KEY, type TEXT, data TEXT)")
    return store


def handle(store: sqlite3.Connection, headers: Mapping[str, str], data: dict[str, object]) -> None:
    """Once for each event. Replace the print by what your system does, within the transaction."""
    store.execute("BEGIN IMMEDIATE")
    try:
        new = store.execute("INSERT OR IGNORE INTO handled VALUES (?, ?, ?)", (headers["ce-id"], headers["ce-type"], json.dumps(data)))
        if new.rowcount:
            print(headers["ce-type"], headers["ce-id"], json.dumps(data, ensure_ascii=False), flush=True)
        store.execute("COMMIT")
    except BaseException:
        store.execute("ROLLBACK")
        raise


async def take(store: sqlite3.Connection, message: Msg) -> None:
    headers = {name.lower(): value for name, value in (message.headers or {}).items()}
    try:
        handle(store, headers, json.loads(message.data))
    except sqlite3.Error as error:
        print(f"tried again later: {error}", file=sys.stderr)
        await message.nak(delay=5)
    else:
        await message.ack()


async def main(name: str, key: str, *, replay: bool) -> None:
    store, ended = open_store(name), asyncio.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(kind, ended.set)
    url = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
    client = await nats.connect(url, nkeys_seed=key, name=name, max_reconnect_attempts=-1)
    jetstream = client.jetstream(domain="PREAU")
    if replay:
        await jetstream.reset_consumer(STREAM, name, seq=1)
    ear = await jetstream.pull_subscribe_bind(name, STREAM)
    while not ended.is_set():
        try:
            for message in await ear.fetch(100, timeout=1):
                await take(store, message)
        except (TimeoutError, nats.errors.TimeoutError):
            continue
        except nats.errors.Error as error:
            print(f"listening again soon: {error}", file=sys.stderr)
            await asyncio.sleep(1)
    await client.close()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], replay="--replay" in sys.argv))
