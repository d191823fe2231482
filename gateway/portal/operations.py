"""The GraphQL operations of the pages, each under its name: so all of them are checked by a test, and trusted where nothing else is."""

import re
from typing import Final

#: What every page of somebody signed in shows around itself.
SHELL: Final = """
fragment Shell on Query {
  me { id login title firstName lastName email language passwordIsHandedOut secondFactorMissing { name }
    families { id number structure { id name timezone } } agentOf { id name timezone } }
}
"""
_NAMED = re.compile(r"\b(?:query|mutation|subscription)\s+(\w+)")
ALL: dict[str, str] = {}


def operation(text: str) -> str:
    """The document, with what it takes of the shell. Raises ValueError: it has no name, or the name of another."""
    found = _NAMED.search(text)
    if found is None or found[1] in ALL:
        raise ValueError(f"an operation needs a name of its own: {text[:80]}")
    ALL[found[1]] = text.strip() + (SHELL if "...Shell" in text else "")
    return ALL[found[1]]
