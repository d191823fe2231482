"""Of balances, payments, histories."""

TEXTS: dict[str, tuple[str, str]] = {}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
