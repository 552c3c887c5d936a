"""Probes asked on the test's own thread, whose transaction the rows are in."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from monitoring import readiness, views
from monitoring.asking import Question


def ask_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let /ready and /metrics ask no thread of their own."""
    readiness.forget()

    class Here(Question[Any]):
        def begin(self) -> Any:
            answer: Future[Any] = Future()
            answer.set_result(self._ask())
            return answer

    for module, names in (
        (readiness, ("_database", "_broker")),
        (views, ("_text", "_openmetrics")),
    ):
        for name in names:
            found = getattr(module, name)
            monkeypatch.setattr(module, name, Here(found.name, found._ask))
