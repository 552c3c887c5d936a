"""Nobody who has a second factor gets past the login without it; staff may be made to have one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.second_factor import has_second_factor

OPEN = ("/api/", "/media/", "/health", "/ready", "/metrics")  # they ask for proofs of their own


class SecondFactor:
    """Leads logged-in people to the page that asks for the code, or to the one that sets it up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith((*OPEN, f"/{settings.STATIC_URL.lstrip('/')}")):
            return self.get_response(request)
        return self._detour(request) or self.get_response(request)

    def _detour(self, request: HttpRequest) -> HttpResponse | None:
        if not request.user.is_authenticated or request.user.is_verified():  # type: ignore[attr-defined]
            return None
        user = request.user
        here = request.path
        if here == reverse("web:logout"):
            return None
        if has_second_factor(user):
            return None if here == reverse("web:code") else _sent_to("web:code", request)
        if user.is_staff and settings.STAFF_NEED_SECOND_FACTOR:
            if here == reverse("web:security"):
                return None
            messages.info(request, "Staff here log in with a second factor: set yours up first.")
            return redirect("web:security")
        return None


def _sent_to(name: str, request: HttpRequest) -> HttpResponse:
    query = urlencode({"next": request.get_full_path()}) if request.method == "GET" else ""
    return redirect(f"{reverse(name)}?{query}" if query else reverse(name))
