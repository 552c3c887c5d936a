"""What browsers may load and where forms may go: nothing but ourselves unless a page says so."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)


class ContentSecurityPolicy:
    """Adds the policy to every answer that has none of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code >= 404):  # those pages style themselves
            response.headers.setdefault(HEADER, POLICY)
        return response


def let_forms_leave(response: HttpResponse) -> HttpResponse:
    """Allow this page's forms to lead to a network's consent page.

    Browsers check `form-action` along all redirects that follow, and networks send people around
    between hosts of their own: so any https address, and the imitation networks' while they run.
    """
    plain = {_origin(value) for given in settings.PLATFORMS.values() for value in given.values()}
    allowed = " ".join(["https:", *sorted(plain - {""})])
    response.headers[HEADER] = f"{POLICY} {allowed}"
    return response


def _origin(value: object) -> str:
    if not settings.OFFER_SANDBOX or not isinstance(value, str):
        return ""
    parts = urlsplit(value)
    return f"http://{parts.netloc}" if parts.scheme == "http" else ""
