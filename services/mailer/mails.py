"""A mail that is to be sent, as a row."""

import datetime as dt
import hashlib
from typing import Any

from services.mailer.addresses import Adult
from services.mailer.letters import Letter
from services.mailer.tables import MailKind, MailState
from services.mailer.texts import spoken
from services.tracing import traceparent


def new_mail(cause: str, kind: MailKind, structure: str, now: dt.datetime, to: Adult | None, letter: Letter | None) -> dict[str, Any]:
    """A row of Mail: with nobody to write to, it says that there was something to tell."""
    return {
        "id": hashlib.sha256(cause.encode()).hexdigest()[:32],
        "kind": kind,
        "cause": cause,
        "structure": structure,
        "family": None,
        "account": to and to.account,
        "language": spoken(to.language if to else "fr"),
        "to_name": to and to.name,
        "to_address": to and to.email,
        "own_address": True,
        "subject": letter.subject if letter else "",
        "text": letter.text if letter else "",
        "html": letter.html if letter else "",
        "state": MailState.QUEUED if to else MailState.UNADDRESSED,
        "attempts": 0,
        "created_at": now,
        "next_attempt_at": now if to else None,
        "traceparent": traceparent.get(),
    }
