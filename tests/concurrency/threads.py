"""Threads with database sessions of their own, started together or made to wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from django.db import connection, connections, transaction

from tests.processes import wait_until

T = TypeVar("T")


def own_session(function: Callable[[], T]) -> Callable[[], T]:
    """Return `function` closing the database sessions of its thread at the end."""

    def run() -> T:
        try:
            return function()
        finally:
            connections.close_all()

    return run


def together(functions: Sequence[Callable[[], T]]) -> list[T]:
    """Run all functions at once, each in a thread, and return their answers in order."""
    start = threading.Barrier(len(functions))

    def wait_and_run(function: Callable[[], T]) -> T:
        start.wait(10)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        running = [pool.submit(own_session(lambda f=f: wait_and_run(f))) for f in functions]  # type: ignore[misc]
        return [each.result(30) for each in running]


@contextmanager
def behind(first: Callable[[], object], second: Callable[[], T]) -> Iterator[Future[T]]:
    """Do `first` in an open transaction, let `second` run into its locks, then commit.

    The block sees both done; ask the yielded future for the answer of `second`.
    """
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            running = pool.submit(own_session(second))
            wait_until(_somebody_waits, seconds=10, what="the second one's wait for the first")
        running.exception(20)
        yield running


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"  # pg_stat_activity would stand still
        )
        return bool(cursor.fetchone()[0])
