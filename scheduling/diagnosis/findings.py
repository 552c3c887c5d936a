"""One line of the doctor's report; and one broken check hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # publishing works; somebody should look
    FAIL = "FAIL"  # posts do not go out, or will not


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw. `name` is stable; `remedy` says what to do and names the variable."""

    level: Level
    name: str
    sentence: str
    remedy: str = ""

    def __str__(self) -> str:
        words = f"{self.sentence} {self.remedy}".strip()
        return f"{self.level.value:<4} {self.name}: {words}"


Check = Callable[[], Iterable[Finding]]


def ok(name: str, sentence: str) -> Finding:
    """Return a good finding."""
    return Finding(Level.OK, name, sentence)


def warn(name: str, sentence: str, remedy: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(Level.WARN, name, sentence, remedy)


def fail(name: str, sentence: str, remedy: str) -> Finding:
    """Return a finding that keeps posts from going out."""
    return Finding(Level.FAIL, name, sentence, remedy)


def examine(checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """Run (name, check) pairs in order; a check that breaks is itself a finding."""
    for name, check in checks:
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - a report with a hole is worth more than none
            yield fail(name, f"{type(error).__name__} during the check: {reason(error)}.", "")


def reason(error: Exception) -> str:
    """Return the first line of an error's message, without its full stop."""
    return (str(error).strip().splitlines() or [""])[0].rstrip(".")[:200]
