"""From the tree of a file to a Town. Every mistake is gathered and told at once; a file with a mistake gives no Town at all."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo, available_timezones

from deploy.town import reading
from deploy.town.activities import Around, closings, read_activity
from deploy.town.families import People, read_family
from deploy.town.fields import Fields, Mistakes, Reader, Wrong, choice, date, identifier, items, suggestion, text, whole, yes_or_no
from deploy.town.fields import cents as amount
from deploy.town.fields import reading as fields_of
from deploy.town.history import read_history
from deploy.town.reading import Listing, Mapping, Node, Scalar, TownFileError
from deploy.town.town import Account, Activity, Announcement, Criterion, Family, Structure, Town, Wallet
from services.booking.activity import SchoolZone
from services.booking.ranking import KNOWN_OF_FAMILIES, SEEN_BY_THE_RUN
from services.clock import Clock
from services.events import EVERYBODY
from services.identity.credentials import MINIMUM_LENGTH, Weakness, plain_login, weakness
from services.identity.entries import YEARS
from services.identity.households import ReportsWanted
from services.identity.second_factor import SecondFactor
from services.mail_addresses import is_email
from services.retention import PERIODS, Period

WEAK = {
    Weakness.TOO_SHORT: "is too short",
    Weakness.TOO_LONG: "is too long",
    Weakness.TOO_COMMON: "is among the first that guessers try",
    Weakness.CONTAINS_LOGIN: "contains the login",
}
ANNOUNCED = YEARS[1:-1]  #: The midnights of their days are in YEARS, wherever the town is.
A_PASSWORD = f"at least {MINIMUM_LENGTH} characters that nobody would guess, such as a few words"


def read_town(path: Path, clock: Clock) -> Town:
    """Raises TownFileError with all the mistakes of the file."""
    return check(reading.read(path), clock)


def read_towns(paths: Sequence[Path], clock: Clock) -> list[Town]:
    """Several files; the mistakes of all are told together. Raises TownFileError."""
    towns: list[Town] = []
    mistakes: list[reading.Mistake] = []
    for path in paths:
        try:
            towns.append(read_town(path, clock))
        except TownFileError as error:
            mistakes += error.mistakes
    if mistakes:
        raise TownFileError(mistakes)
    return towns


def check(tree: Mapping, clock: Clock) -> Town:
    """Raises TownFileError."""
    mistakes = Mistakes()
    with fields_of(tree, mistakes, "a town file") as fields:
        structure = fields.need("structure", lambda node: _structure(node, mistakes, clock), Structure("?", "?", "Europe/Paris"))
        today = clock.today(structure.timezone)
        wallets = tuple(_wallet(node, mistakes) for node in fields.each("wallets"))
        criteria = tuple(_criterion(node, mistakes) for node in fields.each("criteria"))
        told = (*KNOWN_OF_FAMILIES, *sorted(_ids(fields, "criteria", mistakes)))
        around = Around(structure, _ids(fields, "wallets", mistakes), today, told)
        people = People(
            structure=structure.id,
            today=today,
            logins=_logins(fields, mistakes),
            wallets=around.wallets,
            activities=_activities_by_id(fields, mistakes, around),
            criteria=told,
        )
        children = _ids_within(fields, "families", "children")
        town = Town(
            structure,
            tuple(_announcement(node, mistakes, today) for node in fields.each("announcements")),
            wallets,
            tuple(people.activities.values()),
            tuple(_account(node, mistakes) for node in fields.each("accounts")),
            _families(fields, mistakes, people),
            criteria,
            fields.may("history", lambda node: read_history(node, mistakes), None),
        )
    _once("child", children, mistakes)
    if mistakes:
        raise TownFileError(sorted(set(mistakes)))
    return town


def _structure(node: Node, mistakes: Mistakes, clock: Clock) -> Structure:
    with fields_of(node, mistakes, "the structure") as fields:
        timezone = fields.need("timezone", _timezone, "Europe/Paris")
        closed_on, reasons = closings(fields, clock.today(timezone))
        return Structure(
            id=fields.need("id", _structure_id, "?"),
            name=fields.need("name", text, "?"),
            timezone=timezone,
            school_zone=cast("SchoolZone | None", fields.may("school_zone", choice(("A", "B", "C")), None)),
            second_factor=fields.may("second_factor", _second_factor, None),
            secret_questions=fields.may("secret_questions", yes_or_no, False),
            retention=fields.may("retention", lambda periods: _retention(periods, mistakes), {}),
            debt_limit_cents=fields.may("debt_limit_cents", amount(), 0),
            address=fields.may("address", text, None),
            days_off={day: reasons.get(day) for day in sorted(closed_on)},
        )


def _retention(node: Node, mistakes: Mistakes) -> dict[str, int]:
    with fields_of(node, mistakes, "retention") as fields:
        said = {name: fields.may(name, _length(name, period), None) for name, period in PERIODS.items()}
        return {name: length for name, length in said.items() if length is not None}


def _length(name: str, period: Period) -> Reader[int]:
    return whole(period.least, period.most, f"{name.rpartition('_')[2]}, from {period.least} to {period.most}")


def _second_factor(node: Node) -> SecondFactor:
    return SecondFactor(choice([one.value for one in SecondFactor])(node))


def _reports(node: Node) -> ReportsWanted:
    return ReportsWanted(choice([one.value for one in ReportsWanted])(node))


def _structure_id(node: Node) -> str:
    name = identifier(node)
    if name == EVERYBODY:
        raise Wrong(f"{name!r} is taken: events about the whole installation bear it", "another name")
    return name


def _timezone(node: Node) -> str:
    name = text(node, "a time zone such as Europe/Paris")
    if name not in available_timezones():
        raise Wrong(f"{name!r} is no time zone{suggestion(name, available_timezones())}", "a name such as Europe/Paris")
    return ZoneInfo(name).key


def _wallet(node: Node, mistakes: Mistakes) -> Wallet:
    with fields_of(node, mistakes, "a wallet") as fields:
        return Wallet(fields.need("id", identifier, "?"), fields.need("name", text, "?"))


def _criterion(node: Node, mistakes: Mistakes) -> Criterion:
    with fields_of(node, mistakes, "a criterion") as fields:
        criterion = Criterion(fields.need("id", identifier, "?"), fields.need("name", text, "?"))
        if criterion.id in (*KNOWN_OF_FAMILIES, *SEEN_BY_THE_RUN):
            fields.wrong("id", f"id: every town has {criterion.id!r} already", "a criterion of the town's own")
        return criterion


def _announcement(node: Node, mistakes: Mistakes, today: dt.date) -> Announcement:
    with fields_of(node, mistakes, "an announcement") as fields:
        title, body, begins = fields.need("title", text, "?"), fields.need("body", text, "?"), fields.may("from", date(today), today)
        until = fields.may("until", date(today), None)
        for key, day in (("from", begins), ("until", until)):
            if day is not None and day.year not in ANNOUNCED:
                fields.wrong(key, f"{key}: nothing is announced on {day}", f"a day from {ANNOUNCED[0]} to {ANNOUNCED[-1]}")
        if until is not None and until < begins:
            fields.wrong("until", f"until: {until} is before it begins", f"a day from {begins} on")
        mail, public = (fields.may(name, yes_or_no, None) for name in ("mail", "public"))
        return Announcement(title, body, begins, until, mail, public)


def _account(node: Node, mistakes: Mistakes) -> Account:
    with fields_of(node, mistakes, "an account") as fields:
        login = fields.need("login", text, "?")
        account = Account(
            login=login,
            password=fields.may("password", lambda password: _password(password, login), None),
            title=fields.may("title", text, None),
            first_name=fields.need("first_name", text, "?"),
            last_name=fields.need("last_name", text, "?"),
            email=fields.may("email", _email, None),
            agent=fields.may("agent", yes_or_no, False),
            administrator=fields.may("administrator", yes_or_no, None),
            language=fields.may("language", choice(("fr", "en")), "fr"),
            reports=fields.may("reports", _reports, None),
            announcements_by_mail=fields.may("announcements_by_mail", yes_or_no, None),
            place=node.place,
        )
        if account.administrator and not account.agent:
            fields.wrong("administrator", "administrator: true, of who is no agent", "agent: true, too")
        return account


def _password(node: Node, login: str) -> str:
    password = text(node, A_PASSWORD)
    weak = weakness(password, login)
    if weak is not None:
        raise Wrong(f"this one {WEAK[weak]}", A_PASSWORD)
    return password


def _email(node: Node) -> str:
    address = text(node, "an e-mail address")
    if not is_email(address):
        raise Wrong(f"{address!r} is no e-mail address", "one such as jp.dupont@example.org")
    return address


def _activities_by_id(fields: Fields, mistakes: Mistakes, around: Around) -> dict[str, Activity]:
    activities = [read_activity(node, mistakes, around) for node in fields.each("activities")]
    _ids(fields, "activities", mistakes)
    return {activity.spec.id: activity for activity in activities}


def _families(fields: Fields, mistakes: Mistakes, people: People) -> tuple[Family, ...]:
    _ids(fields, "families", mistakes)
    return tuple(read_family(node, mistakes, people) for node in fields.each("families"))


# ------------------------------------------------------------------------------------------------- each id is used once
def _raw(node: Node, list_key: str, id_key: str) -> list[Scalar]:
    """The ids of a list's items, wherever they can be found: mistakes in them are told when they are read."""
    entry = node.entries.get(list_key) if isinstance(node, Mapping) else None
    if entry is None or not isinstance(entry.value, Listing):
        return []
    found = (item.entries[id_key].value for item in items(entry.value) if isinstance(item, Mapping) and id_key in item.entries)
    return [scalar for scalar in found if isinstance(scalar, Scalar) and scalar.kind != "null"]


