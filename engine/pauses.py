"""What is paused at this moment, read afresh by whoever is about to act: the table holds few rows.

Who pauses and resumes is told by `scheduling.pauses`; drained hosts are heeded by `engine.runner`.
"""

from __future__ import annotations

import socket

from django.db import connection
from django.db.models import QuerySet

from engine import slots, sql
from engine.models import Pause

Scope = Pause.Scope


def is_any_sending_paused() -> bool:
    """Say whether some platform or workspace is paused; asked with each claim."""
    table, host = sql.table_of(Pause), Scope.HOST.value
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE scope <> '{host}')")  # noqa: S608 - names are ours
        return bool(cursor.fetchone()[0])


def keys_of(scope: Pause.Scope) -> str:
    """Return a subquery of what is paused in `scope`, as the ids or slugs that rows carry."""
    key = "key"
    if scope == Scope.WORKSPACE:
        key = "key::uuid" if sql.is_postgresql() else "replace(key, '-', '')"
    return f"SELECT {key} FROM {sql.table_of(Pause)} WHERE scope = '{scope.value}'"  # noqa: S608 - names are ours


def not_paused(platform: str, workspace: str) -> str:
    """Return the SQL condition that neither of these expressions names something paused."""
    return (
        f"{platform} NOT IN ({keys_of(Scope.PLATFORM)}) "
        f"AND {workspace} NOT IN ({keys_of(Scope.WORKSPACE)})"
    )


def draining(host: str = "") -> QuerySet[Pause]:
    """Return why `host` (this one, if not named) is to take nothing on; empty: it works."""
    keys = [host or socket.gethostname(), Pause.ALL_HOSTS]
    return Pause.objects.filter(scope=Scope.HOST, key__in=keys)


def is_draining(host: str = "") -> bool:
    """Say whether staff have told `host` (this one, if not named) to drain."""
    return draining(host).exists()


def are_all_hosts_draining() -> bool:
    """Say whether staff have told every host with a running publisher slot to drain."""
    drained = set(Pause.objects.filter(scope=Scope.HOST).values_list("key", flat=True))
    if not drained:
        return False
    hosts = set(slots.fresh("publish").values_list("host", flat=True))
    return Pause.ALL_HOSTS in drained or (bool(hosts) and hosts <= drained)
