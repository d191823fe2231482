"""Who came, on paper: what agents note, how a day is closed, by them or by its end, and opened again."""

from tests.booking.paper import Paper, Told
from tests.booking.paper_days import DAY, Key, Register

PRESENT = "PRESENT"


class AttendedPaper(Paper):
    def notes(self, key: Key, child: str, attendance: str | None) -> str | None:
        """Why not, or None. `attendance` None: nothing was seen after all."""
        register = self.register(key)
        booked = [wish for wish in self.among("ACCEPTED", key) if wish.child == child]
        if attendance not in (PRESENT, None) and not booked:
            return "NOT_BOOKED"
        before = register.seen.get(child, (None, ""))[0]
        if attendance == before:
            return None
        if attendance is None:
            del register.seen[child]
        else:
            register.seen[child] = attendance, booked[0].family if booked else self.family_of[child]
            self.announce(key)
        self.told.append(("RECORD_ATTENDANCE", *(booked[:1] or key)))
        return None

    def why_not_noted(self, key: Key) -> str | None:
        if self.today < key[1]:
            return "TOO_EARLY"
        if not self.is_open(key) and not self.among("ACCEPTED", key) and not self.register(key).seen:
            return "CLOSED"
        return "DAY_CLOSED" if self.is_closed(key) else None

    def closes(self, key: Key, by: str | None) -> str | None:
        """Why not, or None. `by` None: the day is over."""
        register = self.register(key)
        if register.closed:
            return None
        if by and not self.is_open(key) and not self.among("ACCEPTED", key) and not register.seen:
            return "CLOSED"
        if self.now < self.begins(key):
            return "TOO_EARLY"
        self._end_line(key)
        self.told += self._tell_expired()
        register.closed = True
        register.closings += 1
        self.announce(key)
        self.told.append(("day_settled", *key, register.closings, self._settled(key, register)))
        self.told += [("CLOSE_DAY", *key)] if by else []
        return None

    def _settled(self, key: Key, register: Register) -> tuple[Told, ...]:
        """Each accepted booking, and who came without one. Absences without a booking are nothing any more."""
        lines: list[Told] = []
        here = {wish.child: wish for wish in self.among("ACCEPTED", key)}
        for child, wish in here.items():
            lines.append((wish, child, wish.family, register.seen.get(child, (PRESENT, ""))[0]))
        for child, (attendance, family) in sorted(register.seen.items()):
            if child not in here and attendance == PRESENT:
                lines.append((None, child, family, attendance))
        register.seen = {
            child: (attendance, here[child].family if child in here else family)
            for child, (attendance, family) in register.seen.items()
            if child in here or attendance == PRESENT
        }
        return tuple(lines)

    def opens_again(self, key: Key) -> None:
        register = self.register(key)
        if register.closed:
            register.closed, register.reopened = False, self.now
            self.told.append(("REOPEN_DAY", *key))

    def days_end(self) -> None:
        """Whatever was left open on days that are over closes now; what was opened again has the rest of that day."""
        for key in {*self.announced, *self.registers}:
            register = self.register(key)
            matters = register.seen or self.among("ACCEPTED", key)
            again = register.reopened is None or register.reopened < self.ends((key[0], self.today - DAY))
            if key[1] < self.today and matters and again and not register.closed:
                self.closes(key, None)

    def announce(self, key: Key) -> None:
        """It has something to do with it from now on: what it offers stays when it is over."""
        self.announced.add(key)
