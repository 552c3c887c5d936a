"""The staff console for posts: what is going on, why, and what a person may do about it."""

from __future__ import annotations

import json
import uuid
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from engine.admin_actions import ConfirmedActionsAdmin, actor_of
from engine.admin_cells import (
    BAD,
    BUSY,
    GOOD,
    MUTED,
    NOTHING,
    WAIT,
    WARN,
    badge,
    exact_cell,
    time_cell,
)
from engine.admin_lists import MOST, CappedAdmin
from engine.words import duration
from platforms.models import SocialConnection
from platforms.registry import ADAPTERS, adapter_for
from scheduling import admin_attempts as admin_attempts  # its pages register on import
from scheduling import admin_bulk_jobs as admin_bulk_jobs  # these too
from scheduling import admin_operations as admin_operations  # these too
from scheduling import admin_switches as admin_switches  # and these
from scheduling.admin_actions import POST_ACTIONS
from scheduling.admin_bulk import BulkStart
from scheduling.admin_filters import (
    AccountFilter,
    CategoryFilter,
    DoneFilter,
    LatenessFilter,
    PlatformFilter,
    ScheduledFilter,
    SinceFilter,
    StuckFilter,
    UntilFilter,
    WarningsFilter,
    WorkspaceFilter,
)
from scheduling.admin_forms import PostForm, text_of
from scheduling.admin_page import bundle_answer, post_page
from scheduling.drafts import account_of
from scheduling.explanations import lateness_of
from scheduling.four_eyes import is_by, open_proposal, sentence
from scheduling.models import ScheduledPost
from scheduling.questions import next_part
from scheduling.sealing import shown
from scheduling.series import admin as series_admin  # noqa: F401 - its pages register on import
from scheduling.states import EDITABLE, PostState

S = PostState
TONES = {
    S.DRAFT: MUTED,
    S.AWAITING_APPROVAL: WAIT,
    S.SCHEDULED: WAIT,
    S.QUEUED: WAIT,
    S.PUBLISHING: BUSY,
    S.PROCESSING: BUSY,
    S.OUTCOME_UNKNOWN: WARN,
    S.BLOCKED: WARN,
    S.HELD: WARN,
    S.PUBLISHED: GOOD,
    S.FAILED: BAD,
    S.DEAD_LETTER: BAD,
    S.CANCELLED: MUTED,
}
EXCERPT_CHARS = 70
LATE_SECONDS = 1.0  # from here on lateness is worth a colour
MOST_ACCOUNTS = 500  # that one search may mean
WORDS_IN = 20_000  # newest posts whose words are searched
ORDERS: dict[str, dict[str, str]] = {  # of the list, by filter and value
    "lateness": {
        "due": "due_at",  # what waits longest is first
        "overdue": "due_at",
        "put_off": "scheduled_at",
        "seconds": "-scheduled_at",
        "minutes": "-scheduled_at",
    },
    "done": {
        "published_hour": "-published_at",
        "published_day": "-published_at",
        "sent_hour": "-first_sent_at",
    },
    "scheduled": {
        "past_hour": "-scheduled_at",
        "past_day": "-scheduled_at",
        "next_hour": "scheduled_at",
        "next_day": "scheduled_at",
    },
}
CONTENT = ("connection", "text", "wall_clock", "time_zone", "first_comment")
RULES = ("priority", "late_policy", "late_limit_minutes", "callback_url", "external_id")
SHOWN_CONTENT = (
    "connection",
    "text",
    "exact_scheduled",
    "time_zone",
    "first_comment",
    "media_count",
)
MACHINE_FIELDS = (
    "state_badge",
    "exact_due",
    "lateness",
    "tries",
    "exact_first_sent",
    "exact_sent",
    "exact_published",
    "link",
    "remote_ids",
    "last_error",
    "exact_preflight",
    "audit_trail",
)
INNER_FIELDS = (
    "id",
    "workspace",
    "platform",
    "options",
    "kept_progress",
    "content_version",
    "publish_run",
    "fencing_token",
    "late_waived",
    "authors",
    "approved_version",
    "approved_by",
    "exact_approved",
    "lease_slot",
    "exact_lease",
    "correlation_id",
    "created_by",
    "exact_created",
)


