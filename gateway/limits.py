"""How large an operation may be, looked at before anything expensive is done with it.

Every measure is linear in the document: a fragment is measured once, however often it is spread, so that a few lines that would
spell out to millions of fields cost nothing to refuse. Validation and planning see only what has passed here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, InlineFragmentNode, OperationDefinitionNode, SelectionSetNode
from graphql.language import ast

from gateway.trouble import RequestError

MOST_CHARACTERS = 32_000
MOST_TOKENS = 4_000
MOST_FIELDS = 1_000
DEEPEST = 15
#: The standard introspection query follows a type inwards nine times.
DEEPEST_INTROSPECTION = 20
MOST_ALIASES = 30
MOST_DIRECTIVES = 60
#: Each is answered by the gateway itself, in tens of milliseconds during which it answers nobody else.
MOST_INTROSPECTIONS = 2
#: One try at a secret for one request: otherwise aliases would make a hundred of it.
AUTHENTICATION = frozenset(
    {"signIn", "refreshSession", "changePassword", "changeEmail", "confirmEmail", "changeSecurityQuestion"}
    | {"finishSignIn", "startTotp", "confirmTotp", "removeFactor", "startPasskey", "addPasskey", "startPasskeySignIn"}
    | {"startOidc", "finishOidc", "startOidcLink", "linkOidc", "unlinkOidc"}
    | {"requestPasswordReset", "newRecoveryCodes", "useRecoveryCode", "recoveryQuestion", "answerRecoveryQuestion", "resetPassword"}
)
#: The subgraphs' own entrances.
REFUSED = frozenset({"_service", "_entities"})


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection comes to, its fragments spelled out."""

    fields: int = 0
    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    directives: int = 0
    authentications: int = 0
    introspections: int = 0

    def beside(self, other: "Size") -> "Size":
        return Size(
            self.fields + other.fields,
            max(self.depth, other.depth),
            max(self.introspection_depth, other.introspection_depth),
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.authentications + other.authentications,
            self.introspections + other.introspections,
        )


def check(document: DocumentNode) -> None:
    """Raises RequestError."""
    measure = Measure({each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)})
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            for code, message in _excesses(measure.selection(operation.selection_set)):
                raise RequestError.coded(code, message)


def _excesses(size: Size) -> Iterator[tuple[str, str]]:
    if size.fields > MOST_FIELDS:
        yield "OPERATION_TOO_LARGE", f"An operation asks for at most {MOST_FIELDS} fields."
    if size.depth > DEEPEST or size.introspection_depth > DEEPEST_INTROSPECTION:
        yield "OPERATION_TOO_DEEP", f"An operation is at most {DEEPEST} fields deep."
    if size.aliases > MOST_ALIASES:
        yield "TOO_MANY_ALIASES", f"An operation has at most {MOST_ALIASES} aliases."
    if size.directives > MOST_DIRECTIVES:
        yield "TOO_MANY_DIRECTIVES", f"An operation has at most {MOST_DIRECTIVES} directives."
    if size.introspections > MOST_INTROSPECTIONS:
        yield "TOO_MANY_INTROSPECTIONS", f"An operation asks for __schema and __type at most {MOST_INTROSPECTIONS} times."
    if size.authentications > 1:
        yield "ONE_AUTHENTICATION_A_REQUEST", "A request carries at most one mutation that looks at a password, a token or an answer."


@dataclass(slots=True)
class Measure:
    fragments: Mapping[str, FragmentDefinitionNode]
    _known: dict[str, Size] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def selection(self, selections: SelectionSetNode | None) -> Size:
        size = Size()
        for node in selections.selections if selections else ():
            directives = len(node.directives or ())
            size = size.beside(Size(directives=directives)) if directives else size
            if isinstance(node, FieldNode):
                size = size.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                size = size.beside(self.selection(node.selection_set))
            elif isinstance(node, ast.FragmentSpreadNode):
                size = size.beside(self._fragment(node.name.value))
        return size

    def _field(self, node: FieldNode) -> Size:
        name = node.name.value
        if name in REFUSED:
            raise RequestError.coded("GRAPHQL_VALIDATION_FAILED", f"{name} is between the gateway and its services.")
        below = self.selection(node.selection_set)
        introspects = name.startswith("__")
        return Size(
            1 + below.fields,
            0 if introspects else 1 + below.depth,
            1 + max(below.depth, below.introspection_depth) if introspects else below.introspection_depth,
            bool(node.alias) + below.aliases,
            below.directives,
            (name in AUTHENTICATION) + below.authentications,
            (name in ("__schema", "__type")) + below.introspections,
        )

    def _fragment(self, name: str) -> Size:
        if name in self._open:
            raise RequestError.coded("GRAPHQL_VALIDATION_FAILED", f"Fragment {name!r} spreads itself.")
        if name not in self._known:
            self._open.add(name)
            fragment = self.fragments.get(name)
            self._known[name] = self.selection(fragment.selection_set) if fragment else Size()
            self._open.discard(name)
        return self._known[name]
