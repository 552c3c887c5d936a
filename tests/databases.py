"""Fresh, migrated databases for tests whose processes need committed data; made by copying."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.environment import ROOT


def with_database(url: str, name: str) -> str:
    """Return `url` with another database name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def url_of(settings: Mapping[str, Any]) -> str:
    """Return the DATABASE_URL of one entry of Django's DATABASES (PostgreSQL)."""
    query = {
        "user": settings["USER"],
        "password": settings["PASSWORD"],
        "host": settings["HOST"] or settings["OPTIONS"].get("host", ""),
        "port": settings["PORT"],
    }
    given = urlencode({name: value for name, value in query.items() if value})
    return f"postgresql:///{settings['NAME']}?{given}"


def migrate(env: Mapping[str, str]) -> None:
    """Bring the database of `env` up to date, as a deployment does."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=env, cwd=ROOT, check=True
    )


class PostgreSQLDatabases:
    """Makes databases on one server from a template that is migrated once."""

    def __init__(self, url: str, env: Mapping[str, str]) -> None:
        self.url = url
        self.env = env
        self.made = 0
        self.prefix = f"carillon_{id(self):x}"
        self.template = ""

    def create(self) -> str:
        """Return the URL of a new migrated database."""
        if not self.template:
            self.template = f"{self.prefix}_template"
            self._execute("CREATE DATABASE {}", self.template)
            migrate({**self.env, "DATABASE_URL": with_database(self.url, self.template)})
        return self._copy_of(self.template)

    def copy(self, url: str) -> str:
        """Return the URL of a copy of a database that nobody is connected to."""
        return self._copy_of(urlsplit(url).path[1:])

    def drop(self, url: str) -> None:
        """Drop a database, ending its sessions."""
        self._execute("DROP DATABASE {} WITH (FORCE)", urlsplit(url).path[1:])

    def close(self) -> None:
        """Drop the template."""
        if self.template:
            self._execute("DROP DATABASE {} WITH (FORCE)", self.template)

    def _copy_of(self, template: str) -> str:
        self.made += 1
        name = f"{self.prefix}_{self.made}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return with_database(self.url, name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class SQLiteDatabases:
    """Makes SQLite files by copying one that is migrated once."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self.template = directory / "template.sqlite3"
        self.env = env

    def create(self, path: Path) -> str:
        """Return the URL of a new migrated database at `path`."""
        if not self.template.exists():
            migrate({**self.env, "DATABASE_URL": f"sqlite:///{self.template}"})
        for part in self.template.parent.glob(f"{self.template.name}*"):  # the write-ahead log too
            shutil.copy(part, path.with_name(part.name.replace(self.template.name, path.name)))
        return f"sqlite:///{path}"
