"""Acting on all posts that a filter of the list matches: choose what, then look at the count.

The pages only ask and show; what happens stands in `scheduling.bulk_jobs`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin, actor_of
from scheduling import bulk_jobs
from scheduling.bulk_actions import ACTIONS
from scheduling.bulk_jobs import JobRefused
from scheduling.models import BulkJob
from scheduling.states import PostState

LAYOUT = frozenset({"p", "o", "all", "e"})  # parameters of the list that narrow nothing
POSTS = "admin:scheduling_scheduledpost_changelist"


def may_do(request: HttpRequest, action: str) -> bool:
    """Say whether this person may do this to many posts."""
    return bool(request.user.has_perm(ACTIONS[action].permission))


class BulkStart(ConfirmedActionsAdmin):
    """The post list's way to a job over everything that its filters match."""

    change_list_template = "admin/console/posts.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/", view, name="scheduling_scheduledpost_bulk"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_bulk = any(may_do(request, name) for name in ACTIONS)
        context = {"bulk_url": reverse("admin:scheduling_scheduledpost_bulk") if may_bulk else ""}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the filter matches and what may be done to it (GET), or propose it (POST)."""
        actions = [action for action in ACTIONS.values() if may_do(request, action.name)]
        if not actions or not self.has_view_permission(request):
            raise PermissionDenied
        back = f"{reverse(POSTS)}?{request.GET.urlencode()}"
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{reverse(POSTS)}?e=1")
        narrows = any(
            str(value).strip() for name, value in request.GET.items() if name not in LAYOUT
        )
        if not narrows:
            self.message_user(request, "Narrow the list first, then act on it.", messages.ERROR)
            return HttpResponseRedirect(reverse(POSTS))
        posts = changelist.get_queryset(request)
        if request.method == "POST":
            name = request.POST.get("action", "")
            if name not in ACTIONS:
                raise Http404
            if not may_do(request, name):
                raise PermissionDenied
            return self.propose(request, name, posts, back)
        states = list(posts.order_by().values_list("state").annotate(n=Count("pk")))
        context = {
            **self.admin_site.each_context(request),
            "title": "Act on all that match",
            "opts": self.opts,
            "back": back,
            "filter": request.GET.dict(),
            "total": sum(count for _, count in states),
            "states": [(PostState(state).label, count) for state, count in states],
            "actions": actions,
            "most": bulk_jobs.MOST,
        }
        return TemplateResponse(request, "admin/console/bulk_start.html", context)

    def too_many(
        self, request: HttpRequest, action: ConfirmedAction, queryset: QuerySet[Any]
    ) -> HttpResponse:
        """Propose a job where an action was chosen for more rows than one page takes."""
        if action.name not in ACTIONS:
            return super().too_many(request, action, queryset)
        return self.propose(request, action.name, queryset, request.get_full_path())

    def propose(
        self, request: HttpRequest, name: str, posts: QuerySet[Any], back: str
    ) -> HttpResponse:
        """Freeze what matches and show it; a refusal leads back."""
        try:
            job = bulk_jobs.propose(
                posts, action=name, actor=actor_of(request), filter=request.GET.dict()
            )
        except JobRefused as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return HttpResponseRedirect(back)
        return HttpResponseRedirect(job_url(job))


def job_url(job: BulkJob) -> str:
    """Return the job's page."""
    return reverse("admin:scheduling_bulkjob_change", args=[job.pk])
