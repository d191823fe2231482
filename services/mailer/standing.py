"""What a mail's row means to agents of its structure: how it stands, what is wrong, and what can be done about it."""

import re
from enum import StrEnum

from services.mail_addresses import EMAIL, masked

LONGEST_WORDS = 300  #: Of a mail server, that are repeated.
REFUSED = re.compile(r"([45])\d\d ")
#: What mail servers say of an address, and of nothing else (RFC 5321, 4.2.3; RFC 3463, 3.2).
OF_THE_ADDRESS = re.compile(r"55[013] |\b5\.1\.\d")
ANGLES = "<>"


class Standing(StrEnum):
    """How a mail stands."""

    WAITING = "WAITING"  #: à envoyer
    FAILED = "FAILED"  #: en échec : tried in vain, and tried again by itself
    GIVEN_UP = "GIVEN_UP"  #: abandonné
    NO_ADDRESS = "NO_ADDRESS"  #: sans adresse
    WITHDRAWN = "WITHDRAWN"  #: retiré
    SENT = "SENT"  #: envoyé


class Problem(StrEnum):
    """What is wrong, as far as it can be told from what the mail server said."""

    ADDRESS_REFUSED = "ADDRESS_REFUSED"  #: The address is wrong, or nobody's any more.
    ADDRESS_MISSING = "ADDRESS_MISSING"  #: Nobody of the family has an address.
    REFUSED = "REFUSED"  #: Refused for good, for another reason.
    NOT_NOW = "NOT_NOW"  #: Refused for now.
    UNREACHABLE = "UNREACHABLE"  #: No mail server answered.


OF_AN_ADDRESS = frozenset({Problem.ADDRESS_REFUSED, Problem.ADDRESS_MISSING})


def problem_of(standing: Standing, words: str | None) -> Problem | None:
    """`words`: of the last attempt in vain. None: nothing is wrong, or nobody knows any more."""
    if standing is Standing.NO_ADDRESS:
        return Problem.ADDRESS_MISSING
    if standing not in (Standing.FAILED, Standing.GIVEN_UP) or words is None:
        return None
    refused = REFUSED.match(words)
    if refused is None:
        return Problem.UNREACHABLE
    if refused[1] == "4":
        return Problem.NOT_NOW
    return Problem.ADDRESS_REFUSED if OF_THE_ADDRESS.search(words) else Problem.REFUSED


def without_addresses(words: str) -> str:
    """What the mail server said, on one line, with addresses masked: it likes to repeat whom it refuses."""
    plain = " ".join(words.translate(str.maketrans(ANGLES, "  ")).split())
    return EMAIL.sub(lambda found: masked(found.group()), plain)[:LONGEST_WORDS]
