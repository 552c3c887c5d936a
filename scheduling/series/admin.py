"""Series and queue slots in the staff console: what comes next, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from engine import rights
from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin
from engine.admin_cells import BAD, GOOD, MUTED, NOTHING, WAIT, WARN, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from platforms.registry import ADAPTERS
from scheduling.admin_filters import WorkspaceFilter
from scheduling.queue_slots.models import PostQueue
from scheduling.queue_slots.services import coming_slots
from scheduling.series import forecast, services
from scheduling.series.models import (
    OccurrenceState,
    PostSeries,
    SeriesOccurrence,
    SeriesState,
    SeriesTarget,
)

TONES = {SeriesState.ACTIVE: GOOD, SeriesState.PAUSED: WARN, SeriesState.ENDED: MUTED}
OCCURRENCE_TONES = {
    OccurrenceState.PLANNED: WAIT,
    OccurrenceState.SKIPPED: MUTED,
    OccurrenceState.WITHDRAWN: MUTED,
    OccurrenceState.MISSED: BAD,
}
EXCERPT_CHARS = 60
ACCOUNTS_SHOWN = 3
MISSED_SHOWN = 20


def _runs(service: Callable[..., object]) -> Callable[[UUID, str, Mapping[str, Any]], object]:
    def run(pk: UUID, actor: str, answers: Mapping[str, Any]) -> object:
        return service(pk, actor=actor, reason=answers["reason"])

    return run


def _refusal(series: PostSeries, *needed: SeriesState) -> str:
    return "" if series.state in needed else f"it is {series.get_state_display()}"


@admin.register(PostSeries)
class PostSeriesAdmin(ShownOnly, CappedAdmin, ConfirmedActionsAdmin):
    change_form_template = "admin/scheduling/postseries/change_form.html"
    list_display = ("state_badge", "title", "recurs", "accounts", "next_occurrence", "workspace")
    list_display_links = ("title",)
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace",)
    list_filter = ("state", WorkspaceFilter)
    search_fields = ("name", "rule")
    fields = (
        "state_badge",
        "state_reason",
        "recurs",
        "starts",
        "accounts",
        "text",
        "first_comment",
        "options",
        "priority",
        "late_policy",
        "late_limit_minutes",
        "workspace",
        "split_from",
        "version",
        "settled_version",
        "next_at",
        "created_by",
        "written_by",
        "created_at",
        "updated_at",
    )
    confirmed_actions = (
        ConfirmedAction(
            name="pause",
            permission=rights.CHANGE_SERIES,
            label="Pause series",
            button="Pause",
            done="paused",
            consequence="Their posts to come are withdrawn until somebody resumes them.",
            run=_runs(services.pause_series),
            refusal=lambda series: _refusal(series, SeriesState.ACTIVE),
        ),
        ConfirmedAction(
            name="resume",
            permission=rights.CHANGE_SERIES,
            label="Resume series",
            button="Resume",
            done="resumed",
            consequence=(
                "Their posts to come are put back. What passed during the pause is not made up for."
            ),
            run=_runs(services.resume_series),
            refusal=lambda series: _refusal(series, SeriesState.PAUSED),
        ),
        ConfirmedAction(
            name="end",
            permission=rights.CHANGE_SERIES,
            label="End series",
            button="End",
            done="ended",
            consequence="Their posts to come are cancelled; what was published stays.",
            warning="An ended series cannot be resumed. To stop it for a while, pause it.",
            run=_runs(services.end_series),
            refusal=lambda series: _refusal(series, SeriesState.ACTIVE, SeriesState.PAUSED),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the series with their accounts, read by two queries for the page."""
        return super().get_queryset(request).prefetch_related("targets__connection")

    def describe(self, obj: PostSeries) -> SafeString:
        return format_html("{} <b>{}</b> {}", self.state_badge(obj), self.title(obj), obj.rule)

    @admin.display(description="state")
    def state_badge(self, series: PostSeries) -> SafeString:
        return badge(series.get_state_display(), TONES[SeriesState(series.state)])

    @admin.display(description="series")
    def title(self, series: PostSeries) -> str:
        text = str(series.segments[0].get("text", "")) if series.segments else ""
        return series.name or Truncator(text).chars(EXCERPT_CHARS) or "(no text)"

    @admin.display(description="recurs")
    def recurs(self, series: PostSeries) -> SafeString:
        return format_html('{} <span class="second">{}</span>', series.rule, series.time_zone)

    @admin.display(description="accounts")
    def accounts(self, series: PostSeries) -> SafeString | str:
        targets = list(series.targets.all())
        shown = [_account(target) for target in targets[:ACCOUNTS_SHOWN]]
        more = len(targets) - len(shown)
        names = format_html_join(", ", '<span class="network">{}</span> {}', shown)
        return format_html("{} and {} more", names, more) if more else names or NOTHING

    @admin.display(description="next occurrence (UTC)")
    def next_occurrence(self, series: PostSeries) -> SafeString | str:
        if series.state == SeriesState.ENDED:
            return NOTHING
        coming = series.recurrence.first(1, after=timezone.now())
        return time_cell(coming[0].at, with_distance=True) if coming else "none left"

    @admin.display(description="text")
    def text(self, series: PostSeries) -> str:
        return "\n---\n".join(str(segment.get("text", "")) for segment in series.segments)

    @admin.display(description="split from")
    def split_from(self, series: PostSeries) -> SafeString | str:
        if series.continues_id is None:
            return NOTHING
        address = reverse("admin:scheduling_postseries_change", args=[series.continues_id])
        return format_html('<a href="{}">the series before</a>', address)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        series = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if isinstance(series, PostSeries):
            now = timezone.now()
            accounts = [target.connection for target in series.targets.all()]
            ended = series.state == SeriesState.ENDED
            context = {
                "title": self.title(series),
                "subtitle": None,
                "badge": self.state_badge(series),
                "coming": [_line(one) for one in forecast.coming(series, now=now)],
                "missed": series.occurrences.filter(state=OccurrenceState.MISSED)
                .select_related("connection")
                .order_by("-at")[:MISSED_SHOWN],
                "notices": []
                if ended
                else forecast.notices_for(series.recurrence, accounts, now=now),
            }
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )


