"""`preau price-draft`: what a draft of a town's tariffs would have cost each family, beside what it did cost."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from deploy.town.checking import read_town
from deploy.town.loading import tariff_version
from deploy.town.naming import activities_in_billing
from deploy.trouble import Trouble
from services.billing.draft import Compared, compare
from services.billing.quote import Unpriced
from services.billing.tables import Structure
from services.database import Database
from services.settings import Settings

OPEN = "{} of {} days are not closed yet, and priced as if everybody came who has a place"
FIRST_MONTH, LAST_MONTH = "1900-01", "9998-12"


async def price_draft(settings: Settings, file: Path, month: str | None) -> None:
    """Print it. Raises TownFileError for a file with mistakes, Trouble for a month or a town that there is not."""
    town = read_town(file, settings.clock)
    structure = town.structure.id
    priced = _month(month) if month else last_month(settings.clock.today(town.structure.timezone))
    database = Database(settings.database_urls["billing"])
    try:
        async with database.reading() as session:
            if await session.get(Structure, structure) is None:
                raise Trouble(f"there is no structure {structure!r} to compare with")
            names = await activities_in_billing(session, town)
            drafts = {names[activity.spec.id]: tariff_version(activity.tariffs[-1]) for activity in town.activities}
            found = await compare(session, structure, drafts, priced)
    except Unpriced as missing:
        raise Trouble(f"billing has not heard of {missing} yet") from None
    finally:
        await database.close()
    print("\n".join(told(found, priced)))


def _month(text: str) -> str:
    try:
        dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Trouble(f"{text!r} is no month: give one such as 2026-10") from None
    if not FIRST_MONTH <= text <= LAST_MONTH:
        raise Trouble(f"there are no prices of {text}")
    return text


def last_month(today: dt.date) -> str:
    return f"{today.replace(day=1) - dt.timedelta(days=1):%Y-%m}"


def told(found: Iterable[Compared], month: str) -> list[str]:
    """A line for each family whose price would be another, those who would pay the most more first; then activities, then all."""
    families: dict[str, list[Compared]] = defaultdict(list)
    activities: dict[str, list[Compared]] = defaultdict(list)
    for one in found:
        families[one.family].append(one)
        activities[one.activity].append(one)
    if not families:
        return [f"{month}: nobody had a booking in these activities"]
    differ = sorted((name for name in families if _difference(families[name])), key=lambda name: (-_difference(families[name]), name))
    everything = [one for parts in families.values() for one in parts]
    width = max(len(name) for name in (*families, *activities, "activity"))
    head = f"{{:{width}}}  {{:>6}} {{:>12}} {{:>12}} {{:>12}}".format
    lines = [head("family", "days", "now", "draft", "difference")]
    lines += [_line(head, name, families[name]) for name in differ]
    lines += ["", head("activity", "days", "now", "draft", "difference")]
    lines += [_line(head, name, parts) for name, parts in activities.items()]
    lines += [_line(head, "all", everything), "", f"{month}: {len(differ)} of {len(families)} families would pay another price"]
    days, still_open = (sum(getattr(one, column) for one in everything) for column in ("days", "open_days"))
    return [*lines, *([OPEN.format(still_open, days)] if still_open else [])]


def _difference(parts: Iterable[Compared]) -> int:
    return sum(one.difference_cents for one in parts)


def _line(head: Callable[..., str], name: str, parts: Sequence[Compared]) -> str:
    days, now, then = (sum(getattr(one, column) for one in parts) for column in ("days", "now_cents", "draft_cents"))
    return head(name, days, euros(now), euros(then), f"{'+' if then > now else ''}{euros(then - now)}")


def euros(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