def _ids(fields: Fields, list_key: str, mistakes: Mistakes) -> set[str]:
    ids = _raw(fields.node, list_key, "id")
    _once({"wallets": "wallet", "activities": "activity", "families": "family", "criteria": "criterion"}[list_key], ids, mistakes)
    return {scalar.text.strip() for scalar in ids}


def _ids_within(fields: Fields, outer: str, inner: str) -> list[Scalar]:
    entry = fields.entries.get(outer)
    families = entry.value.items if entry is not None and isinstance(entry.value, Listing) else ()
    return [scalar for family in families for scalar in _raw(family, inner, "id")]


def _logins(fields: Fields, mistakes: Mistakes) -> set[str]:
    logins = _raw(fields.node, "accounts", "login")
    _once("login", logins, mistakes, plain=True)
    return {scalar.text.strip() for scalar in logins}


def _once(kind: str, ids: Sequence[Scalar], mistakes: Mistakes, plain: bool = False) -> None:
    lines: dict[str, int] = {}
    for scalar in ids:
        word = plain_login(scalar.text) if plain else scalar.text.strip()
        if word in lines:
            mistakes.note(scalar.place, f"{kind} {scalar.text!r} is there already, on line {lines[word]}", "another one: each is used once")
        lines.setdefault(word, scalar.place.line)
