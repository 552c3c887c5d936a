"""Which address a request came from: the socket's, or what our own proxy says."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the caller's IP address.

    With TRUST_PROXY_HEADERS it is the last entry of X-Forwarded-For, the one our proxy added: what
    stands before it was sent by the caller and may be anything.
    """
    direct = str(request.META.get("REMOTE_ADDR") or "")
    if not settings.TRUST_PROXY_HEADERS:
        return direct
    last = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
    try:
        return str(ip_address(last))
    except ValueError:
        return direct
