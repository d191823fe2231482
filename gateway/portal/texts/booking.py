"""Of choosing days, the recap and its outcome."""

TEXTS: dict[str, tuple[str, str]] = {}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
