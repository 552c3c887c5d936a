"""Stopping mails from the mail itself: no login, for the signed address says whose mails they are.

A POST needs no token of ours: mail programs send it (RFC 8058), and the address is the secret. A
GET changes nothing, because mail scanners open every link.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifications import unsubscribing

PAGE = "web/unsubscribe.html"


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, then stop the mails that the address names; repeating it is harmless."""
    try:
        subscription = unsubscribing.read(token)
    except unsubscribing.BadAddress:
        return _page(request, status=404)
    if request.method == "POST":
        unsubscribing.unsubscribe(subscription)
    is_done = request.method == "POST"
    return _page(request, subscription=subscription, is_done=is_done)


def _page(request: HttpRequest, *, status: int = 200, **context: object) -> HttpResponse:
    response = render(request, PAGE, context, status=status)
    response["Referrer-Policy"] = "no-referrer"  # the address must not travel on
    return response
