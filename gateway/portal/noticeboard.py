"""What identity tells everybody, kept for moments: announcements at the door (S2), and whether secret questions are a way back in (S3).

Thousands come to the door at 08:00 of an opening, and all see the same: one question every other second is asked for all of them. Nobody
waits for it longer than a moment, and what is not told by then is left out of the page, as it is while identity is away.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.portal import formats
from gateway.portal.api import Api
from gateway.portal.operations import operation
from services.telemetry import log

#: After that it is asked again, whatever came of it; and while somebody comes, nobody waits for that.
AGAIN_SECONDS = 2.0
#: After that it is not shown any more: so long what was withdrawn may still stand there.
KEPT_SECONDS = 6.0
#: A page that has nothing to show waits so long, beside what it asks anyway.
WAIT_SECONDS = 0.5
#: Characters of all texts together, so that the page stays as small as it is to be. The longest that there may be has place.
MOST_CHARACTERS = 12_000
TOLD = operation("""query Noticeboard {
  publicAnnouncements(first: 5) { title body publishedAt structureName timezone } secretQuestionsOpen }""")


@dataclass(frozen=True, slots=True)
class Notices:
    announcements: Sequence[Mapping[str, Any]] = ()  #: The newest first, each with its `day` where it is published.
    secret_questions: bool | None = None  #: Whether they open a way back in somewhere; None: nobody can say now.


NONE = Notices()


@dataclass(slots=True)
class Noticeboard:
    """Times are of one monotonic clock, in seconds."""

    api: Api
    clock: Callable[[], float] = time.monotonic
    _notices: Notices = NONE
    _asked_at: float = -math.inf
    _told_at: float = -math.inf  #: When that was asked which was told last.
    _asking: asyncio.Task[None] | None = field(default=None, repr=False)

    async def read(self) -> Notices:
        """What was told a few seconds ago, at most; NONE: nobody can say now."""
        now = self.clock()
        if now - self._asked_at >= AGAIN_SECONDS and (self._asking is None or self._asking.done()):
            self._asked_at, self._asking = now, asyncio.create_task(self._ask(now))
        left = self._asked_at + WAIT_SECONDS - now
        if self._asking is not None and now - self._told_at >= KEPT_SECONDS and left > 0:
            await asyncio.wait({self._asking}, timeout=left)
        return self._notices if self.clock() - self._told_at < KEPT_SECONDS else NONE

    async def _ask(self, now: float) -> None:
        """In nobody's name, and at nobody's expense: whoever happens to come first asks for all."""
        answer = await self.api.ask(None, "fr", TOLD, {}, None)
        if answer.data and not answer.errors:
            told = that_fit(that_can_be_drawn(answer.data["publicAnnouncements"]))
            self._notices, self._told_at = Notices(told, answer.data["secretQuestionsOpen"]), now


def that_can_be_drawn(announcements: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Each with its `day`; without those that have none: one of them is not to close the door that is everybody's."""
    drawn: list[Mapping[str, Any]] = []
    for each in announcements:
        try:
            day = formats.local(each["publishedAt"], each["timezone"]).date()
        except (ValueError, LookupError, OverflowError, OSError) as error:  # Of another calendar than ours, or of no place.
            log().warning("an announcement cannot be drawn", of=each.get("structureName"), error=repr(error))
        else:
            drawn.append({**each, "day": day})
    return drawn


def that_fit(announcements: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The newest of them, as many as are not too much text together; one for which there is no room makes room for those after it."""
    left, fit = MOST_CHARACTERS, []
    for each in announcements:
        characters = len(each["title"]) + len(each["body"])
        if characters <= left:
            left -= characters
            fit.append(each)
    return fit
