"""Every try to publish, in the staff console: to see what kind of error happens, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engine.admin_cells import BAD, BUSY, GOOD, NOTHING, WARN, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from engine.errors import ErrorCategory
from engine.words import duration
from platforms.registry import ADAPTERS
from scheduling.admin_filters import day_before, hour_before
from scheduling.models import PublishAttempt

TONES = {"published": GOOD, "in_flight": BUSY, "processing": BUSY, "unknown": WARN, "failed": BAD}


def failed_since(start: datetime) -> Q:
    """Tries with an error that began at or after `start` (index `attempt_error_at`)."""
    return ~Q(category="") & Q(started_at__gte=start)


class FailedFilter(admin.SimpleListFilter):
    title = "errors"
    parameter_name = "failed"
    windows: ClassVar[dict[str, tuple[str, Callable[[datetime], tuple[datetime, datetime]]]]] = {
        "past_hour": ("of the past hour", hour_before),
        "past_day": ("of the past 24 hours", day_before),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.windows.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        window = self.windows.get(self.value() or "")
        if window is None:
            return queryset
        start, _ = window[1](timezone.now())
        return queryset.filter(failed_since(start))


class ErrorFilter(admin.SimpleListFilter):
    title = "category"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(category), str(category).replace("_", " ")) for category in ErrorCategory]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(category=self.value()) if self.value() else queryset


@admin.register(PublishAttempt)
class PublishAttemptAdmin(ShownOnly, CappedAdmin):
    list_display = ("began", "how", "problem", "told", "number", "account", "its_post", "took")
    list_display_links = ("began",)
    list_select_related: ClassVar[tuple[str, ...]] = ("post__connection",)
    list_filter = (FailedFilter, ErrorFilter)
    fields = (
        "its_post",
        "account",
        "number",
        "how",
        "problem",
        "told",
        "excerpt",
        "decision",
        "reason",
        "started_at",
        "sent_at",
        "finished_at",
        "took",
        "request_id",
        "remote_ids",
        "worker",
        "fencing_token",
        "publish_run",
        "content_version",
    )

    @admin.display(description="began")
    def began(self, attempt: PublishAttempt) -> SafeString | str:
        return time_cell(attempt.started_at)

    @admin.display(description="outcome")
    def how(self, attempt: PublishAttempt) -> SafeString:
        return badge(attempt.outcome.replace("_", " "), TONES.get(attempt.outcome, WARN))

    @admin.display(description="category")
    def problem(self, attempt: PublishAttempt) -> str:
        return attempt.category.replace("_", " ") or NOTHING

    @admin.display(description="the network said")
    def told(self, attempt: PublishAttempt) -> str:
        status = f"HTTP {attempt.http_status}" if attempt.http_status else ""
        return " ".join(part for part in (status, attempt.provider_code) if part) or NOTHING

    @admin.display(description="account")
    def account(self, attempt: PublishAttempt) -> SafeString:
        connection = attempt.post.connection
        adapter = ADAPTERS.get(connection.platform)
        network = adapter.name if adapter else connection.platform
        name = connection.username or connection.external_id
        return format_html('<span class="network">{}</span> {}', network, name)

    @admin.display(description="post")
    def its_post(self, attempt: PublishAttempt) -> SafeString:
        address = reverse("admin:scheduling_scheduledpost_change", args=[attempt.post_id])
        return format_html('<a href="{}">{}</a>', address, attempt.post.get_state_display())

    @admin.display(description="took")
    def took(self, attempt: PublishAttempt) -> str:
        if attempt.finished_at is None:
            return NOTHING
        return duration(attempt.finished_at - (attempt.sent_at or attempt.started_at))