@admin.register(ScheduledPost)
class ScheduledPostAdmin(BulkStart, CappedAdmin, ConfirmedActionsAdmin):
    form = PostForm
    confirmed_actions = POST_ACTIONS
    change_form_template = "admin/scheduling/scheduledpost/change_form.html"
    list_display = (
        "state_badge",
        "excerpt",
        "account",
        "scheduled",
        "lateness",
        "tries",
        "link",
    )
    list_display_links = ("excerpt",)
    list_select_related: ClassVar[tuple[str, ...]] = ("connection",)
    list_filter = (
        "state",
        StuckFilter,
        LatenessFilter,
        PlatformFilter,
        AccountFilter,
        CategoryFilter,
        ScheduledFilter,
        SinceFilter,
        UntilFilter,
        DoneFilter,
        WarningsFilter,
        WorkspaceFilter,
    )
    search_fields = ("id",)  # shows the box; get_search_results decides
    search_help_text = (
        "Words of the text (newest 20,000 posts), an account, an external id, "
        "a post's id or its address"
    )
    autocomplete_fields = ("connection",)

    exact_scheduled = exact_cell("scheduled_at", "scheduled for")
    exact_due = exact_cell("due_at", "next step at")
    exact_first_sent = exact_cell("first_sent_at", "first sent")
    exact_sent = exact_cell("sent_at", "last send mark")
    exact_published = exact_cell("published_at", "published")
    exact_preflight = exact_cell("preflight_at", "looked at ahead")
    exact_approved = exact_cell("approved_at", "approved")
    exact_lease = exact_cell("lease_expires_at", "lease ends")
    exact_created = exact_cell("created_at", "written")

    def buttons(self, request: HttpRequest, obj: ScheduledPost) -> list[dict[str, str]]:
        """Leave out the confirmation for whoever made the proposal: it takes somebody else."""
        found = super().buttons(request, obj)
        proposal = open_proposal(obj)
        if proposal is None or not is_by(proposal, actor_of(request)):
            return found
        return [button for button in found if button["name"] != "confirm_resolution"]

    # --- who may what -------------------------------------------------------------------------
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # history stays; cancel is the way to stop a post

    def has_change_permission(self, request: HttpRequest, obj: ScheduledPost | None = None) -> bool:
        editable = obj is None or (obj.state in EDITABLE and not obj.progress.get("published"))
        return editable and super().has_change_permission(request, obj)

    # --- the list -----------------------------------------------------------------------------
    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Newest first, along the time-ordered key; a filter may bring an order of its own.

        Its index then serves both; in the order of the keys the whole table would be walked.
        """
        for filtered in ORDERS:
            if order := ORDERS[filtered].get(request.GET.get(filtered, "")):
                return (order, "-pk")
        return ("-scheduled_at", "-pk") if request.GET.get("category") else ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=uuid.UUID(term)), False
        except ValueError:
            pass
        if term.startswith(("https://", "http://")):
            return queryset.filter(permalink__startswith=term.rstrip("/")), False
        accounts = SocialConnection.objects.filter(username__icontains=term.lstrip("@"))
        account_keys = list(accounts.values_list("pk", flat=True)[:MOST_ACCOUNTS])
        everyone = SocialConnection.objects.values("pk")  # the index of external ids begins so,
        living = queryset.exclude(state=S.CANCELLED)  # and holds no others
        named = living.filter(connection__in=everyone, external_id=term).order_by()
        keys = [*named.values_list("pk", flat=True)[:MOST], *self._keys_by_words(queryset, term)]
        return queryset.filter(Q(connection__in=account_keys) | Q(pk__in=keys)), False

    def _keys_by_words(self, posts: QuerySet[Any], term: str) -> list[uuid.UUID]:
        """Return which of the newest posts have `term` in their text or as their external id.

        No index knows words: all of them in a table of millions would take seconds.
        """
        newest = ScheduledPost.objects.order_by("-pk").values_list("pk", flat=True)
        rule = Q(words__icontains=term) | Q(external_id=term)
        if not term.isascii():  # SQLite keeps JSON as it was written: other letters are escaped
            rule |= Q(words__icontains=json.dumps(term)[1:-1])
        if oldest := list(newest[WORDS_IN - 1 : WORDS_IN]):
            posts = posts.filter(pk__gte=oldest[0])
        found = posts.alias(words=Cast("segments", TextField())).filter(rule).order_by("-pk")
        return list(found.values_list("pk", flat=True)[: MOST + 1])

    @admin.display(description="state")
    def state_badge(self, post: ScheduledPost) -> SafeString:
        state = badge(post.get_state_display(), TONES[PostState(post.state)])
        if count := len(post.current_warnings):
            return format_html("{} {}", state, badge(f"{count} warning{'s' * (count > 1)}", WARN))
        return state

    @admin.display(description="text")
    def excerpt(self, post: ScheduledPost) -> str:
        text = Truncator(str(post.segments[0].get("text", "")) if post.segments else "")
        thread = f" (thread of {len(post.segments)})" if len(post.segments) > 1 else ""
        return (text.chars(EXCERPT_CHARS) or "(no text)") + thread

    def network(self, post: ScheduledPost) -> str:
        adapter = ADAPTERS.get(post.platform)
        return adapter.name if adapter else post.platform

    @admin.display(description="account")
    def account(self, post: ScheduledPost) -> SafeString:
        name = post.connection.username or post.connection.external_id
        return format_html('<span class="network">{}</span> {}', self.network(post), name)

    @admin.display(description="scheduled for (UTC)")
    def scheduled(self, post: ScheduledPost) -> SafeString | str:
        """Show the moment and, if that is another one, when the machine acts next."""
        moment = time_cell(post.scheduled_at)
        if post.due_at is None or (post.due_at == post.scheduled_at and not post.attempts):
            return moment
        return format_html(
            '{} <span class="second">next: {}</span>', moment, time_cell(post.due_at)
        )

    @admin.display(description="lateness")
    def lateness(self, post: ScheduledPost) -> SafeString | str:
        late = lateness_of(post, timezone.now())
        if late is None:
            return NOTHING
        so_far = "" if post.first_sent_at else " so far"
        tone = "late" if late.total_seconds() >= LATE_SECONDS else "punctual"
        return format_html('<span class="{}">{}{}</span>', tone, duration(late), so_far)

    @admin.display(description="attempts")
    def tries(self, post: ScheduledPost) -> SafeString:
        return format_html(
            '{}/{} <span class="second">{}</span>',
            post.attempts,
            post.max_attempts,
            post.last_category.replace("_", " "),
        )

    @admin.display(description="live at")
    def link(self, post: ScheduledPost) -> SafeString | str:
        if not post.permalink.startswith(("https://", "http://")):
            return NOTHING
        return format_html(
            '<a href="{}" target="_blank" rel="noopener noreferrer" title="{}">view ↗</a>',
            post.permalink,
            post.permalink,
        )

    @admin.display(description="audit trail")
    def audit_trail(self, post: ScheduledPost) -> SafeString:
        """Link to what people did with it; what the machine did is the flight recorder."""
        address = reverse("admin:accounts_auditevent_changelist")
        query = urlencode({"on": f"post:{post.pk}"})
        return format_html('<a href="{}?{}">who did what with it, and why</a>', address, query)

    @admin.display(description="progress")
    def kept_progress(self, post: ScheduledPost) -> str:
        return json.dumps(shown(post.progress))

    @admin.display(description="text")
    def text(self, post: ScheduledPost) -> str:
        return text_of(post)

    def describe(self, obj: ScheduledPost) -> SafeString:
        return format_html(
            "{} <b>{}</b> {} · {} UTC{}",
            self.state_badge(obj),
            self.excerpt(obj),
            self.account(obj),
            time_cell(obj.scheduled_at),
            self.in_doubt(obj),
        )

    def in_doubt(self, post: ScheduledPost) -> SafeString | str:
        """Return which part is in doubt and a link to where it would be; "" for other posts."""
        if post.state != S.OUTCOME_UNKNOWN:
            return ""
        if proposal := open_proposal(post):
            return format_html(" · {}{}", sentence(proposal), self._place(post))
        part = next_part(post)
        text = Truncator(part.text).chars(EXCERPT_CHARS)
        which = "" if part.of <= 1 else format_html(" · in doubt: {}, “{}”", part.name, text)
        return format_html("{}{}", which, self._place(post))

    def _place(self, post: ScheduledPost) -> SafeString | str:
        address = adapter_for(post.platform).account_address(account_of(post.connection))
        if not address.startswith(("https://", "http://")):
            return ""
        return format_html(
            ' · <a href="{}" target="_blank" rel="noopener noreferrer">look at the account ↗</a>',
            address,
        )

    # --- one post -----------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("connection", "workspace", "created_by")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any | None:
        """Return the post, read once for all who ask while a page is only looked at."""
        if request.method != "GET":
            return super().get_object(request, object_id, from_field)
        seen: dict[str, Any] = request.__dict__.setdefault("seen_posts", {})
        if object_id not in seen:
            seen[object_id] = super().get_object(request, object_id, from_field)
        return seen[object_id]

    def get_fieldsets(self, request: HttpRequest, obj: ScheduledPost | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": CONTENT}), ("Rules", {"fields": RULES})]
        may_edit = self.has_change_permission(request, obj)
        content = (*CONTENT, "media_count", "version") if may_edit else SHOWN_CONTENT
        return [
            ("What happened", {"fields": MACHINE_FIELDS}),
            ("Content", {"fields": content}),
            ("Rules", {"fields": RULES}),
            ("Inner workings", {"fields": INNER_FIELDS, "classes": ["collapse"]}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ScheduledPost | None = None
    ) -> tuple[str, ...]:
        if obj is None:
            return ()
        return (*MACHINE_FIELDS, *INNER_FIELDS, "connection", "external_id", "media_count")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bundle_view)
        name = "scheduling_scheduledpost_bundle"
        return [path("<uuid:object_id>/bundle/", view, name=name), *super().get_urls()]

    def bundle_view(self, request: HttpRequest, object_id: uuid.UUID) -> HttpResponse:
        """Hand out a post's support bundle (POST); anybody who may see the post may make it."""
        post = self.get_object(request, str(object_id))
        if post is None:
            raise Http404
        if not self.has_view_permission(request, post):
            raise PermissionDenied
        return bundle_answer(request, post)

    def get_form(
        self, request: HttpRequest, obj: Any | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Any]]:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.user = request.user  # type: ignore[attr-defined]
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the form's service has written the post already."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        post = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if post is not None:
            context = {
                **post_page(post, request),
                "badge": self.state_badge(post),
                "title": f"{self.network(post)} post of {post.connection.username}",
                "subtitle": None,
            }
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
