"""A town's file that is loaded again: what it says otherwise than last time is in force, and what people made of the rest stands."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

Words = dict[str, Any]  #: What a file says of something, in JSON's own types.
ABSENT = object()


def newly_said(said: Mapping[str, Any], before: Mapping[str, Any] | None) -> Words:
    """What the file says otherwise than `before`. None: it never said anything."""
    before = before or {}
    return {name: value for name, value in said.items() if name not in before or before[name] != value}


def members(said: Sequence[str], before: Sequence[str] | None, there: Sequence[str]) -> list[str]:
    """Whom the file names anew comes, and whom it names no longer goes; whoever else came or went has done so. None: as for words."""
    if before is None:
        return list(said)
    if list(said) == list(before):
        return list(there)
    kept = [one for one in said if one in there or one not in before]
    return [*kept, *(one for one in there if one not in said and one not in before)]


def renewed(said: Words, before: Words | None, there: Words, parted: Collection[str] = ()) -> Words:
    """What is to be, whole. `parted`: names of lists and groups of which each part is looked at by itself. None: as for words."""
    if before is None:
        return said
    found = {name: _renewed(name in parted, *(some.get(name, ABSENT) for some in (said, before, there))) for name in {**there, **said}}
    return {name: value for name, value in found.items() if value is not ABSENT}


def _renewed(is_parted: bool, said: Any, before: Any, there: Any) -> Any:
    if said == before:
        return there
    if is_parted and isinstance(there, list) and isinstance(said, list):
        return members(said, [] if before is ABSENT else before, there)
    if is_parted and isinstance(there, dict):
        return renewed({} if said is ABSENT else said, {} if before is ABSENT else before, there)
    return said
