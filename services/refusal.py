"""The word for "no": what a family may not do, as opposed to what went wrong on our side; and in which language it is said.

What a wrong value is told comes from graphql-core, which writes English alone and has no place to say it otherwise: it is recognised by
its words. What is not, because a release words it anew, is said in general: with the place of the value, and nothing of the inside.
"""

import re
from typing import Final, Literal

Language = Literal["fr", "en"]

LONGEST_SHOWN: Final = 60  #: Characters of a wrong value that are repeated.
UNFIT: Final = "cette valeur ne convient pas."

_VARIABLE = re.compile(r"Variable '\$(?P<name>\w+)' has invalid value(?: at (?P<path>[\w.\[\]]+))?: (?P<why>.*)", re.DOTALL)

#: What graphql-core begins with -> what we say.
_COMPLAINTS: Final = tuple(
    (re.compile(begin), said)
    for begin, said in (
        (r"Expected a value of non-null type '.*' to be provided\.", "une valeur est attendue."),
        (r"Expected value of non-null type '.*' not to be None\.", "une valeur est attendue, et non null."),
        (r"Expected value of type '(\w+)' to be an object", "un objet {0} est attendu."),
        (r"Expected value of type '(\w+)' to include required field '(\w+)'", "le champ « {1} » est attendu."),
        (r"Expected value of type '(\w+)' not to include unknown field '(\w+)'", "le champ « {1} » n’existe pas dans {0}."),
        (r"Value '(.*?)' does not exist in '(\w+)' enum\.", "« {0} » n’est pas une valeur de {1}."),
        (r"Enum '(\w+)' cannot represent", "une valeur de {0} est attendue."),
        (r"Int cannot represent non 32-bit", "un nombre entier moins grand est attendu."),
        (r"Int cannot represent", "un nombre entier est attendu."),
        (r"Float cannot represent", "un nombre est attendu."),
        (r"Boolean cannot represent", "true ou false est attendu."),
        (r"String cannot represent", "un texte est attendu."),
        (r"ID cannot represent", "un identifiant est attendu."),
    )
)


class Refused(Exception):
    """Raise it in a command; the schema turns it into the member of the union whose code it names.

    `code` is UPPER_SNAKE and has a text in the service's `texts.py`; `details` fill the text's `{names}`.
    """

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class CodedError(Exception):
    """An answer that GraphQL gives under `errors`, with `extensions.code`: nobody is signed in, an id that names nothing..."""

    def __init__(self, code: str, message: str, french: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.french = french  #: None: the message is in the caller's language already, or for nobody but programmers.


class Unauthenticated(CodedError):
    """Nobody is signed in, or the token has run out."""

    def __init__(self) -> None:
        super().__init__("UNAUTHENTICATED", "Sign in first.", "Connectez-vous d’abord.")


class Forbidden(CodedError):
    """Signed in, but not for this. Also the answer for what does not exist, so that nobody learns what does."""

    def __init__(self) -> None:
        super().__init__("FORBIDDEN", "Not yours, or not there.", "Cela n’est pas à vous, ou n’existe pas.")


# ------------------------------------------------------------------------------------------------------------ in which language
def language_of(header: str | None) -> Language:
    """French unless English is asked for first."""
    return "en" if (header or "").strip().lower().startswith("en") else "fr"


def in_french(message: str) -> str:
    """What graphql-core says of a value; of anything else, what it says: that is for whoever writes documents."""
    found = _VARIABLE.fullmatch(message)
    if found is None:
        return _said(message) or message
    return f"{found['name']}{found['path'] or ''} : {_said(found['why']) or UNFIT}"


def _said(why: str) -> str | None:
    for begin, said in _COMPLAINTS:
        found = begin.match(why)
        if found is not None:
            return said.format(*map(shown, found.groups()))
    return None


def shown(value: object) -> str:
    """A wrong value, as far as it is repeated."""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
