"""Of the agents' desk."""

TEXTS: dict[str, tuple[str, str]] = {}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
