"""The town's mail server: one kept connection, and what its answers mean."""

from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote, urlsplit

import aiosmtplib

PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
SECONDS = 30.0  #: A server that says nothing for so long is not going to.


class Unreachable(Exception):
    """No mail can be sent now, whichever: no connection, or the server turned us away before it knew what we wanted."""


class Verdict(Enum):
    """What became of one attempt."""

    TAKEN = "taken"  #: The server has it.
    LATER = "later"  #: Refused for now, or nobody knows.
    NEVER = "never"  #: Refused for good.


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: Verdict
    words: str = ""  #: The server's own, where it did not take it.


class Post:
    """Connects when there is something to send, and stays connected until `close`."""

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        """`smtp://`, `smtp+starttls://` or `smtps://`, with user and password if need be. Raises ValueError for another address."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("SMTP_URL is smtp://, smtp+starttls:// or smtps:// and a host")
        self._smtp = aiosmtplib.SMTP(
            hostname=parts.hostname,
            port=parts.port or PORTS[parts.scheme],
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=parts.scheme == "smtps",
            start_tls=parts.scheme == "smtp+starttls",
            timeout=seconds,
        )

    async def connect(self) -> None:
        """Raises Unreachable."""
        if self._smtp.is_connected:
            return
        try:
            await self._smtp.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            self._smtp.close()
            raise Unreachable(repr(error)) from error

    async def send(self, message: bytes, sender: str, address: str) -> Answer:
        """Hand it over. The server may have it although the answer is LATER: a connection can break after it agreed."""
        try:
            await self._smtp.sendmail(sender, [address], message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refused(error.recipients[0])
        except aiosmtplib.SMTPDataError as error:
            return _refused(error)
        except (aiosmtplib.SMTPException, OSError) as error:
            # Also a refused sender (a 5xx even): that is about us, not about the family, and will be put right.
            self._smtp.close()
            return Answer(Verdict.LATER, repr(error)[:1000])
        return Answer(Verdict.TAKEN)

    async def close(self) -> None:
        """Say goodbye if there is somebody to say it to."""
        if self._smtp.is_connected:
            try:
                await self._smtp.quit(timeout=1.0)
            except (aiosmtplib.SMTPException, OSError):
                self._smtp.close()


def _refused(error: aiosmtplib.SMTPResponseException) -> Answer:
    verdict = Verdict.NEVER if 500 <= error.code < 600 else Verdict.LATER
    return Answer(verdict, f"{error.code} {error.message}"[:1000])
