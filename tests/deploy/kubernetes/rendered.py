"""What the chart made, and how to find one's way in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]

Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """By values file."""

    objects: Mapping[str, list[Object]]
    complaints: Mapping[str, list[str]]
    base: Mapping[str, str]  #: the Kustomize base: file -> text


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def pods(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """(name of what makes them, their template)"""
    for each in of_kind(objects, "Deployment", "Job"):
        yield each["metadata"]["name"], each["spec"]["template"]


def containers(template: Object) -> list[Object]:
    return [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]


def component(one: Object) -> str:
    return str(one["metadata"]["labels"]["app.kubernetes.io/component"])


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """`selector`: matchLabels alone, as all of ours."""
    assert set(selector) <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def environment(container: Object) -> dict[str, Object]:
    """Setting -> its entry."""
    entries = container.get("env", [])
    found = {entry["name"]: entry for entry in entries}
    assert len(found) == len(entries), "a setting is set twice"
    return found
