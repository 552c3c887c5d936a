"""What comes before all other middleware: the doors for probes, and the request's correlation id.

/health, /ready and /metrics: no session, no check of the host's name, no redirect to HTTPS; probes
and Prometheus come by address.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from engine import correlation
from monitoring import views

VIEWS: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/health": views.health,
    "/ready": views.ready,
    "/metrics": views.metrics,
}


class Instruments:
    """Answers the three addresses, with and without a slash at the end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, or pass the request on."""
        view = VIEWS.get(request.path_info.removesuffix("/"))
        if view is None:
            return self._get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        answer = view(request)
        answer["Cache-Control"] = "no-store"
        # Django would log an error for every probe of an outage; `readiness` tells of its begin.
        setattr(answer, "_has_been_logged", True)  # noqa: B010 - Django's name
        return answer


class Correlation:
    """Takes over the caller's id, or gives one, and echoes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer under the request's id."""
        correlation_id = correlation.id_of(request.headers)
        with correlation.working_on(correlation_id):
            answer = self._get_response(request)
        answer[correlation.HEADER] = correlation_id
        return answer
