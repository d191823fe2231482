"""As much of JSON Schema as our own documents use; a word that it does not know is an error, so that nothing is waved through."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]

SPOKEN = {"title", "description", "default", "examples"}  #: They judge nothing.
TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
FORMATS: dict[str, Callable[[str], Any]] = {"date": dt.date.fromisoformat, "date-time": dt.datetime.fromisoformat}


def mistakes(value: Any, schema: Schema, document: Schema, where: str = "it") -> list[str]:
    """What is wrong with the value; references are looked up in the document."""
    return [
        mistake
        for word, rule in resolved(schema, document).items()
        if word not in SPOKEN
        for mistake in (INNER[word](value, rule, document, where) if word in INNER else _alone(word, value, rule, where))
    ]


def resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        assert len(schema) == 1, f"nothing beside a $ref counts: {schema}"
        target: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


# ------------------------------------------------------------------------------------------- words about the value itself
def _alone(word: str, value: Any, rule: Any, where: str) -> Iterator[str]:
    assert word in PLAIN, f"{word} in a schema: teach this file what it means"
    if not PLAIN[word](value, rule):
        yield f"{where} is {value!r}, but {word} is {rule!r}"


def _formed(value: Any, form: str) -> bool:
    try:
        FORMATS[form](value)
    except (TypeError, ValueError):
        return False
    return True


PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, rule: isinstance(value, TYPES[rule]) and (rule == "boolean" or not isinstance(value, bool)),
    "const": lambda value, rule: bool(value == rule),
    "enum": lambda value, rule: value in rule,
    "pattern": lambda value, rule: not isinstance(value, str) or re.search(rule, value) is not None,
    "minLength": lambda value, rule: not isinstance(value, str) or len(value) >= rule,
    "format": _formed,
    "required": lambda value, rule: not isinstance(value, dict) or set(rule) <= set(value),
}


# ---------------------------------------------------------------------------------------------- words about what is in it
def _properties(value: Any, rule: Any, document: Schema, where: str) -> Iterator[str]:
    for name in rule.keys() & (value.keys() if isinstance(value, dict) else set()):
        yield from mistakes(value[name], rule[name], document, f"{where}.{name}")


def _values(value: Any, rule: Any, document: Schema, where: str) -> Iterator[str]:
    """Of what has no properties of its own beside."""
    for name in value if isinstance(value, dict) else ():
        yield from mistakes(value[name], rule, document, f"{where}.{name}")


def _items(value: Any, rule: Any, document: Schema, where: str) -> Iterator[str]:
    for number, item in enumerate(value if isinstance(value, list) else ()):
        yield from mistakes(item, rule, document, f"{where}[{number}]")


def _all_of(value: Any, rule: Any, document: Schema, where: str) -> Iterator[str]:
    for part in rule:
        yield from mistakes(value, part, document, where)


def _any_of(value: Any, rule: Any, document: Schema, where: str) -> Iterator[str]:
    if all(mistakes(value, part, document, where) for part in rule):
        yield f"{where} is {value!r}, none of {rule}"


INNER = {"properties": _properties, "additionalProperties": _values, "items": _items, "allOf": _all_of, "anyOf": _any_of}
