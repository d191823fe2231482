"""Finds objects in the merged data, describes them to a subgraph, and merges what it says of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.drafts import Part, Parts, Segment
from gateway.outline import Path
from gateway.plan import Entity

Object = dict[str, Any]


#: Its subgraph told no key; told one that is none, such as a list for an ID.
UNKNOWN, CONFUSED = -1, -2


class Confused(Exception):
    """A subgraph that is not checked told something else than its schema says."""


class Batch(NamedTuple):
    """One `_entities` request: every object is described once, however often it stands in the answer."""

    objects: list[Object]
    slots: list[int]  #: per object: the index of its representation; UNKNOWN, CONFUSED: cannot be asked for
    representations: list[Object]


def find(data: Object, path: Sequence[Segment]) -> list[Object]:
    """The objects at a path."""
    objects = [data]
    for key, type_name in path:
        found: list[Object] = []
        for each in objects:
            value = each.get(key)
            if type(value) is list:
                found.extend(_flat(value))
            elif type(value) is dict:
                found.append(value)
        objects = [each for each in found if each.get("__typename") == type_name] if type_name else found
    return objects


def _flat(values: list[Any]) -> Iterator[Object]:
    for value in values:
        if type(value) is list:
            yield from _flat(value)
        elif type(value) is dict:
            yield value


def positions(value: Any, path: Sequence[Segment], renamed: Mapping[str, str], at: Path = ()) -> Iterator[tuple[Path, Object]]:
    """Those objects, and where the client sees them. Slower: for errors alone."""
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from positions(element, path, renamed, (*at, index))
    elif isinstance(value, dict) and not path:
        yield at, value
    elif isinstance(value, dict):
        key, type_name = path[0]
        below = value.get(key)
        for each, element in _elements(below, (*at, renamed.get(key, key))):
            if type_name is None or not isinstance(element, dict) or element.get("__typename") == type_name:
                yield from positions(element, path[1:], renamed, each)


def slots_at(data: Object, path: Sequence[Segment], renamed: Mapping[str, str], batch: Batch) -> Iterator[tuple[Path, int]]:
    """Where the objects are that a request was about, and their slots. Others may have come there since: another subgraph had them, too."""
    slots = {id(each): slot for each, slot in zip(batch.objects, batch.slots, strict=True)}
    return ((at, slots[id(each)]) for at, each in positions(data, path, renamed) if id(each) in slots)


def _elements(value: Any, at: Path) -> Iterator[tuple[Path, Object]]:
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from _elements(element, (*at, index))
    elif value is not None:
        yield at, value


def describe(entity: Entity, objects: list[Object]) -> Batch:
    """Representations of the objects, each once."""
    if entity.only_key is not None:
        return _describe_by_key(entity.type, entity.only_key, objects)
    representations: list[Object] = []
    known: dict[bytes, int] = {}
    slots = []
    for each in objects:
        try:
            representation = _represent(entity, each)
        except Confused:
            slots.append(CONFUSED)
            continue
        if representation is None:
            slots.append(UNKNOWN)
            continue
        index = known.setdefault(msgspec.json.encode(representation), len(representations))
        if index == len(representations):
            representations.append(representation)
        slots.append(index)
    return Batch(objects, slots, representations)


def _describe_by_key(type_name: str, part: Part, objects: list[Object]) -> Batch:
    representations: list[Object] = []
    known: dict[Any, int] = {}
    slots = []
    for each in objects:
        value = each.get(part.key)
        if value is None:
            slots.append(UNKNOWN)
            continue
        if type(value) is dict or type(value) is list:
            slots.append(CONFUSED)
            continue
        index = known.get(value)
        if index is None:
            index = known[value] = len(representations)
            representations.append({"__typename": type_name, part.name: value})
        slots.append(index)
    return Batch(objects, slots, representations)


def _represent(entity: Entity, found: Object) -> Object | None:
    representation: Object = {"__typename": entity.type}
    for part in entity.parts:
        if part.key not in found:
            return None  # its subgraph did not answer
        representation[part.name] = _part(part.below, found[part.key])
    return representation


def _part(below: Parts | None, value: Any) -> Any:
    if below is None or value is None:
        return value
    if isinstance(value, list):
        return [_part(below, each) for each in value]
    if not isinstance(value, dict):
        raise Confused
    if not below.abstract:
        ((_, parts),) = below.fields.items()
        return {part.name: _part(part.below, value.get(part.key)) for part in parts}
    type_name = value.get("__typename")
    if not isinstance(type_name, str):
        raise Confused
    if type_name not in below.fields:
        return None
    return {"__typename": type_name, **{part.name: _part(part.below, value.get(part.key)) for part in below.fields[type_name]}}


def merge(into: Object, more: Object) -> None:
    """What two subgraphs say of one object."""
    for key, value in more.items():
        present = into.get(key)
        if present is None:
            into[key] = value
        elif type(present) is dict and type(value) is dict:
            merge(present, value)
        elif type(present) is list and type(value) is list:
            _merge_lists(present, value)


def _merge_lists(into: list[Any], more: list[Any]) -> None:
    for present, value in zip(into, more, strict=False):
        if type(present) is dict and type(value) is dict:
            merge(present, value)
        elif type(present) is list and type(value) is list:
            _merge_lists(present, value)


def spread(batch: Batch, entities: Sequence[Object | None]) -> None:
    """Merges the answers into every object that was asked about. Objects share nothing afterwards that could change."""
    given: set[int] = set()
    for each, slot in zip(batch.objects, batch.slots, strict=True):
        entity = entities[slot] if 0 <= slot < len(entities) else None
        if entity is not None:
            merge(each, _copy(entity) if slot in given else entity)
            given.add(slot)


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if type(value) is list else value
