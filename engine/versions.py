"""Which versions run here: Carillon's own, the interpreter's, those of what it stands on."""

from __future__ import annotations

import platform
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

from django.conf import settings
from django.db import connection

STANDS_ON = ("Django", "django-q2", "djangorestframework", "psycopg", "aiohttp", "cryptography")


@cache
def carillon_version() -> str:
    """Return the version in pyproject.toml, or "unknown" where that file was left behind."""
    try:
        with (Path(settings.BASE_DIR) / "pyproject.toml").open("rb") as file:
            return str(tomllib.load(file)["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"


def versions() -> dict[str, str]:
    """Return name and version of each part, the database server's included."""
    found = {"carillon": carillon_version(), "python": platform.python_version()}
    for name in STANDS_ON:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        number = connection.pg_version  # type: ignore[attr-defined]
        found["database"] = f"PostgreSQL {number // 10000}.{number % 10000}"
    else:
        found["database"] = connection.display_name
    return found
