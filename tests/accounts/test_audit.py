from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.audit import record
from accounts.models import AppendOnly, AuditEvent, Workspace

INSERT = (
    "INSERT INTO accounts_auditevent (id, actor, action, target, reason, detail, at) VALUES "
    "('01900000-0000-7000-8000-000000000001', 'system', 'a.b', 'c:1', '', '{}', CURRENT_TIMESTAMP)"
)


@pytest.fixture(scope="module")
def sqlite(django_db_setup: None, django_db_blocker: object) -> Iterator[BaseDatabaseWrapper]:
    """Give a second database, SQLite in memory, with the accounts tables migrated for real."""
    connections.databases["lite"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {},
        "CONN_HEALTH_CHECKS": False,
        "CONN_MAX_AGE": 0,
    }
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        call_command("migrate", "accounts", database="lite", verbosity=0)
        yield connections["lite"]
        connections["lite"].connection.close()  # Django's own close() spares databases in memory
    del connections["lite"]
    del connections.databases["lite"]


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> BaseDatabaseWrapper:
    if request.param == "sqlite":
        wrapper: BaseDatabaseWrapper = request.getfixturevalue("sqlite")
    else:
        request.getfixturevalue("db")
        wrapper = connections["default"]
    assert wrapper.vendor == request.param
    return wrapper


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts_auditevent SET actor = 'x'", "DELETE FROM accounts_auditevent"]
)
def test_the_database_refuses_to_change_an_audit_event(
    database: BaseDatabaseWrapper, statement: str
) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_auditevent")
        if cursor.fetchone()[0] == 0:
            cursor.execute(INSERT)
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(using=database.alias),
        ):
            cursor.execute(statement)
        cursor.execute("SELECT actor FROM accounts_auditevent")
        assert cursor.fetchall() == [("system",)]


def test_the_model_refuses_before_the_database_does(workspace: Workspace) -> None:
    event = record(actor="system", action="a.b", target="c:1", workspace=workspace)
    event.actor = "somebody else"
    for attempt in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(actor="somebody else"),
    ):
        with pytest.raises(AppendOnly):
            attempt()
    assert AuditEvent.objects.get().actor == "system"
