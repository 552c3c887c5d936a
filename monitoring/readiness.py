"""Can posts go out right now? Each check has a deadline, and a failed one has a name.

Two questions are asked side by side, each on a thread of its own: one to the database, one to the
broker. Whoever has not answered after DEADLINE_SECONDS counts as away; what only the database could
tell is then not judged. What is found holds for a second: probes come from many places.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Q, Sum

from engine import slots, sql
from engine.clock import database_now
from engine.models import Installation
from engine.pauses import are_all_hosts_draining
from monitoring.asking import Question, TookTooLong
from monitoring.due import oldest_due_age, stopped_on_purpose

log = logging.getLogger("carillon.monitoring")

DEADLINE_SECONDS = 1.5
STATEMENT_MS = 1000
REMEMBERED_SECONDS = 1.0
MIGRATED_SECONDS = 15.0  # reading all migrations' files takes a moment; they rarely go away


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, whether all is well, and a sentence for people."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What the database says of the machinery, failing or not."""

    slots: int = 0
    wanted: int = 0
    active: int = 0
    paused: bool = False
    draining: bool = False
    stopped: str = ""  # what staff did so that nothing is sent (see monitoring.due)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Every check, and what is shown beside them."""

    checks: list[Check] = field(default_factory=list)
    machine: Machine = field(default_factory=Machine)

    @property
    def failed(self) -> list[str]:
        """Return the names of the checks that failed."""
        return [check.name for check in self.checks if not check.ok]

    def says(self, name: str) -> bool:
        """Say whether the check called `name` was made and is well."""
        return any(check.ok for check in self.checks if check.name == name)


_lock = threading.Lock()
_remembered: tuple[float, Readiness] | None = None
_migrated_at = float("-inf")


def examine() -> Readiness:
    """Return how it is, in less than two seconds whatever hangs."""
    global _remembered
    found = _remembered
    if found is not None and time.monotonic() - found[0] < REMEMBERED_SECONDS:
        return found[1]
    until = time.monotonic() + DEADLINE_SECONDS
    asked = [(question, question.begin()) for question in (_database, _broker)]
    checks: list[Check] = []
    machine = Machine()
    for question, answer in asked:
        try:
            said, its_machine = answer.result(max(0.0, until - time.monotonic()))
            checks += said
            machine = its_machine or machine
        except TookTooLong:
            checks.append(Check(question.name, False, f"No answer within {DEADLINE_SECONDS:g} s."))
        except Exception as error:
            log.exception("readiness.failed", extra={"check": question.name})
            checks.append(Check(question.name, False, f"It failed: {type(error).__name__}."))
    readiness = Readiness(checks, machine)
    with _lock:
        _tell(readiness, found[1] if found else Readiness())
        _remembered = (time.monotonic(), readiness)
    return readiness


def _tell(now: Readiness, before: Readiness) -> None:
    """Log what has changed since this process looked last."""
    if now.failed and now.failed != before.failed:
        log.warning("readiness.lost", extra={"failed": now.failed})
    elif before.failed and not now.failed:
        log.warning("readiness.regained", extra={"failed": before.failed})


def forget() -> None:
    """Make the next examination a new one."""
    global _remembered, _migrated_at
    _remembered, _migrated_at = None, float("-inf")


# --- the broker -----------------------------------------------------------------------------
def _ask_broker() -> tuple[list[Check], None]:
    if not settings.REDIS_URL:
        return [Check("broker", True, "The database is the broker.")], None
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        return [Check("broker", False, f"Redis cannot be reached: {type(error).__name__}.")], None
    finally:
        client.close()
    return [Check("broker", True, "Redis answers.")], None


# --- the database ---------------------------------------------------------------------------
def _ask_database() -> tuple[list[Check], Machine | None]:
    try:
        connection.ensure_connection()
        if sql.is_postgresql():
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {STATEMENT_MS}")
        else:
            database_now()
    except DatabaseError as error:
        why = f"It cannot be reached: {type(error).__name__}."
        return [Check("database", False, why)], None
    checks = [Check("database", True, "It answers.")]
    checks += _made("migrations", _check_migrations)
    if not checks[-1].ok:
        return checks, None  # its tables may not be there
    try:
        machine = _look_at_machine()
    except DatabaseError as error:
        why = f"It broke off: {type(error).__name__}."
        return [Check("database", False, why), *checks[1:]], None
    checks += _made("clock", _check_clock)
    checks += _made("slots", lambda: _check_slots(machine))
    checks += _made("canary", _check_canary)
    checks += _made("overdue", lambda: _check_overdue(machine))
    return checks, machine


def _made(name: str, check: Callable[[], Check]) -> Iterator[Check]:
    """Yield what a check found; one that could not be made has failed."""
    try:
        yield check()
    except DatabaseError as error:
        yield Check(name, False, f"It could not be looked at: {type(error).__name__}.")


def _check_migrations() -> Check:
    global _migrated_at
    if time.monotonic() - _migrated_at > MIGRATED_SECONDS:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return Check(
                "migrations",
                False,
                f"{len(missing)} are not applied: run `python manage.py migrate`.",
            )
        _migrated_at = time.monotonic()
    return Check("migrations", True, "All are applied.")


def _look_at_machine() -> Machine:
    here = Installation.objects.filter(pk=1).first()
    fresh = slots.fresh("publish").aggregate(
        number=Count("pk"), retiring=Count("pk", filter=Q(retiring=True)), active=Sum("in_flight")
    )
    is_retiring = 0 < fresh["number"] == fresh["retiring"]
    return Machine(
        slots=fresh["number"],
        wanted=slots.wanted("publish"),
        active=fresh["active"] or 0,
        paused=bool(here and here.paused),
        draining=is_retiring or are_all_hosts_draining(),
        stopped=stopped_on_purpose(here),
    )


def _check_clock() -> Check:
    before = time.time()
    theirs = database_now().timestamp()
    offset = theirs - (before + time.time()) / 2
    message = f"This host's clock is {abs(offset):.3f} s from the database's."
    return Check("clock", abs(offset) <= settings.READY_CLOCK_OFFSET.total_seconds(), message)


def _check_slots(machine: Machine) -> Check:
    message = f"{machine.slots} of {machine.wanted} publisher slots are fresh."
    return Check("slots", machine.slots > 0 or machine.wanted == 0, message)


def _check_canary() -> Check:
    here = Installation.objects.filter(pk=1).first()
    if here is None or here.canary_at is None:
        return Check("canary", False, "The queue has never run a task.")
    age = database_now() - here.canary_at
    message = f"The queue ran a task {max(0.0, age.total_seconds()):.0f} s ago."
    return Check("canary", age <= settings.READY_CANARY, message)


def _check_overdue(machine: Machine) -> Check:
    age = oldest_due_age()
    message = f"The oldest due post has waited {age.total_seconds():.0f} s."
    if machine.stopped:
        return Check("overdue", True, f"{machine.stopped}, so posts may wait. {message}")
    return Check("overdue", age <= settings.READY_OVERDUE, message)


_database = Question("database", _ask_database)
_broker = Question("broker", _ask_broker)
