"""Ids: nobody guesses one, none comes twice, also where a process is forked."""

import subprocess
import sys

from services.saying import CHANCES, new_id

#: Both tell what they draw, once some are in stock. In a process of its own: this one has threads.
FORKED = """
import os
from services.saying import new_id
new_id()
child = os.fork()
for _ in range(5):
    os.write(1, f"{new_id()[12:]}\\n".encode())  # at once, or the two would write into each other's lines
if child:
    os.waitpid(child, 0)
"""


def test_ids_are_all_different_and_begin_with_the_time() -> None:
    ids = [new_id() for _ in range(3 * CHANCES)]
    assert len(set(ids)) == len(ids)
    assert {len(one) for one in ids} == {32}
    assert all(int(one, 16) >= 0 for one in ids)
    assert ids[0][:12] <= ids[-1][:12]


def test_a_forked_process_draws_its_own() -> None:
    told = subprocess.run([sys.executable, "-c", FORKED], check=True, capture_output=True, text=True).stdout.split()
    assert len(told) == len(set(told)) == 10
