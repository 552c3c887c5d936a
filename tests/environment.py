"""The variables tests run under: nothing of the machine leaks in, no secret is written down."""

from __future__ import annotations

import ast
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parent.parent
READERS = (
    ROOT / "config" / "settings.py",
    ROOT / "config" / "paths.py",
    ROOT / "engine" / "crash_points.py",
    ROOT / "engine" / "management" / "commands" / "qcluster.py",
)
FROM_THE_MACHINE = frozenset({"DATABASE_URL", "REDIS_URL"})  # given: tests use those servers


def declared_variables() -> dict[str, list[object]]:
    """Return every variable the code reads, env.cast("NAME") or os.environ.get("NAME").

    The values are the constant defaults given; a computed default does not appear.
    """
    found: dict[str, list[object]] = {}
    for call in (node for path in READERS for node in ast.walk(ast.parse(path.read_text()))):
        if (
            isinstance(call, ast.Call)
            and ast.unparse(call.func).rpartition(".")[0] in {"env", "os.environ"}
            and call.args
            and isinstance(call.args[0], ast.Constant)
        ):
            given = [item.value for item in call.keywords if item.arg == "default"]
            constants = [item.value for item in given if isinstance(item, ast.Constant)]
            found.setdefault(str(call.args[0].value), []).extend(constants)
    return found


def isolate(scratch: Path) -> None:
    """Make the process's environment a fresh installation's, with files under `scratch`."""
    for name in declared_variables().keys() - FROM_THE_MACHINE:
        os.environ.pop(name, None)
    static = scratch / "static"
    static.mkdir()
    os.environ.update(
        CARILLON_ENV_FILES="",
        DJANGO_SETTINGS_MODULE="config.settings",
        HEALTH_CHECK_ENABLED="0",  # workers of tests run side by side: one port would not do
        SECURE_COOKIES="0",  # the test servers speak plain HTTP
        API_REQUESTS_PER_MINUTE_AND_ADDRESS="0",  # all tests come from one address
        SECRET_KEY=secrets.token_hex(32),
        CREDENTIAL_KEYS=Fernet.generate_key().decode(),
        MEDIA_ROOT=str(scratch / "media"),
        CACHE_DIR=str(scratch / "cache"),
        STATIC_ROOT=str(static),
        PRIVATE_HOSTS_ALLOWED="127.0.0.0/8,::1/128",
    )
