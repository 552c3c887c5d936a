"""The variables tests run under: nothing of the machine leaks in, no secret is written down."""

from __future__ import annotations

import ast
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "config" / "settings.py"
FROM_THE_MACHINE = frozenset({"DATABASE_URL", "REDIS_URL"})  # given: tests use those servers


def declared_variables(source: Path = SETTINGS) -> set[str]:
    """Return the name of every variable that `source` reads, as env.cast("NAME") or environ.get."""
    return {
        call.args[0].value
        for call in ast.walk(ast.parse(source.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) in {"env", "os.environ"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def isolate(scratch: Path) -> None:
    """Make the process's environment a fresh installation's, with files under `scratch`."""
    for name in declared_variables() - FROM_THE_MACHINE:
        os.environ.pop(name, None)
    static = scratch / "static"
    static.mkdir()
    os.environ.update(
        CARILLON_ENV_FILES="",
        DJANGO_SETTINGS_MODULE="config.settings",
        SECRET_KEY=secrets.token_hex(32),
        CREDENTIAL_KEYS=Fernet.generate_key().decode(),
        MEDIA_ROOT=str(scratch / "media"),
        CACHE_DIR=str(scratch / "cache"),
        STATIC_ROOT=str(static),
        PRIVATE_HOSTS_ALLOWED="127.0.0.0/8,::1/128",
    )
