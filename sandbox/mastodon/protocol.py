"""Mastodon's routes, `/mastodon/<instance>`; the instance `forgetful` keeps no Idempotency-Key."""

from __future__ import annotations

from sandbox.door import Endpoint, Protocol
from sandbox.exchange import Call
from sandbox.mastodon import errors, instance, media, oauth, statuses
from sandbox.rates import Allowance, Window
from sandbox.records import Account, iso
from sandbox.tokens import TokenRefused

_GENERAL = Allowance(300, 300)
_STATUSES = Allowance(300, 3 * 3600)
_RARE = Allowance(30, 1800)  # uploads and deletions
_SHARED = "general"


def _authenticate(call: Call) -> Account:
    try:
        return call.site.account(call.site.tokens.account_name(call.bearer_token))
    except TokenRefused as refused:
        verb = "is invalid" if refused.reason == "invalid" else f"was {refused.reason}"
        verb = "expired" if refused.reason == "expired" else verb
        raise errors.refused(401, f"The access token {verb}") from None


def _limit_headers(window: Window, _now: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(window.limit),
        "X-RateLimit-Remaining": str(window.remaining),
        "X-RateLimit-Reset": iso(window.resets_at, timespec="microseconds"),
    }


_STATUS = r"/api/v1/statuses/{id:\d+}"
_MEDIA = r"/api/v1/media/{id:\d+}"
_OF_ACCOUNT = r"/api/v1/accounts/{id:\d+}/statuses"

PROTOCOL = Protocol(
    prefix=r"/mastodon/{instance:[a-z0-9-]+}",
    site_name=lambda params: f"mastodon/{params['instance']}",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=errors.error,
    request_id_header="X-Request-Id",
    endpoints=(
        Endpoint("POST", "/api/v1/statuses", "create", statuses.create, _STATUSES),
        Endpoint("GET", _STATUS, "find", statuses.read, _GENERAL, _SHARED),
        Endpoint("DELETE", _STATUS, "delete", statuses.delete, _RARE),
        Endpoint("GET", _OF_ACCOUNT, "find", statuses.of_account, _GENERAL, _SHARED),
        Endpoint(
            "GET",
            "/api/v1/accounts/verify_credentials",
            "account",
            instance.verify_credentials,
            _GENERAL,
            _SHARED,
        ),
        Endpoint("POST", "/api/v2/media", "media", media.upload, _RARE),
        Endpoint("GET", _MEDIA, "media", media.read, _GENERAL, _SHARED),
        Endpoint("PUT", _MEDIA, "media", media.describe, _GENERAL, _SHARED),
        Endpoint(
            "GET", "/api/v2/instance", "account", instance.show, _GENERAL, _SHARED, signed_in=False
        ),
        Endpoint(
            "POST", "/oauth/revoke", "token", oauth.revoke, _GENERAL, _SHARED, signed_in=False
        ),
    ),
)
