"""Where things lie: the checkout, the installation's data, the files that set variables."""

from __future__ import annotations

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").absolute()
EMBEDDED_ENV = VAR_DIR / "embedded.env"  # secrets that `manage.py run` made for itself
RUNNING_ENV = VAR_DIR / "running.env"  # addresses of a `run` that is going on


def environment_files() -> list[Path]:
    """Return the files that set variables, first wins; CARILLON_ENV_FILES names others, or none."""
    names = os.environ.get("CARILLON_ENV_FILES", f".env:{EMBEDDED_ENV}").split(":")
    return [BASE_DIR / name for name in names if name and (BASE_DIR / name).is_file()]
