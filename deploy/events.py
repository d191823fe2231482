"""`preau events`: the events as they pass, one readable line each."""

import datetime as dt
import sys
from typing import Any

import nats.js.errors
import orjson
from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy
from rich.console import Console
from rich.text import Text

from deploy.backlog import connect
from deploy.trouble import Trouble
from services.bus import STREAM
from services.events import BY_TYPE, PUBLIC
from services.settings import SERVICES, Settings

COLOURS = {"identity": "magenta", "booking": "green", "billing": "yellow", "mailer": "cyan"}
HIDDEN = {"structure"}  #: It stands in the subject.


def subject_of(text: str) -> str:
    """What to listen to: a whole subject, or `booking`, or `booking.accepted` in every structure. Raises Trouble."""
    if text == PUBLIC or text.startswith(f"{PUBLIC}."):
        return text if text != PUBLIC else f"{PUBLIC}.>"
    service, _, name = text.partition(".")
    if service not in SERVICES:
        raise Trouble(f"{text!r} is no subject: begin with preau., or with a service ({', '.join(SERVICES)}), such as booking.accepted")
    known = sorted({kind.name for kind in BY_TYPE.values() if kind.service == service and not kind.internal})
    if name not in (*known, "", "*", ">"):
        raise Trouble(f"{service} publishes no {name!r}; it publishes: {', '.join(known)}")
    return f"{PUBLIC}.*.{service}.{name or '>'}"


async def follow(settings: Settings, text: str, *, replay: bool) -> None:
    """Until Ctrl-C. Raises Trouble, or one of BROKER_TROUBLE."""
    subject = subject_of(text)
    bus = await connect(settings)
    console = Console(highlight=False, soft_wrap=True)
    try:
        await bus.ensure_stream(False)
        policy = DeliverPolicy.ALL if replay else DeliverPolicy.NEW
        events = await bus.jetstream.subscribe(subject, stream=STREAM[False], ordered_consumer=True, deliver_policy=policy)
        print(f"following {subject} (Ctrl-C ends)", file=sys.stderr)
        async for message in events.messages:
            console.print(line(message))
    except nats.js.errors.BadRequestError as error:
        raise Trouble(f"{text!r} is no subject: {error.description}") from None
    finally:
        if bus.client is not None:
            await bus.client.close()  # without draining: nobody reads any more


def line(message: Msg) -> Text:
    """`08:00:03 carteville booking.accepted  booking=... child=amalia activity=aps-matin date=2026-11-30`."""
    headers = {name.lower(): value for name, value in (message.headers or {}).items()}
    parts = message.subject.split(".")
    structure, service, name = (parts + ["?"] * 4)[1:4]
    text = Text()
    text.append(f"{_time(headers.get('ce-time'))} ", style="dim")
    text.append(f"{structure} ")
    text.append(f"{service}.{name}", style=COLOURS.get(service, "bold"))
    text.append(f"  {_words(message.data)}")
    return text


def _time(moment: str | None) -> str:
    """Local to whoever looks, with the day where it is not today's."""
    try:
        at = dt.datetime.fromisoformat(moment or "").astimezone()
    except ValueError:
        return "--:--:--"
    today = at.date() == dt.datetime.now().astimezone().date()
    return f"{at:%H:%M:%S}" if today else f"{at:%Y-%m-%d %H:%M:%S}"


def _words(body: bytes) -> str:
    try:
        data: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return repr(body[:200])
    if not isinstance(data, dict):
        return str(data)
    return " ".join(f"{key}={_value(value)}" for key, value in data.items() if key not in HIDDEN and value is not None)


def _value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[{len(value)}: {'; '.join(_inner(one) for one in value[:3])}{'; ...' if len(value) > 3 else ''}]"
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else str(value)


def _inner(item: dict[str, Any]) -> str:
    return " ".join(str(value) for key, value in item.items() if value is not None and key != "booking")
