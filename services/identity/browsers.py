"""What a browser says it is, in the few words by which families know their own devices."""

import re

LONGEST = 60

#: The first that applies: most browsers say that they are others too.
BROWSERS = (
    ("Edge", re.compile(r"Edg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"OPR/|Opera")),
    ("Samsung Internet", re.compile(r"SamsungBrowser/")),
    ("Firefox", re.compile(r"Firefox/|FxiOS/")),
    ("Chrome", re.compile(r"Chrome/|CriOS/|Chromium/")),
    ("Safari", re.compile(r"Version/[\d.]+ .*Safari/|Safari/")),
)
SYSTEMS = (
    ("iPhone", re.compile(r"iPhone")),
    ("iPad", re.compile(r"iPad")),
    ("Android", re.compile(r"Android")),
    ("Windows", re.compile(r"Windows")),
    ("Mac", re.compile(r"Macintosh|Mac OS X")),
    ("ChromeOS", re.compile(r"CrOS")),
    ("Linux", re.compile(r"Linux|X11")),
)


def named(user_agent: str | None) -> str | None:
    """Such as "Firefox, Windows"; of another program, its own name. None: it says nothing that can be read."""
    said = (user_agent or "")[:500]
    known = [next((name for name, sign in signs if sign.search(said)), None) for signs in (BROWSERS, SYSTEMS)]
    if any(known):
        return ", ".join(filter(None, known))
    program = "".join(character for character in said.partition(" ")[0] if character.isprintable())
    return program[:LONGEST] or None
