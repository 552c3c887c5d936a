"""The pages of one job over many posts: look at what was counted, confirm, watch, stop."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import Workspace
from engine import rights
from engine.admin_actions import ReasonForm, actor_of
from engine.admin_cells import BAD, BUSY, GOOD, MUTED, WAIT, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from platforms.models import SocialConnection
from scheduling import bulk_jobs
from scheduling.admin_bulk import POSTS, job_url, may_do
from scheduling.bulk_actions import ACTIONS
from scheduling.bulk_jobs import JobRefused
from scheduling.models import BulkJob, ScheduledPost
from scheduling.pauses import person
from scheduling.states import PostState

State = BulkJob.State
EXAMPLES = 10
REFRESH_SECONDS = 2
TONES = {
    State.PROPOSED: WAIT,
    State.WAITING: WAIT,
    State.RUNNING: BUSY,
    State.DONE: GOOD,
    State.STOPPED: BAD,
}


class BulkForm(ReasonForm):
    """What every job asks; the reason is not optional where so much is done at once."""

    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Why? Kept in the audit log and on every post, with your name.",
    )


class InDoubtForm(BulkForm):
    in_doubt = forms.BooleanField(
        required=False,
        label="Also those whose outcome is unknown. I looked at the accounts: they are not live.",
        help_text="Left empty, they are refused. Any that is live after all is seen twice.",
    )
    field_order = ("in_doubt", "reason")


class RescheduleForm(BulkForm):
    offset_minutes = forms.IntegerField(
        initial=0,
        min_value=-527_040,
        max_value=527_040,
        label="Later by (minutes)",
        help_text="Negative: earlier.",
    )
    spread_minutes = forms.IntegerField(
        initial=0,
        min_value=0,
        max_value=44_640,
        label="Spread over (minutes)",
        help_text="Evenly, in the order of their moments, so that they do not all leave at once.",
    )
    from_now = forms.BooleanField(
        required=False,
        label="Count from now, not from each post's own moment.",
        help_text="For posts whose moments have passed.",
    )
    field_order = ("offset_minutes", "spread_minutes", "from_now", "reason")


@admin.register(BulkJob)
class BulkJobAdmin(ShownOnly, CappedAdmin):
    list_display = ("state_badge", "what", "total", "done", "refused", "failed", "who", "when")
    list_display_links = ("what",)
    list_filter = ("state", "action")
    search_fields = ("actor", "reason")
    search_help_text = "Who (user:ada) or why"
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/confirm/", wrap(self.confirm_view), name="scheduling_bulkjob_confirm"),
            path("<uuid:pk>/stop/", wrap(self.stop_view), name="scheduling_bulkjob_stop"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the job: what it will do, is doing, or has done."""
        job = self.get_object(request, object_id)
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return self._show(request, job, form_of(job)())

    def confirm_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Start the job (POST)."""
        job = self._job_for_acting(request, pk)
        form = form_of(job)(request.POST)
        if not form.is_valid():
            return self._show(request, job, form)
        answers = {name: value for name, value in form.cleaned_data.items() if name != "reason"}
        if answers.get("in_doubt") and not request.user.has_perm(rights.RESOLVE):
            raise PermissionDenied
        try:
            bulk_jobs.confirm(
                job.pk, actor=actor_of(request), reason=form.cleaned_data["reason"], answers=answers
            )
        except JobRefused as refused:
            self.message_user(request, str(refused), messages.ERROR)
        return HttpResponseRedirect(job_url(job))

    def stop_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Stop the job (POST)."""
        job = self._job_for_acting(request, pk)
        try:
            bulk_jobs.stop(job.pk, actor=actor_of(request))
        except JobRefused as refused:
            self.message_user(request, str(refused), messages.ERROR)
        return HttpResponseRedirect(job_url(job))

    def _job_for_acting(self, request: HttpRequest, pk: Any) -> BulkJob:
        job = BulkJob.objects.filter(pk=pk).first()
        if job is None or request.method != "POST":
            raise Http404
        if not self.has_view_permission(request, job) or not may_do(request, job.action):
            raise PermissionDenied
        return job

    def _show(self, request: HttpRequest, job: BulkJob, form: BulkForm) -> HttpResponse:
        action = ACTIONS[job.action]
        is_proposed, is_open = job.state == State.PROPOSED, job.state in {"waiting", "running"}
        settled = job.done + job.refused + job.failed
        states = bulk_jobs.states_of(job)
        doubtful = states.get(PostState.OUTCOME_UNKNOWN, 0)
        unanswered = doubtful if is_proposed and "in_doubt" in form.fields else 0
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.label}: {job.total:,} posts",
            "opts": self.opts,
            "job": job,
            "action": action,
            "badge": self.state_badge(job),
            "who": person(job.actor),
            "stopped_by": person(job.stopped_by),
            "is_proposed": is_proposed,
            "is_open": is_open,
            "refresh_seconds": REFRESH_SECONDS,
            "as_of": timezone.now(),
            "settled": settled,
            "to_do": job.total - settled - unanswered,
            "unanswered": unanswered,
            "states": [(PostState(state).label, count) for state, count in states.items()],
            "doubtful": doubtful,
            "needs_two": settings.FOUR_EYES and action.takes_doubt,
            "filter": _filter_in_words(job.filter),
            "answers": [name.replace("_", " ") for name in job.answers if job.answers[name] is True]
            + [
                f"{name.replace('_', ' ')}: {value}"
                for name, value in job.answers.items()
                if value and value is not True
            ],
            "reasons": _reasons(job),
            "examples": [] if not is_proposed else _examples(job),
            "list_url": f"{reverse(POSTS)}?{urlencode(job.filter)}",
            "may_confirm": is_proposed
            and may_do(request, job.action)
            and job.actor == actor_of(request),
            "may_stop": (is_proposed or is_open) and may_do(request, job.action),
            "form": form,
        }
        return TemplateResponse(request, "admin/console/bulk_job.html", context)

    @admin.display(description="state")
    def state_badge(self, job: BulkJob) -> SafeString:
        tone = MUTED if job.state == State.DONE and not job.done else TONES[State(job.state)]
        return badge(job.get_state_display(), tone)

    @admin.display(description="what")
    def what(self, job: BulkJob) -> str:
        return ACTIONS[job.action].label if job.action in ACTIONS else job.action

    @admin.display(description="by")
    def who(self, job: BulkJob) -> str:
        return person(job.actor)

    @admin.display(description="proposed")
    def when(self, job: BulkJob) -> SafeString | str:
        return time_cell(job.created_at, with_distance=True)


