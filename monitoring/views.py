"""What the three addresses answer; names and shapes are the predecessors', with more beside."""

from __future__ import annotations

import hmac
import ipaddress
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from engine.process_facts import memory_bytes, uptime_seconds
from monitoring.asking import Question, TookTooLong
from monitoring.exposition import render
from monitoring.readiness import examine

SERVICE = "carillon"
SCRAPE_SECONDS = 8.0  # Prometheus gives up after 10 by default
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


def health(request: HttpRequest) -> JsonResponse:
    """This process answers: nobody else is asked."""
    return JsonResponse(
        {
            "status": "healthy",
            "service": SERVICE,
            "worker": "web",
            "uptime": round(uptime_seconds(), 3),
            "timestamp": _now(),
            "memory": memory_bytes(),
        }
    )


def ready(request: HttpRequest) -> JsonResponse:
    """Posts can go out: 200, or 503 with the names of the checks that failed."""
    found = examine()
    machine = found.machine
    body = {
        "status": "not_ready" if found.failed else "ready",
        "service": SERVICE,
        "worker": {
            "running": machine.slots > 0,
            "activeJobs": machine.active,
            "slots": machine.slots,
            "wanted": machine.wanted,
        },
        "redis": {"connected": found.says("broker")},
        "paused": machine.paused,
        "draining": machine.draining,
        "failed": found.failed,
        "checks": {
            check.name: {"ok": check.ok, "message": check.message} for check in found.checks
        },
        "timestamp": _now(),
    }
    return JsonResponse(body, status=503 if found.failed else 200)


def metrics(request: HttpRequest) -> HttpResponse:
    """Everything for Prometheus, in the format it asks for."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    openmetrics = "application/openmetrics-text" in request.headers.get("Accept", "")
    try:
        text, kind = (_openmetrics if openmetrics else _text).begin().result(SCRAPE_SECONDS)
    except TookTooLong:
        return HttpResponse(
            "The database does not answer.\n", status=503, content_type="text/plain"
        )
    return HttpResponse(text, content_type=kind)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Return why this visitor may not read the metrics, or None."""
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
        if scheme.lower() == "bearer" and known:
            return None
        answer = HttpResponse("Send METRICS_TOKEN as a bearer token.\n", status=401)
        answer["WWW-Authenticate"] = 'Bearer realm="metrics"'
        answer["Content-Type"] = "text/plain"
        return answer
    # Through a proxy everybody has the proxy's address.
    forwarded = any(name in request.META for name in FORWARDED)
    if not forwarded and _is_in(request.META.get("REMOTE_ADDR", ""), settings.METRICS_NETWORKS):
        return None
    return HttpResponse(
        "Only METRICS_NETWORKS may read this, and not through a proxy; or set METRICS_TOKEN.\n",
        status=403,
        content_type="text/plain",
    )


def _is_in(address: str, networks: list[str]) -> bool:
    try:
        visitor = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False  # a Unix socket has no address
    return any(visitor in ipaddress.ip_network(each, strict=False) for each in networks)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_text = Question("metrics", lambda: render(openmetrics=False))
_openmetrics = Question("metrics", lambda: render(openmetrics=True))
