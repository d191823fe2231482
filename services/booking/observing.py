"""Why a line was refused, in words, where that depends on more than the code: on the booking that stands in its way."""

import datetime as dt

from services.booking.listing import already_there
from services.booking.queries import month_around
from services.booking.reading import Reading
from services.booking.status import BookingStatus
from services.booking.texts import say


async def observed(reading: Reading, code: str, child: str, activity: str, date: dt.date, language: str) -> str:
    """The text of a code, about a child whose bookings the caller may see."""
    if code != "ALREADY_BOOKED":
        return say(code, language)
    first, last = month_around(date)  # By months, so that a long list costs few selects.
    stands = (await reading.standing(child, first, last)).get((activity, date))
    if stands is None:
        return already_there(None, None, language)
    rank = await reading.rank(stands.id) if stands.status is BookingStatus.WAITLISTED else None
    return already_there(stands.status, rank, language)
