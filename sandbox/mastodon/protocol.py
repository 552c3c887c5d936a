"""Mastodon's routes, `/mastodon/<instance>`; the instance `forgetful` keeps no Idempotency-Key."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.consent import consent_endpoints
from sandbox.door import Endpoint, Handler, Protocol
from sandbox.exchange import Answer, Call
from sandbox.mastodon import applications, errors, instance, media, oauth, statuses
from sandbox.rates import Allowance, Window
from sandbox.records import Account, iso
from sandbox.tokens import TokenRefused

_GENERAL = Allowance(300, 300)
_STATUSES = Allowance(300, 3 * 3600)
_RARE = Allowance(30, 1800)  # uploads and deletions
_SHARED = "general"


def _authenticate(call: Call) -> Account:
    try:
        grant = call.site.tokens.grant(call.bearer_token)
    except TokenRefused as refused:
        verb = "is invalid" if refused.reason == "invalid" else f"was {refused.reason}"
        verb = "expired" if refused.reason == "expired" else verb
        raise errors.refused(401, f"The access token {verb}") from None
    if grant.kind == "app":
        raise errors.refused(422, "This method requires an authenticated user")
    call.grant = grant
    return call.site.account(grant.name)


def _limit_headers(window: Window, _now: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(window.limit),
        "X-RateLimit-Remaining": str(window.remaining),
        "X-RateLimit-Reset": iso(window.resets_at, timespec="microseconds"),
    }


_STATUS = r"/api/v1/statuses/{id:\d+}"
_MEDIA = r"/api/v1/media/{id:\d+}"
_MYSELF = "/api/v1/accounts/verify_credentials"
_OF_ACCOUNT = r"/api/v1/accounts/{id:\d+}/statuses"


def _endpoint(method: str, path: str, operation: str, handler: Handler, *scopes: str) -> Endpoint:
    """One of the routes that share an account's general allowance."""
    return Endpoint(method, path, operation, handler, _GENERAL, _SHARED, scopes=scopes)


def _open(method: str, path: str, operation: str, handler: Handler) -> Endpoint:
    """One of the routes for callers without an account."""
    return Endpoint(method, path, operation, handler, _GENERAL, _SHARED, signed_in=False)


def _outside_scopes(_call: Call, _missing: Sequence[str]) -> Answer:
    return errors.error(403, "This action is outside the authorized scopes")


_WRITE, _MEDIA_SCOPES = ("write:statuses",), ("write:media",)

PROTOCOL = Protocol(
    prefix=r"/mastodon/{instance:[a-z0-9-]+}",
    site_name=lambda params: f"mastodon/{params['instance']}",
    authenticate=_authenticate,
    limit_headers=_limit_headers,
    failure=errors.error,
    request_id_header="X-Request-Id",
    scope_missing=_outside_scopes,
    covers=applications.covers,
    endpoints=(
        *consent_endpoints("/oauth/authorize", oauth.ask, oauth.decide),
        _open("POST", "/oauth/token", "token", oauth.token),
        _open("POST", "/oauth/revoke", "token", oauth.revoke),
        _open("GET", "/.well-known/oauth-authorization-server", "token", oauth.discovery),
        _open("POST", "/api/v1/apps", "token", applications.register),
        _open("GET", "/api/v1/apps/verify_credentials", "token", applications.verify),
        _open("GET", "/api/v2/instance", "account", instance.show),
        _endpoint("GET", "/oauth/userinfo", "account", oauth.user_info, "profile"),
        _endpoint("GET", _MYSELF, "account", instance.verify_credentials, "profile|read:accounts"),
        Endpoint("POST", "/api/v1/statuses", "create", statuses.create, _STATUSES, scopes=_WRITE),
        Endpoint("DELETE", _STATUS, "delete", statuses.delete, _RARE, scopes=_WRITE),
        _endpoint("GET", _STATUS, "find", statuses.read, "read:statuses"),
        _open("GET", r"/@{name}/{id:\d+}", "find", statuses.page),
        _endpoint("GET", _OF_ACCOUNT, "find", statuses.of_account, "read:statuses"),
        Endpoint("POST", "/api/v2/media", "media", media.upload, _RARE, scopes=_MEDIA_SCOPES),
        _endpoint("GET", _MEDIA, "media", media.read, *_MEDIA_SCOPES),
        _endpoint("PUT", _MEDIA, "media", media.describe, *_MEDIA_SCOPES),
    ),
)
