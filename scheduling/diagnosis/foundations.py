"""What everything stands on: settings, database, broker, cache, the media directory."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from django.conf import settings
from django.core import checks
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django_q.brokers import get_broker

from engine import sql
from scheduling.diagnosis.findings import Finding, fail, ok, reason, warn

CLOCK_OFFSET_SECONDS = 2.0


def check_settings() -> Iterator[Finding]:
    """Run Carillon's own system checks: durations, keys, secrets."""
    problems = checks.run_checks(tags=["carillon"], include_deployment_checks=False)
    for problem in problems:
        yield fail("settings", str(problem.msg), str(problem.hint or ""))
    if not problems:
        yield ok("settings", "Durations and keys fit together.")
    if settings.DEBUG and not settings.USES_SQLITE:
        yield warn("settings", "DEBUG is on, so visitors see tracebacks.", "Take DEBUG out.")


def database_is_ready() -> bool:
    """Say whether the database answers and has this version's tables."""
    try:
        return not _unapplied()
    except DatabaseError:
        return False


def check_database() -> Iterator[Finding]:
    """Connect, and look whether the tables are those of this version."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield fail("database", f"It cannot be reached: {reason(error)}.", "Look at DATABASE_URL.")
        return
    yield ok("database", f"{connection.display_name} answers.")
    if missing := _unapplied():
        yield fail(
            "migrations",
            f"{len(missing)} are not applied, the first is {missing[0]}.",
            "Run `python manage.py migrate`.",
        )
    else:
        yield ok("migrations", "All are applied.")


def check_clock() -> Iterator[Finding]:
    """Compare this host's clock with the database's, by which posts are due."""
    if not sql.is_postgresql():
        yield ok("clock", "The database runs on this host's clock.")
        return
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (theirs,) = cursor.fetchone()
    offset = theirs - (before + time.time()) / 2
    if abs(offset) <= CLOCK_OFFSET_SECONDS:
        yield ok("clock", f"It is {abs(offset) * 1000:.0f} ms from the database's.")
    else:
        where = "behind" if offset > 0 else "ahead of"
        yield warn(
            "clock",
            f"This host is {abs(offset):.1f} s {where} the database. Posts still go out on the "
            "database's clock, but signatures and logs carry this one.",
            "Synchronise the clocks (NTP).",
        )


def check_broker() -> Iterator[Finding]:
    """Ask the queue's broker."""
    if not settings.REDIS_URL:
        yield ok("broker", "The database is the broker (REDIS_URL is empty).")
        return
    try:
        get_broker().ping()
    except redis.RedisError as error:
        yield fail("broker", f"Redis cannot be reached: {reason(error)}.", "Look at REDIS_URL.")
        return
    yield ok("broker", "Redis answers.")
    with contextlib.suppress(redis.RedisError):  # a managed Redis may forbid the question
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
        with contextlib.closing(client):
            if client.config_get("appendonly").get("appendonly") == "no":
                yield warn(
                    "broker",
                    "Redis keeps nothing over a restart; no post is lost by that, but waking up "
                    "takes longer.",
                    "Switch on appendonly.",
                )


def check_cache() -> Iterator[Finding]:
    """Write, read and delete one entry."""
    variable = "REDIS_URL" if settings.REDIS_URL else "CACHE_DIR"
    name, value = f"doctor-{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        cache.set(name, value, timeout=30)
        works = cache.get(name) == value
        cache.delete(name)
    except (redis.RedisError, OSError) as error:
        yield fail("cache", f"It does not work: {reason(error)}.", f"Look at {variable}.")
        return
    if works:
        yield ok("cache", "It keeps what it is given.")
    else:
        yield fail("cache", "It forgets what it was just given.", f"Look at {variable}.")


def check_media() -> Iterator[Finding]:
    """Write a file where media are kept."""
    directory = Path(settings.MEDIA_ROOT)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-"):
            pass
    except OSError as error:
        yield fail(
            "media", f"{directory} cannot be written: {error.strerror}.", "Look at MEDIA_ROOT."
        )
        return
    yield ok("media", f"{directory} can be written.")


def _unapplied() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
