"""Periodic jobs declared as data: each app's `schedules.py` says what runs when.

`SCHEDULES` are synced by name into django-q2 after migrate; `SLOTS` are the long tasks that are
kept running; `BEATS` are queued by every cluster's supervisor. Whoever may edit a django-q2
Schedule may run any function, so code is the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils import timezone

PREFIX = "carillon: "


@dataclass(frozen=True, slots=True)
class EveryMinutes:
    """Run `function` (dotted path) every `minutes`."""

    name: str
    function: str
    minutes: int

    def columns(self) -> dict[str, Any]:
        """Return the django-q2 columns that say so."""
        return {"schedule_type": "I", "minutes": self.minutes}

    def first_run(self) -> datetime:
        """Return when a new schedule runs first."""
        return timezone.now()


@dataclass(frozen=True, slots=True)
class Daily:
    """Run `function` (dotted path) every day at `hour` UTC."""

    name: str
    function: str
    hour: int

    def columns(self) -> dict[str, Any]:
        """Return the django-q2 columns that say so."""
        return {"schedule_type": "D", "minutes": None}

    def first_run(self) -> datetime:
        """Return the next time the hour comes round."""
        now = datetime.now(UTC)
        today = now.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        return today if today > now else today + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SlotKind:
    """A kind of worker slot and the task (dotted path) that runs one."""

    kind: str
    function: str


@dataclass(frozen=True, slots=True)
class EverySeconds:
    """Run `function` (dotted path) about every `seconds`; once more for each running cluster."""

    function: str
    seconds: float


def sync() -> None:
    """Make django-q2's schedules equal to what the code declares; the next runs are kept."""
    from django_q.models import Schedule

    wanted = {PREFIX + item.name: item for module in _modules() for item in module.SCHEDULES}
    Schedule.objects.filter(name__startswith=PREFIX).exclude(name__in=wanted).delete()
    for name, item in wanted.items():
        fixed = {"func": item.function, "repeats": -1, "cluster": None, **item.columns()}
        Schedule.objects.update_or_create(
            name=name,
            defaults=fixed,
            create_defaults={**fixed, "next_run": item.first_run()},
        )


def slot_kinds() -> list[SlotKind]:
    """Return every kind of slot that any app declares."""
    return [slot for module in _modules() for slot in getattr(module, "SLOTS", [])]


def beats() -> list[EverySeconds]:
    """Return what the apps want done more often than django-q2's schedules can."""
    return [beat for module in _modules() for beat in getattr(module, "BEATS", [])]


def slot_timeout() -> int:
    """Return the task timeout of a slot in seconds: its longest run, its drain, and a margin."""
    return int(settings.Q_CLUSTER["timeout"])


def _modules() -> Iterator[ModuleType]:
    for config in apps.get_app_configs():
        ours = config.path.startswith(str(settings.BASE_DIR)) and config.name != "engine"
        if ours and find_spec(f"{config.name}.schedules"):
            yield import_module(f"{config.name}.schedules")
