"""The first line of a supergraph that we composed: says what it was made of, and whether it is whole. So one can tell without Node."""

import hashlib
import re
from collections.abc import Mapping

_RESULT = re.compile(r"# composed by [^\n]*, to sha256 ([0-9a-f]{64})\n")


def under(subgraphs: Mapping[str, str], supergraph: str) -> str:
    """`subgraphs`: service -> SDL. -> the supergraph, with its headline above."""
    return f"{line(subgraphs)}, to sha256 {fingerprint(supergraph)}\n{supergraph}"


def line(subgraphs: Mapping[str, str]) -> str:
    """What a headline begins with."""
    told = "".join(f"{service}\n{sdl}" for service, sdl in subgraphs.items())
    return f"# composed by `make supergraph` from subgraphs with sha256 {fingerprint(told)}"


def is_whole(text: str) -> bool:
    """Is what stands under the headline what was composed? Of what another tool composed nobody knows: then, too."""
    told = _RESULT.match(text)
    return told is None or fingerprint(text[told.end() :]) == told[1]


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
