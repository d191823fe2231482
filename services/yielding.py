"""Lets a process go behind others where processors are few."""

import os
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def give_way(nice: int) -> None:
    """`nice`, from 0 to 19: how far behind those whom families wait for.

    Linux may share time between sessions before it looks at the niceness in each (autogroup), and `preau up` starts each process in a
    session of its own: so the session is told, too. Not one that others share: theirs may be a terminal's.
    """
    os.nice(nice)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # Another system, no such grouping, or a container that may not.
            AUTOGROUP.write_text(str(nice))
