"""What becomes of those who still wait when the booking deadline has passed: they wait no longer, and are told."""

import datetime as dt
from collections import defaultdict

from sqlalchemy import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.allocation import Key
from services.booking.docket import Case, Docket
from services.booking.status import BookingStatus
from services.booking.tables import Request, core, run
from services.bulk import one_of
from services.events import PlaceExpired, WaitedFor
from services.outbox import record

R = core(Request).c
ASKERS = select(R.id, R.account, R.decided_at, R.reports).where(one_of(R.id, "requests"))


def end_line(docket: Docket, key: Key) -> list[Case]:
    """Nobody waits there any more. Returns who did, and their parties."""
    line, gone = docket.board.openings[key].line, list[Case]()
    while line:
        gone += docket.expire(line[0])
    return gone


async def tell_who_waited(session: AsyncSession, docket: Docket) -> None:
    """One letter for each who asked. A request that was not reported yet needs none: its report will say so."""
    gone = [case for case in docket.cases.values() if case.status == BookingStatus.EXPIRED and docket.moved(case)]
    rows = (await run(session, ASKERS, {"requests": sorted({case.request for case in gone if case.request})})).all()
    askers = {id_: account for id_, account, *_ in rows}
    unreported = {id_ for id_, _, decided_at, reports in rows if decided_at is None and not reports}
    letters: dict[tuple[str, str, str | None], list[WaitedFor]] = defaultdict(list)
    for case in sorted(gone, key=lambda case: (case.date, case.activity, case.position)):
        if case.request not in unreported:
            line = WaitedFor(booking=case.id, child=case.child, activity=case.activity, date=case.date)
            letters[case.structure, case.family, askers.get(case.request)].append(line)
    record(session, *[_letter(docket.now, *whom, waits) for whom, waits in letters.items()])


def _letter(now: dt.datetime, structure: str, family: str, account: str | None, waits: list[WaitedFor]) -> PlaceExpired:
    return PlaceExpired(occurred_at=now, structure=structure, family=family, account=account, waits=waits)
