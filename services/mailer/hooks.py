"""Webhooks: what is told to whom, how it is said, and when it is tried again. Pure."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

#: After so many seconds the same event is tried again; the last of them for ever.
WAITS_SECONDS = (5, 30, 120, 600, 1800, 3600)
PATIENCE = dt.timedelta(days=5)  #: Whoever fails for so long is told nothing any more.
BOTH_SECRETS = dt.timedelta(days=1)  #: For so long the old secret signs beside the new one.
KEPT = dt.timedelta(days=30)  #: An event can be told again for so long.


@dataclass(frozen=True, slots=True)
class Outward:
    """An event, as it is to be told."""

    position: int
    event_id: str
    structure: str
    kind: str
    type: str
    about: str
    occurred_at: dt.datetime
    body: str


def wants(events: Sequence[str], kind: str) -> bool:
    """Whether whoever asked for these services and events hears of that one."""
    return not events or any(kind == one or kind.startswith(f"{one}.") for one in events)


def wait_after(attempts: int) -> dt.timedelta:
    """After so many that failed."""
    return dt.timedelta(seconds=WAITS_SECONDS[min(attempts, len(WAITS_SECONDS)) - 1])


def said(event: Outward) -> bytes:
    """CloudEvents 1.0 in structured mode."""
    envelope = {
        "specversion": "1.0",
        "id": event.event_id,
        "type": event.type,
        "source": f"/preau/{event.structure}/{event.kind.partition('.')[0]}",
        "subject": event.about,
        "time": event.occurred_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
    }
    return json.dumps({**envelope, "data": json.loads(event.body)}, ensure_ascii=False).encode()
