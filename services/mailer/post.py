"""The town's mail server: one kept connection, and what its answers mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
SECONDS = 30.0  #: A server that says nothing for so long is not going to.


class Unreachable(Exception):
    """No mail can be sent now, whichever: no connection, or the server turned us away before it knew what we wanted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt, address by address, with the server's words."""

    later: Mapping[str, str] = field(default_factory=dict)  #: Refused for now.
    never: Mapping[str, str] = field(default_factory=dict)  #: Refused for good.

    @property
    def words(self) -> str:
        return "; ".join(f"{address}: {said}" for address, said in {**self.later, **self.never}.items())[:1000]


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

    async def send(self, message: EmailMessage, sender: str, addresses: Sequence[str]) -> Answer:
        """Hand it over. The server may have it although the answer says `later`: a connection can break after it agreed."""
        try:
            refused, _ = await self._smtp.send_message(message, sender=sender, recipients=addresses)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _sorted({one.recipient: (one.code, one.message) for one in error.recipients})
        except aiosmtplib.SMTPDataError as error:
            return _sorted(dict.fromkeys(addresses, (error.code, error.message)))
        except aiosmtplib.SMTPNotSupported as error:
            return Answer(never=dict.fromkeys(addresses, error.message))
        except (aiosmtplib.SMTPException, OSError) as error:
            # Also a refused sender (a 5xx even): that is about us, not about the family, and will be put right.
            self._smtp.close()
            return Answer(later=dict.fromkeys(addresses, repr(error)))
        return _sorted({address: (answer.code, answer.message) for address, answer in refused.items()})

    async def close(self) -> None:
        """Say goodbye if there is somebody to say it to."""
        if self._smtp.is_connected:
            try:
                await self._smtp.quit(timeout=1.0)
            except (aiosmtplib.SMTPException, OSError):
                self._smtp.close()


def _sorted(refused: Mapping[str, tuple[int, str]]) -> Answer:
    said = {address: f"{code} {words}" for address, (code, words) in refused.items()}
    never = {address for address, (code, _) in refused.items() if 500 <= code < 600}
    return Answer(
        later={address: words for address, words in said.items() if address not in never},
        never={address: words for address, words in said.items() if address in never},
    )
