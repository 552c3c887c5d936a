"""What stands above the form on one post's page: now, next, why, around it, and all its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from engine.admin_actions import actor_of
from engine.admin_cells import BAD, MUTED, badge, time_cell
from engine.models import RateLimitState
from engine.words import moment
from platforms.health import health_of
from platforms.limits import in_force_until, limits_of
from platforms.registry import ADAPTERS
from scheduling.flight_recorder import flight_recorder
from scheduling.models import ScheduledPost
from scheduling.notices import notices_of
from scheduling.questions import next_part
from scheduling.reasons import explain_now
from scheduling.states import WAITING
from scheduling.support_bundle import support_bundle


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of what surrounds a post."""

    label: str
    value: SafeString | str


def post_page(post: ScheduledPost, request: HttpRequest) -> dict[str, Any]:
    """Return the template's variables for a post with its connection loaded."""
    now = timezone.now()
    recording = flight_recorder(post)
    limits = limits_of(post.connection)
    return {
        "explanation": explain_now(post, recording.last_attempt, limits, now=now),
        "warnings": post.current_warnings,
        "notices": notices_of(post).found,
        "facts": list(_around(post, limits, request, now)),
        "recorder": recording,
        "next_at": post.due_at if post.due_at and post.due_at > now else None,
    }


def bundle_answer(request: HttpRequest, post: ScheduledPost) -> HttpResponse:
    """Return the support bundle as a file; a plain look at its address leads to the page."""
    if request.method != "POST":
        page = reverse("admin:scheduling_scheduledpost_change", args=[post.pk])
        return redirect(f"{page}#bundle")
    bundle = support_bundle(
        post.pk, actor=actor_of(request), with_text=request.POST.get("with_text") == "on"
    )
    answer = JsonResponse(bundle, json_dumps_params={"indent": 1, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="carillon-post-{post.pk}.json"'
    return answer


# --- around it ------------------------------------------------------------------------------------
def _around(
    post: ScheduledPost, limits: Sequence[RateLimitState], request: HttpRequest, now: datetime
) -> Iterator[Fact]:
    yield Fact("Account", _account(post, request, now))
    yield Fact("Limits", _limits(post, limits, request, now))
    if post.media_count:
        yield Fact("Files", _files(post))
    if post.permalink.startswith(("https://", "http://")):
        link = '<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>'
        yield Fact("Live at", format_html(link, post.permalink))
    if parts := post.progress.get("published", ()):
        yield Fact("Parts that are live", f"{len(parts)} of {next_part(post).of}")


def _account(post: ScheduledPost, request: HttpRequest, now: datetime) -> SafeString:
    connection = post.connection
    adapter = ADAPTERS.get(connection.platform)
    network = adapter.name if adapter else connection.platform
    name = f"{network}: {connection.username or connection.external_id}"
    health = health_of(connection, now=now)
    return format_html(
        "{} {} {}",
        _linked(request, "platforms.socialconnection", "change", name, connection.pk),
        badge(health.word, health.tone),
        " ".join(health.sentences),
    )


def _limits(
    post: ScheduledPost, limits: Sequence[RateLimitState], request: HttpRequest, now: datetime
) -> SafeString:
    rows = [
        (
            badge(f"{row.get_scope_display()} limit", BAD),
            row.reason.rstrip(".") or row.bucket,
            time_cell(until, now=now, with_distance=True),
        )
        for row in limits
        if (until := in_force_until(row, now)) is not None
    ]
    told = format_html_join(" · ", "{} {}, until {}", rows) or badge("none in force", MUTED)
    query = f"?q={post.connection_id}"
    everything = _linked(request, "engine.ratelimitstate", "changelist", "all its limits", query)
    return format_html("{} · {}", told, everything)


def _files(post: ScheduledPost) -> str:
    count = f"{post.media_count} file{'s' * (post.media_count > 1)}"
    if post.state not in WAITING:
        return count
    if post.needs_preparation:
        return f"{count}, still to be uploaded ahead of the moment"
    good = f", good until {moment(post.progress_expires_at)}" if post.progress_expires_at else ""
    return f"{count}, prepared at the network{good}" if post.progress else count


def _linked(
    request: HttpRequest, model: str, page: str, text: str, key: object
) -> SafeString | str:
    """Return `text` as a link to a page of a model, for people who may open it."""
    label, name = model.split(".")
    if not (
        request.user.has_perm(f"{label}.view_{name}")
        or request.user.has_perm(f"{label}.change_{name}")
    ):
        return text
    address = f"admin:{label}_{name}_{page}"
    if page == "change":
        return format_html('<a href="{}">{}</a>', reverse(address, args=[key]), text)
    return format_html('<a href="{}{}">{}</a>', reverse(address), key, text)
