"""Sets one document and ends: a process of its own, so that whatever native code does with it ends with it (services/documents.py).

Reads `{"root", "template", "told"}` as JSON from standard input; writes the PDF to standard output, or says on standard error why not.
It imports nothing of ours.
"""

import json
import os
import resource
import sys
from typing import Any

import typst

CPU_SECONDS = 20
MEMORY_BYTES = 2 << 30
#: Whatever else our fonts cannot show, they show this: Latin letters, punctuation and the signs of currencies.
SHOWN = (range(0x20, 0x250), range(0x2010, 0x2028), range(0x202F, 0x203B), range(0x20A0, 0x20C0))


def main() -> None:
    os.nice(3)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    asked = json.load(sys.stdin.buffer)
    try:
        pdf = _set(asked, asked["told"])
    except typst.TypstError:
        # A document must be readable by all: what no font of ours can show is no text there, and refused.
        pdf = _set(asked, _shown(asked["told"]))
    sys.stdout.buffer.write(pdf)


def _set(asked: dict[str, Any], told: Any) -> bytes:
    """No fonts but typst's own: the same everywhere."""
    data = {"told": json.dumps(told, ensure_ascii=False)}
    return typst.compile(
        asked["template"], root=asked["root"], ignore_system_fonts=True, format="pdf", sys_inputs=data, pdf_standards="ua-1"
    )


def _shown(told: Any) -> Any:
    if isinstance(told, str):
        return "".join(letter if any(ord(letter) in part for part in SHOWN) else "?" for letter in told)
    if isinstance(told, list):
        return [_shown(one) for one in told]
    return {name: _shown(one) for name, one in told.items()} if isinstance(told, dict) else told


if __name__ == "__main__":
    main()
