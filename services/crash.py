"""Named places where a test may kill the process, to prove that dying there loses nothing.

`PREAU_CRASH_AT=booking.after_commit` kills at the first pass, `booking.after_commit:3` at the third. SIGKILL: no cleanup runs.
Without the setting a crash point costs one look at a global.
"""

import os
import signal

#: Every crash point of the product. A test kills a process at each.
CRASH_POINTS = (
    "intake.before_commit",
    "intake.after_commit",
    "allocator.before_commit",
    "allocator.after_commit",
    "run.before_commit",
    "run.after_commit",
    "relay.after_read",
    "relay.after_publish",
    "reaction.before_commit",
    "reaction.after_commit",
    "mailer.before_send",
    "mailer.after_send",
    "intent.before_commit",
    "intent.after_commit",
    "page.before_commit",
    "page.after_commit",
    "notice.before_commit",
    "notice.after_commit",
    "settle.before_commit",
    "settle.after_commit",
    "command.before_commit",
    "command.after_commit",
    "duty.before_commit",
    "duty.after_commit",
)

_name, _, _count = os.environ.get("PREAU_CRASH_AT", "").partition(":")
_passes_left = int(_count or 1) if _name else 0


def crash_point(name: str) -> None:
    """Die here if the process was told to."""
    global _passes_left  # noqa: PLW0603 -- one countdown per process, set once from the environment
    if name != _name:
        return
    _passes_left -= 1
    if _passes_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