@admin.register(PostQueue)
class PostQueueAdmin(ShownOnly, CappedAdmin):
    change_form_template = "admin/scheduling/postqueue/change_form.html"
    list_display = ("account", "weekly", "time_zone")
    list_display_links = ("account",)
    list_select_related: ClassVar[tuple[str, ...]] = ("connection",)
    search_fields = ("connection__username", "connection__display_name")
    fields = ("account", "weekly", "time_zone", "updated_at")

    @admin.display(description="account")
    def account(self, queue: PostQueue) -> str:
        return str(queue.connection)

    @admin.display(description="weekly slots")
    def weekly(self, queue: PostQueue) -> str:
        return ", ".join(f"{day} {clock}" for day, clock in queue.slots) or NOTHING

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        queue = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if isinstance(queue, PostQueue):
            context = {"coming": coming_slots(queue.connection, now=timezone.now())}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )


def _account(target: SeriesTarget) -> tuple[str, str]:
    connection = target.connection
    adapter = ADAPTERS.get(connection.platform)
    name = connection.username or connection.external_id
    return (adapter.name if adapter else connection.platform), name


def _line(one: forecast.Coming) -> dict[str, Any]:
    return {"moment": one.moment, "rows": [_row(row) for row in one.rows]}


def _row(row: SeriesOccurrence) -> dict[str, Any]:
    tone = OCCURRENCE_TONES[OccurrenceState(row.state)]
    return {
        "account": row.connection,
        "badge": badge(row.get_state_display(), tone),
        "is_detached": row.stands_alone,
        "post": row.post,
        "problem": row.problem,
    }
