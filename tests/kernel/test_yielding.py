"""Who gives way really does, also where Linux shares time between sessions first."""

import subprocess
import sys

import pytest

from services.yielding import AUTOGROUP

SAY = """import os; from services.yielding import *
before = os.nice(0), AUTOGROUP.read_text()
give_way(7)
print(os.nice(0) - before[0], "other" if AUTOGROUP.read_text() != before[1] else "same")"""


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="time is not shared between sessions here")
@pytest.mark.parametrize(("own_session", "expected"), [(True, "7 other"), (False, "7 same")])
def test_a_session_of_its_own_goes_behind_with_the_process_and_no_other_does(own_session: bool, expected: str) -> None:
    said = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True, start_new_session=own_session)
    assert said.stdout.strip() == expected
