"""A question with a deadline: asked on a thread of its own, so that whoever hangs delays nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")


class Question(Generic[T]):
    """Asks `ask` on a thread; while one still hangs, no second one is started."""

    def __init__(self, name: str, ask: Callable[[], T]) -> None:
        self.name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._asked: Future[T] | None = None

    def begin(self) -> Future[T]:
        """Ask, or join whoever is asking already; see `Future.result` for the answer."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                name = f"question-{self.name}"
                threading.Thread(
                    target=self._answer, args=(self._asked,), name=name, daemon=True
                ).start()
            return self._asked

    def _answer(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 - handed to whoever asked
            asked.set_exception(error)
        finally:
            connections.close_all()  # this thread's own


__all__ = ["Question", "TookTooLong"]
