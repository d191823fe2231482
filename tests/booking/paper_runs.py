"""Scheduled runs on paper: who is in one, in which order, and what each is answered."""

import datetime as dt
from hashlib import sha256

from tests.booking.paper import Paper, Sheet, Wish
from tests.booking.paper_days import DAY

Unit = tuple[Sheet, list[Wish]]
POINTS = {"resident": 40, "both_parents_work": 20}


class RunPaper(Paper):
    """One activity has runs, at 2 o'clock in winter."""

    criteria: dict[str, tuple[str, ...]]  #: What the town says of families.
    counts_from: dt.datetime  #: The last run, or when the town said that there would be some.

    def hour_come(self) -> dt.datetime | None:
        today = dt.datetime.combine(self.now.date(), dt.time(1), dt.UTC)
        hour = today if today <= self.now else today - DAY
        return hour if hour > self.counts_from else None

    def next_hour(self) -> dt.datetime:
        today = dt.datetime.combine(self.now.date(), dt.time(1), dt.UTC)
        return today if today > self.now else today + DAY

    def waiting_for(self, activity: str, before: dt.datetime | None) -> list[Unit]:
        """In order of arrival. `before`: the hour; None: now, for an agent."""
        return [
            (sheet, unit)
            for sheet in self.sheets
            if self._in_time(sheet, before)
            for unit in self.units(sheet)
            if any(wish.key[0] == activity for wish in unit)
        ]

    def _in_time(self, sheet: Sheet, before: dt.datetime | None) -> bool:
        return before is None or sheet.at < before

    def may_be_held(self, activity: str, before: dt.datetime | None) -> bool:
        """Somebody waits, and nobody is still to be looked at first."""
        unseen = any(not sheet.served and self._in_time(sheet, before) for sheet in self.sheets)
        return bool(self.waiting_for(activity, before)) and not unseen

    def holds_run(self, activity: str, before: dt.datetime | None, run: str, seed: str) -> list[Wish]:
        """Returns the lines in the order in which they were decided."""
        waiting = self.waiting_for(activity, before)
        families = {wish.child: sheet.ask.family for sheet, unit in waiting for wish in unit}

        def comes(wish: Wish) -> tuple[object, ...]:
            lot = sha256(f"{seed}:{run}:{wish.child}".encode()).hexdigest()
            points = sum(POINTS[criterion] for criterion in self.criteria.get(families[wish.child], ()))
            return {"arrival": (), "lottery": (lot,), "points": (-points, lot)}[self.scheduled[activity]] + wish.place

        in_order = sorted(waiting, key=lambda one: max(comes(wish) for wish in one[1]))
        keys = {wish.key for _, unit in waiting for wish in unit}
        for sheet, unit in in_order:
            places = [wish.place for wish in unit]
            for wish in unit:
                wish.place = self.next_place()  # behind all who wait
            self._decide(sheet, unit, run=keys)
            for wish, place in zip(unit, places, strict=True):
                wish.place = wish.place if wish.status == "WAITLISTED" else place
        self.answers(list(dict.fromkeys(sheet for sheet, _ in waiting)))
        self.counts_from = before or self.now
        return [wish for _, unit in in_order for wish in unit]
