"""Of help, site map and what the law asks for."""

TEXTS: dict[str, tuple[str, str]] = {}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