def form_of(job: BulkJob) -> type[BulkForm]:
    """Return what is asked before this job starts."""
    if job.action == "reschedule":
        return RescheduleForm
    if ACTIONS[job.action].asks_about_doubt:
        in_doubt = job.items.filter(seen_state=PostState.OUTCOME_UNKNOWN)
        return InDoubtForm if in_doubt.exists() else BulkForm
    return BulkForm


def _filter_in_words(narrowed: Mapping[str, str]) -> str:
    """Return what the list was narrowed by, with names in the place of ids."""
    owners: dict[str, QuerySet[Any]] = {
        "account": SocialConnection.objects.defer("secret"),
        "workspace_is": Workspace.objects.all(),
    }
    words = []
    for name, value in narrowed.items():
        shown = value
        if name in owners:
            with contextlib.suppress(ValueError):
                found = owners[name].filter(pk=UUID(value)).first()
                shown = str(found or value)
        name = name.removesuffix("__exact").removesuffix("_is").replace("_", " ")
        words.append(f"{name} = {shown}")
    return ", ".join(words) or "the list"


def _reasons(job: BulkJob) -> list[dict[str, Any]]:
    return [
        {"result": result, "why": why, "count": count, "posts": posts}
        for result, why, count, posts in bulk_jobs.reasons_of(job)
    ]


def _examples(job: BulkJob) -> list[SafeString]:
    """Return some of the posts to which it will be done, as the post list describes them."""
    pending = job.items.filter(result="").order_by("place").values("post")[:EXAMPLES]
    rows = ScheduledPost.objects.filter(pk__in=list(pending.values_list("post", flat=True)))
    posts: Any = admin.site._registry[ScheduledPost]  # noqa: SLF001 - its own page's words
    return [
        posts.describe(post)
        for post in rows.select_related("connection").defer("connection__secret")
    ]
