"""How a tariff stands in a town file: versions, bands or an effort rate, and what is charged of a price."""

import datetime as dt
import re
from decimal import Decimal
from itertools import pairwise

from deploy.town.fields import Fields, Mistakes, Wrong, cents, choice, date, describe, items, listing, quotient, reading, text, whole
from deploy.town.reading import Mapping, Node
from deploy.town.town import Band, Tariff
from services.billing.charged import AS_MOST_TOWNS_DO, MOST_PERCENT, Charged, LatePickup
from services.billing.rate import Effort
from services.billing.tariff import LONGEST_ROUNDING_MINUTES, Per, Rounding, RoundTo, Surcharge

AN_EFFORT = "{percent: 0.5, floor_cents: 150, ceiling_cents: 465}"
A_RATE = "a percentage of the quotient, above 0 and at most 100, with four decimals at most, such as 0.5"
A_ROUNDING = "{minutes: 30, to: up}"
A_SURCHARGE = "{percent: 20} or {cents: 150}"
CHARGED = "{absent_justified_percent: 0, absent_unjustified_percent: 100, unexpected_percent: 100, late: {cents: 500, after_minutes: 10}}"
LATE = "{cents: 500, after_minutes: 10, every_minutes: 15}"
SOME_MINUTES = f"minutes, from 1 to {LONGEST_ROUNDING_MINUTES}"
A_SHARE = whole(0, 100, "a percentage of the price, from 0 to 100")
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")


def read_tariffs(fields: Fields, mistakes: Mistakes, today: dt.date) -> tuple[Tariff, ...]:
    nodes = fields.each("tariff", needed=True)
    if fields.good("tariff") and not nodes:
        fields.wrong("tariff", "tariff: there is none", "at least one version, from the first day of the season on")
    tariffs = [_tariff(node, mistakes, today) for node in nodes]
    for (node, before), (later, after) in pairwise(zip(nodes, tariffs, strict=True)):
        if after.valid_from <= before.valid_from:
            problem = f"this version of the tariff begins on {after.valid_from}, not after the one on line {node.place.line}"
            mistakes.note(later.place, problem, f"versions in order of time: a day after {before.valid_from}")
    return tuple(tariffs)


def _tariff(node: Node, mistakes: Mistakes, today: dt.date) -> Tariff:
    with reading(node, mistakes, "a tariff") as fields:
        per = Per(fields.need("per", choice([per.value for per in Per]), "presence"))
        effort = fields.may("effort", lambda rate: _effort(rate, mistakes), None)
        return Tariff(
            valid_from=fields.need("from", date(today), dt.date.min),
            per=per,
            bands=_no_bands(fields) if fields.says("effort") else _bands(fields, mistakes),
            siblings_percent=fields.may("siblings_percent", listing(whole(0, 100, "percents, from 0 to 100")), ()),
            effort=effort,
            rounding=_rounding(fields, mistakes, per),
            outside_town=fields.may("outside_town", lambda more: _surcharge(more, mistakes), None),
            charged=fields.may("charged", lambda shares: _charged(shares, mistakes), AS_MOST_TOWNS_DO),
        )


# ----------------------------------------------------------------------------------------------------------------- rates
def _effort(node: Node, mistakes: Mistakes) -> Effort | None:
    with reading(_keys(node, "effort rate", AN_EFFORT), mistakes, "an effort rate") as fields:
        percent = fields.need("percent", _percent, None)
        floor = fields.may("floor_cents", cents(), 0)
        ceiling = fields.need("ceiling_cents", cents(), 0)
        if fields.good("ceiling_cents") and ceiling < floor:
            fields.wrong("ceiling_cents", f"ceiling_cents: {ceiling} is below floor_cents ({floor})", f"{floor} or more")
            return None
        return None if percent is None else Effort(percent, ceiling, floor)


def _percent(node: Node) -> Decimal:
    word = text(node, A_RATE)
    if not _RATE.fullmatch(word) or not 0 < Decimal(word) <= 100:
        raise Wrong(f"{word!r} is no effort rate", A_RATE)
    return Decimal(word)


def _no_bands(fields: Fields) -> tuple[Band, ...]:
    if fields.says("bands"):
        fields.wrong("bands", "bands: there is an effort rate already", "bands or effort, not both")
    return ()


def _rounding(fields: Fields, mistakes: Mistakes, per: Per) -> Rounding | None:
    rounding = fields.may("rounding", lambda rule: _rounded(rule, mistakes), None)
    if rounding is not None and fields.good("per") and per is not Per.HOUR:
        fields.wrong("rounding", f"rounding: what is paid per {per} has no hours to round", "it with per: hour")
    return rounding


def _rounded(node: Node, mistakes: Mistakes) -> Rounding:
    with reading(_keys(node, "rounding", A_ROUNDING), mistakes, "a rounding") as fields:
        minutes = fields.need("minutes", whole(1, LONGEST_ROUNDING_MINUTES, SOME_MINUTES), 1)
        return Rounding(minutes, RoundTo(fields.may("to", choice([to.value for to in RoundTo]), "up")))


