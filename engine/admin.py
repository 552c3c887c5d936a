"""The engine's rows in the staff console; what django-q2 registers by itself goes.

Whoever may add a q2 Schedule may run any function, so its pages are read-only here, and for
superusers only.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django_q import admin as q2_admin
from django_q.models import Failure, OrmQ, Schedule, Success

from engine.admin_cells import BAD, GOOD, MUTED, WAIT, WARN, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from engine.models import Pause, WorkerSlot


class FreshFilter(admin.SimpleListFilter):
    title = "heartbeat"
    parameter_name = "fresh"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "fresh"), ("no", "silent or stopped")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since = timezone.now() - settings.SLOT_TIME_TO_LIVE
        alive = {"stopped_at__isnull": True, "heartbeat_at__gt": since}
        if self.value() == "yes":
            return queryset.filter(**alive)
        return queryset.exclude(**alive) if self.value() == "no" else queryset


@admin.register(WorkerSlot)
class WorkerSlotAdmin(ShownOnly, CappedAdmin):
    list_display = (
        "condition",
        "kind",
        "host",
        "pid",
        "started",
        "heartbeat",
        "in_flight",
        "claimed",
    )
    list_display_links = ("condition",)
    list_filter = (FreshFilter, "kind")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the slots, each with whether staff let its host drain."""
        drained = Pause.objects.filter(
            Q(key=OuterRef("host")) | Q(key=Pause.ALL_HOSTS), scope=Pause.Scope.HOST
        )
        slots: QuerySet[Any] = super().get_queryset(request).annotate(is_drained=Exists(drained))
        return slots

    @admin.display(description="condition")
    def condition(self, slot: WorkerSlot) -> SafeString:
        if slot.stopped_at is not None:
            return badge("stopped", MUTED)
        if slot.heartbeat_at < timezone.now() - settings.SLOT_TIME_TO_LIVE:
            return badge("silent", BAD)
        if getattr(slot, "is_drained", False):
            busy = slot.in_flight or slot.claimed
            return badge("draining", WAIT) if busy else badge("drained", WARN)
        return badge("retiring", WAIT) if slot.retiring else badge("fresh", GOOD)

    @admin.display(description="started")
    def started(self, slot: WorkerSlot) -> SafeString | str:
        return time_cell(slot.started_at)

    @admin.display(description="last heartbeat")
    def heartbeat(self, slot: WorkerSlot) -> SafeString | str:
        return time_cell(slot.heartbeat_at, with_distance=True)


class ForSuperusers(ShownOnly, CappedAdmin):
    """Read-only, and only for superusers."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)


class ScheduleAdmin(ForSuperusers):
    list_display = ("name", "func", "schedule_type", "minutes", "cron", "next_run", "cluster")
    fields = list_display


class FailureAdmin(ForSuperusers):
    list_display = ("name", "func", "started", "stopped", "cluster")
    fields = (*list_display, "result")
    ordering = ("-stopped",)


_site = q2_admin.admin.site  # importing q2's own pages registers them, so that they can go
for _model in (Failure, OrmQ, Schedule, Success):
    if _site.is_registered(_model):
        _site.unregister(_model)
admin.site.register(Schedule, ScheduleAdmin)
admin.site.register(Failure, FailureAdmin)
