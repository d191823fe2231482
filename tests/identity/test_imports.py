"""The schema can be made whatever of it was imported first."""

import subprocess
import sys


def test_types_before_refusals() -> None:
    """An enum that strawberry meets in a type before it is named would be another one."""
    subprocess.run([sys.executable, "-c", "import services.identity.types, services.identity.schema"], check=True, timeout=120)