def _surcharge(node: Node, mistakes: Mistakes) -> Surcharge | None:
    with reading(_keys(node, "surcharge", A_SURCHARGE), mistakes, "a surcharge") as fields:
        percent = fields.may("percent", whole(1, MOST_PERCENT, f"a percentage, from 1 to {MOST_PERCENT}"), 0)
        more = fields.may("cents", cents(1), 0)
        if fields.says("percent") == fields.says("cents"):
            mistakes.note(node.place, "a surcharge is one of two kinds", A_SURCHARGE)
        return Surcharge(percent, more) if (percent > 0) != (more > 0) else None


# ---------------------------------------------------------------------------------------------------- what became of it
def _charged(node: Node, mistakes: Mistakes) -> Charged:
    with reading(_keys(node, "rule of what is charged", CHARGED), mistakes, "what is charged") as fields:
        usual = AS_MOST_TOWNS_DO
        more = whole(0, MOST_PERCENT, f"a percentage of the price, from 0 to {MOST_PERCENT}")
        return Charged(
            absent_justified_percent=fields.may("absent_justified_percent", A_SHARE, usual.absent_justified_percent),
            absent_unjustified_percent=fields.may("absent_unjustified_percent", A_SHARE, usual.absent_unjustified_percent),
            unexpected_percent=fields.may("unexpected_percent", more, usual.unexpected_percent),
            late=fields.may("late", lambda late: _late(late, mistakes), None),
        )


def _late(node: Node, mistakes: Mistakes) -> LatePickup:
    with reading(_keys(node, "late pick-up", LATE), mistakes, "a late pick-up") as fields:
        return LatePickup(
            cents=fields.need("cents", cents(1), 1),
            after_minutes=fields.may("after_minutes", whole(0, LONGEST_ROUNDING_MINUTES, "minutes that are borne, 0 or more"), 0),
            every_minutes=fields.may("every_minutes", whole(1, LONGEST_ROUNDING_MINUTES, SOME_MINUTES), None),
        )


def _keys(node: Node, what: str, expected: str) -> Node:
    if not isinstance(node, Mapping):
        raise Wrong(f"{describe(node)} is no {what}", expected)
    return node


# ----------------------------------------------------------------------------------------------------------------- bands
def _bands(fields: Fields, mistakes: Mistakes) -> tuple[Band, ...]:
    nodes = fields.need("bands", items, ())
    if fields.good("bands") and not nodes:
        fields.wrong("bands", "bands: there are none", "at least {cents: ...}, for every quotient")
    bands = tuple(_band(node, mistakes) for node in nodes)
    for number, (node, (band, after)) in enumerate(zip(nodes[1:], pairwise(bands), strict=True), 1):
        there = nodes[number - 1].place.line
        where = "" if there == node.place.line else f" on line {there}"
        names = f"bands {number} ({_named(band)}){where} and {number + 1} ({_named(after)})"
        if trouble := _between(band, after):
            mistakes.note(node.place, f"{names} {trouble[0]}", trouble[1])
    if bands and bands[0].quotient_above:
        problem = f"there is a hole before band 1 ({_named(bands[0])}): families below it have no price"
        mistakes.note(nodes[0].place, problem, "a first band without quotient_above")
    if bands and bands[-1].quotient_up_to is not None:
        problem = f"there is a hole after band {len(bands)} ({_named(bands[-1])}): families above it have no price"
        mistakes.note(nodes[-1].place, problem, "a last band without quotient_up_to: {cents: ...}")
    return bands


def _between(band: Band, after: Band) -> tuple[str, str] | None:
    """What is wrong between two neighbours, and what was expected."""
    if band.quotient_up_to is None:
        return "overlap: the former takes all that is left", "the band without quotient_up_to last"
    if after.quotient_up_to is not None and after.quotient_up_to <= band.quotient_up_to:
        return "overlap", f"a bound above {band.quotient_up_to}"
    if after.quotient_above is not None and after.quotient_above != band.quotient_up_to:
        trouble = "leave a hole between them" if after.quotient_above > band.quotient_up_to else "overlap"
        return trouble, f"quotient_above: {band.quotient_up_to}, or none: a band begins where the one before it ends"
    return None


def _band(node: Node, mistakes: Mistakes) -> Band:
    with reading(node, mistakes, "a band") as fields:
        return Band(
            quotient_up_to=fields.may("quotient_up_to", quotient, None),
            cents=fields.need("cents", cents(), 0),
            quotient_above=fields.may("quotient_above", quotient, None),
        )


def _named(band: Band) -> str:
    start = "" if band.quotient_above is None else f"above {band.quotient_above} "
    return start + ("without end" if band.quotient_up_to is None else f"up to {band.quotient_up_to}")
