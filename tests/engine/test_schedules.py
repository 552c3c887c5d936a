"""Periodic jobs come from code: what it declares is what django-q2 runs; others are left alone."""

from __future__ import annotations

import pydoc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import Schedule

from engine import schedules
from engine.schedules import PREFIX, Daily, EveryMinutes, sync

pytestmark = pytest.mark.django_db

Declare = Callable[[Sequence[EveryMinutes | Daily]], None]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Declare other schedules than the apps do."""
    Schedule.objects.all().delete()  # what migrate synced

    def declared(items: Sequence[EveryMinutes | Daily]) -> None:
        module = SimpleNamespace(SCHEDULES=list(items))
        monkeypatch.setattr(schedules, "_modules", lambda: iter([module]))
        sync()

    return declared


def test_migrate_has_synced_what_the_apps_declare() -> None:
    declared = {PREFIX + item.name for module in schedules._modules() for item in module.SCHEDULES}
    assert f"{PREFIX}look-ahead" in declared
    assert set(Schedule.objects.values_list("name", flat=True)) == declared


def test_everything_declared_can_be_imported_and_called() -> None:
    paths = [item.function for module in schedules._modules() for item in module.SCHEDULES]
    paths += [slot.function for slot in schedules.slot_kinds()]
    assert "scheduling.tasks.run_publisher_slot" in paths
    assert all(callable(pydoc.locate(path)) for path in paths)


def test_a_new_schedule_is_added(declare: Declare) -> None:
    declare([EveryMinutes("one", "a.b", minutes=5), Daily("two", "c.d", hour=3)])
    one = Schedule.objects.get(name=f"{PREFIX}one")
    assert (one.func, one.schedule_type, one.minutes, one.repeats) == ("a.b", "I", 5, -1)
    assert one.next_run <= timezone.now()
    two = Schedule.objects.get(name=f"{PREFIX}two")
    assert (two.schedule_type, two.minutes) == ("D", None)
    assert two.next_run.hour == 3
    assert timezone.now() < two.next_run <= timezone.now() + timedelta(days=1)


def test_a_change_is_taken_over_and_the_next_run_kept(declare: Declare) -> None:
    declare([EveryMinutes("one", "a.b", minutes=5)])
    moment = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)
    Schedule.objects.update(next_run=moment, func="somebody.edited.this")
    declare([EveryMinutes("one", "x.y", minutes=7)])
    one = Schedule.objects.get()
    assert (one.func, one.minutes, one.next_run) == ("x.y", 7, moment)


def test_what_is_no_longer_declared_goes_and_foreign_schedules_stay(declare: Declare) -> None:
    foreign = Schedule.objects.create(name="theirs", func="a.b", minutes=1, schedule_type="I")
    declare([EveryMinutes("one", "a.b", minutes=5)])
    declare([])
    assert list(Schedule.objects.all()) == [foreign]


def test_syncing_twice_changes_nothing(declare: Declare) -> None:
    def rows() -> list[dict[str, Any]]:
        return list(Schedule.objects.order_by("name").values())

    items = [EveryMinutes("one", "a.b", minutes=5), Daily("two", "c.d", hour=0)]
    declare(items)
    before = rows()
    declare(items)
    assert rows() == before


def test_a_slot_s_task_may_run_longer_than_its_longest_run_and_drain(settings: Any) -> None:
    longest = settings.SLOT_RUN * 1.3 + settings.SHUTDOWN_GRACE
    assert timedelta(seconds=schedules.slot_timeout()) > longest
    assert settings.Q_CLUSTER["retry"] > settings.Q_CLUSTER["timeout"]
