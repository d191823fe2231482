"""The gateway starts within 1.5 s and takes little memory: it imports nothing that only others need."""

import subprocess
import sys

#: Some twenty megabytes, and as long to import as all the rest together.
OTHERS = ("sqlalchemy", "strawberry", "jinja2", "httpx2", "joserfc")
START = f"""
import sys
import deploy.cli
from deploy.serving import application
from services.settings import Settings
application("gateway", Settings.from_environment(dict()))
print([name for name in {OTHERS} if name in sys.modules])
"""


def test_the_gateway_imports_nothing_that_only_others_need() -> None:
    started = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)

    assert started.stdout.strip() == "[]"
