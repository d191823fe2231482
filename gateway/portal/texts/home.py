"""Of the home page."""

TEXTS: dict[str, tuple[str, str]] = {
    "HOME_TITLE": ("Bonjour {name}", "Hello {name}"),
}
COUNTED: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
