"""A plan in words: what is asked of whom, in which order, about which objects. For people, for programs, and in one line for logs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from graphql import parse, print_ast

from gateway.drafts import Part, Segment
from gateway.plan import Entity, Fetch, Plan


def explained(plan: Plan) -> dict[str, Any]:
    """As JSON: `requests` in the order of their numbers, `after` the numbers of those that must be in before."""
    told: dict[str, Any] = {"requests": [_request(plan, fetch) for fetch in plan.fetches]}
    if plan.introspection is not None:
        told["answeredByTheGateway"] = print_ast(plan.introspection)
    if plan.denied:
        told["denied"] = [_path((*spot.path, Segment(spot.key, None))) for spot in plan.denied]
    if plan.follow is not None:
        told["again"] = {"when": plan.follow.field, "asked": explained(plan.follow.watch)["requests"]}
    return told


def _request(plan: Plan, fetch: Fetch) -> dict[str, Any]:
    told: dict[str, Any] = {"id": fetch.id + 1, "service": fetch.service, "after": _after(plan, fetch)}
    if fetch.entity is not None:
        told["about"] = {"type": fetch.entity.type, "at": _path(fetch.entity.path), "by": _keys(fetch.entity)}
    told |= {"document": document(fetch), "variables": list(fetch.variables), "readByTheGateway": not fetch.opaque}
    if fetch.bearer is not None:
        told["with"] = f"the token that {_path((*fetch.bearer.path, Segment(fetch.bearer.key, None)))} brings"
    return told


def document(fetch: Fetch) -> str:
    return str(msgspec.json.decode(fetch.head + b"}")["query"])


def _after(plan: Plan, fetch: Fetch) -> list[int]:
    return [earlier.id + 1 for earlier in plan.fetches if fetch.id in earlier.then]


def _path(path: Sequence[Segment]) -> str:
    """`me.families.children`, `node<Child>.calendar`"""
    return ".".join(f"{segment.key}<{segment.type}>" if segment.type else segment.key for segment in path)


def _keys(entity: Entity) -> str:
    return " ".join(map(_part, entity.parts))


def _part(part: Part) -> str:
    """`id`, or `child { id }`: as @key and @requires have it."""
    if part.below is None:
        return part.name
    by_type = {name: " ".join(map(_part, parts)) for name, parts in part.below.fields.items()}
    told = [f"... on {name} {{ {fields} }}" for name, fields in by_type.items()] if part.below.abstract else by_type.values()
    return f"{part.name} {{ {' '.join(told)} }}"


# ------------------------------------------------------------------------------------------------------------ for people


def readable(plan: Plan) -> str:
    """Requests by steps: those of a step need no other of it, so they go out together as soon as what they need is in."""
    steps = _steps(plan)
    lines = [_summary(steps)]
    for number, step in enumerate(steps, 1):
        lines += ["", f"step {number}" + (", at the same time" if len(step) > 1 else "")]
        for fetch in step:
            lines += _lines(plan, fetch)
    if plan.introspection is not None:
        lines += ["", "the gateway itself answers", *_indented(print_ast(plan.introspection))]
    lines += [f"refused to this caller: {spot}" for spot in explained(plan).get("denied", ())]
    if plan.follow is not None:
        lines += ["", f"and again after each event that {plan.follow.field} depends on, which this tells:"]
        lines += [line for fetch in plan.follow.watch.fetches for line in _lines(plan.follow.watch, fetch)]
    return "\n".join(lines)


def _summary(steps: Sequence[Sequence[Fetch]]) -> str:
    count = sum(map(len, steps))
    if not count:
        return "no request"
    return f"{count} request{'s' * (count > 1)} in {len(steps)} step{'s' * (len(steps) > 1)}"


def _steps(plan: Plan) -> list[list[Fetch]]:
    """Each as early as may be."""
    depth: dict[int, int] = {}
    left = list(plan.fetches)
    while left:
        for fetch in left:
            before = [each.id for each in plan.fetches if fetch.id in each.then]
            if all(each in depth for each in before):
                depth[fetch.id] = 1 + max((depth[each] for each in before), default=-1)
        left = [fetch for fetch in left if fetch.id not in depth]
    return [[fetch for fetch in plan.fetches if depth[fetch.id] == level] for level in range(max(depth.values(), default=-1) + 1)]


def _lines(plan: Plan, fetch: Fetch) -> list[str]:
    told = _request(plan, fetch)
    head = f"  {told['id']} {told['service']}"
    if told["after"]:
        head += f", after {', '.join(map(str, told['after']))}"
    if "about" in told:
        head += ": {type} by {by}, at {at}".format(**told["about"])
    if "with" in told:
        head += f", with {told['with']}"
    return [head, *_indented(print_ast(parse(told["document"])), "      ")]


def _indented(text: str, by: str = "    ") -> list[str]:
    return [by + line for line in text.splitlines()]


# -------------------------------------------------------------------------------------------------------------- for logs


def in_short(plan: Plan, milliseconds: Mapping[int, Sequence[float]]) -> list[str]:
    """`1 identity 12.3 ms`, `2 booking Child after 1 840.0 ms`. `milliseconds`: of each request's tries, by its fetch's id."""
    return [_in_short(plan, fetch, milliseconds.get(fetch.id, ())) for fetch in plan.fetches]


def _in_short(plan: Plan, fetch: Fetch, took: Sequence[float]) -> str:
    words = [str(fetch.id + 1), fetch.service]
    if fetch.entity is not None:
        words.append(fetch.entity.type)
    if after := _after(plan, fetch):
        words.append(f"after {','.join(map(str, after))}")
    words.append(" + ".join(f"{each:.1f}" for each in took) + " ms" if took else "not asked")
    return " ".join(words)


def as_json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, indent=2)
