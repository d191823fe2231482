"""A client's document without what its author wrote into it: for logs, which say no name, no address, no password.

Values become empty and aliases go; names of fields, arguments, fragments and variables stay: they are the schema's or the program's.
"""

import hashlib
from dataclasses import replace
from typing import Any

from graphql import Visitor, parse, print_ast, strip_ignored_characters, visit
from graphql.language import ast

LONGEST = 4_000  #: characters that are told


def signature(text: str) -> str:
    """Of a document that was found right."""
    told = strip_ignored_characters(print_ast(visit(parse(text, no_location=True), _Hiding())))
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}..."


def hash_of(text: str) -> str:
    """By which trusted documents are named. Of one with values in it, a hash would let those be guessed that are few: see `has_values`."""
    return hashlib.sha256(text.encode()).hexdigest()


def has_values(text: str) -> bool:
    """Whether the author wrote values into it, other than true, false, null and the schema's own words."""
    found = _Looking()
    visit(parse(text, no_location=True), found)
    return found.any


class _Hiding(Visitor):
    def leave_field(self, node: ast.FieldNode, *_: Any) -> ast.FieldNode | None:
        return replace(node, alias=None) if node.alias else None

    def leave_string_value(self, node: ast.StringValueNode, *_: Any) -> ast.StringValueNode:
        return replace(node, value="", block=False)

    def leave_int_value(self, node: ast.IntValueNode, *_: Any) -> ast.IntValueNode:
        return replace(node, value="0")

    def leave_float_value(self, node: ast.FloatValueNode, *_: Any) -> ast.FloatValueNode:
        return replace(node, value="0")

    def leave_list_value(self, node: ast.ListValueNode, *_: Any) -> ast.ListValueNode:
        return replace(node, values=())

    def leave_object_value(self, node: ast.ObjectValueNode, *_: Any) -> ast.ObjectValueNode:
        return replace(node, fields=())


class _Looking(Visitor):
    any = False

    def _seen(self, *_: Any) -> None:
        self.any = True

    enter_string_value = enter_int_value = enter_float_value = _seen
