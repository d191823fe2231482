"""What clients were promised: gateway/released.graphql is the API of the last release, and nothing that its clients use may go.

`python -m deploy.released` lists what has changed since, and fails where something breaks that nobody has accepted; `--release` makes the
API of today the one that was released. What is broken on purpose stands in gateway/breaking.yaml, each change with its reason.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from graphql import GraphQLSchema, build_schema, find_breaking_changes, find_dangerous_changes, lexicographic_sort_schema, print_schema

from gateway.supergraph import Supergraph

GATEWAY = Path(__file__).resolve().parent.parent / "gateway"
RELEASED = GATEWAY / "released.graphql"
ACCEPTED = GATEWAY / "breaking.yaml"
HEAD = """\
# Breaking changes of the API that were made on purpose since the last release: the change, as `make supergraph` names it, and why.
# `make release-schema` empties this list. To break nothing, mark with @deprecated, and remove when no client asks any more.
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """Since the last release."""

    broken: Sequence[str]  #: and not accepted
    wrong: Sequence[str]  #: of what was accepted: without a reason, or of a change that was not made
    accepted: Sequence[str] = field(default=())
    dangerous: Sequence[str] = field(default=())  #: for clients that did not reckon with more

    def told(self) -> str:
        lines = [f"BREAKS CLIENTS: {each}" for each in self.broken]
        lines += [f"gateway/breaking.yaml: {each}" for each in self.wrong]
        lines += [f"breaks clients on purpose: {each}" for each in self.accepted]
        lines += [f"new to clients: {each}" for each in self.dangerous]
        if self.broken:
            lines.append("Keep what was released, mark it with @deprecated; or say in gateway/breaking.yaml why not.")
        return "".join(f"{line}\n" for line in lines)


def changes(released: GraphQLSchema, now: GraphQLSchema, accepted: Mapping[str, object]) -> Changes:
    """`accepted`: change -> reason."""
    breaking = [each.description for each in find_breaking_changes(released, now)]
    made = set(breaking)
    without_reason = [f"say why: {change}" for change, reason in accepted.items() if not (isinstance(reason, str) and reason.strip())]
    return Changes(
        broken=[each for each in breaking if each not in accepted],
        wrong=[*without_reason, *(f"this change was not made: {change}" for change in accepted if change not in made)],
        accepted=[f"{each} ({accepted[each]})" for each in breaking if each in accepted],
        dangerous=[each.description for each in find_dangerous_changes(released, now)],
    )


def released() -> GraphQLSchema:
    return build_schema(RELEASED.read_text(encoding="utf-8"))


def accepted() -> Mapping[str, object]:
    """Raises TypeError: it is no list of changes with reasons."""
    told = yaml.safe_load(ACCEPTED.read_text(encoding="utf-8")) or {}
    if not isinstance(told, dict):
        raise TypeError(f"{ACCEPTED}: each line is a change and its reason, `Field Account.title was removed.: nobody asks for it`")
    return told


def main(arguments: Sequence[str]) -> str | None:
    """What is wrong, if anything is."""
    now = Supergraph.committed().api
    if "--release" in arguments:
        RELEASED.write_text(print_schema(lexicographic_sort_schema(now)) + "\n", encoding="utf-8")
        ACCEPTED.write_text(HEAD, encoding="utf-8")
        return None
    found = changes(released(), now, accepted())
    if found.broken or found.wrong:
        return found.told()
    sys.stdout.write(found.told() or "the API is as it was released\n")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
