"""For staff: every message this installation can send, as its readers see it, from sample data."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from notifications.catalog import EVENTS, PERSONAL, Event
from notifications.models import Mode
from notifications.rendering import Message, render
from notifications.sms_text import size_of
from notifications.unsubscribing import SUMMARY
from web.middleware import HEADER, POLICY
from web.workspaces import current_access, show

# A mail styles itself inline; it may load nothing, run nothing and lead nowhere.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
DARK = "(prefers-color-scheme: dark)"
SCHEMES = {"light": "not all", "dark": "all"}  # what stands in the place of DARK
View = Callable[..., HttpResponse]


def staff_only(view: View) -> View:
    """Let only staff see a page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not getattr(request.user, "is_staff", False):
            raise PermissionDenied("This page is for the staff of this installation.")
        return view(request, *args, **kwargs)

    return guarded


@never_cache
@require_GET
@login_required
@staff_only
def previews(request: HttpRequest) -> HttpResponse:
    """List every event: what it means, who hears of it, how by default."""
    rows = [{"event": event, "defaults": _defaults(event)} for event in EVENTS.values()]
    return show(request, "web/previews.html", current_access(request), rows=rows)


@never_cache
@require_GET
@login_required
@staff_only
def preview(request: HttpRequest, event: str) -> HttpResponse:
    """Show one event in every channel."""
    known = _known(event)
    message = _message(known)
    response = show(
        request,
        "web/preview.html",
        current_access(request),
        event=known,
        defaults=_defaults(known),
        message=message,
        size=size_of(message.short),
        blocks=[_words(block) for block in message.blocks],
        schemes=list(SCHEMES),
    )
    response.headers[HEADER] = f"{POLICY}; frame-src 'self'"
    return response


@never_cache
@require_GET
@login_required
@staff_only
@xframe_options_sameorigin
def mail(request: HttpRequest, event: str, scheme: str) -> HttpResponse:
    """Give the HTML part alone, as by day or by night, under a policy of its own."""
    if scheme not in SCHEMES:
        raise Http404
    html = _message(_known(event)).html.replace(DARK, SCHEMES[scheme])
    return HttpResponse(html, headers={HEADER: MAIL_POLICY})


def _known(name: str) -> Event:
    if name not in EVENTS:
        raise Http404
    return EVENTS[name]


def _message(event: Event) -> Message:
    stop = "#" if event.is_optional or event.name == SUMMARY else ""
    return render(event.name, {"mail": event.sample, "unsubscribe": stop})


def _defaults(event: Event) -> list[str]:
    """Return how it is told to people who chose nothing."""
    modes = ((channel, Mode(event.default(channel))) for channel in PERSONAL)
    return [f"{channel.label} {mode.label}" for channel, mode in modes if mode != Mode.OFF]


def _words(block: Any) -> dict[str, Any]:
    """Return one of Slack's blocks as the page shows it."""
    if block["type"] == "context":
        return {"type": "context", "lines": [element["text"] for element in block["elements"]]}
    return {"type": block["type"], "lines": [block["text"]["text"]]}
