"""Where Chromium is: of Debian's packages chromium-headless-shell, which takes a third of the time, or chromium. Nothing is downloaded."""

import os
import shutil

CHROMIUM = os.environ.get("PREAU_CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
ABSENT = "no Chromium: apt-get install chromium-headless-shell, or PREAU_CHROMIUM=/where/it/is"
