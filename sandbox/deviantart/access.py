"""Who may call: a real client with a token in the header or the body, under a known version."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.deviantart import errors
from sandbox.deviantart.fields import posted
from sandbox.exchange import Answer, Call, Refusal
from sandbox.records import Account
from sandbox.tokens import TokenRefused

NEWEST = "20240701"
_VERSIONS = ("20150106", "20160316", "20200519", "20210526", NEWEST)
_DEAD = {
    "expired": (
        "Expired oAuth2 user token. The client should request a new one with an access code or"
        " a refresh token."
    ),
    "revoked": "User has revoked access for this application.",
    "invalid": "Invalid token.",
}


def check_client(call: Call) -> None:
    """The bot wall: no `User-Agent`, or no compression, and the call gets an HTML page."""
    takes_gzip = "gzip" in call.headers.get("Accept-Encoding", "").lower()
    if not call.headers.get("User-Agent", "").strip() or not takes_gzip:
        raise Refusal(errors.wall())


def authenticate(call: Call) -> Account:
    check_client(call)
    if minor_version(call) not in _VERSIONS:
        raise errors.refused(400, "Invalid minor version.", "version_error")
    token = call.bearer_token
    if not token and call.method == "POST":
        token = posted(call).text("access_token")
    if not token:
        text = "Must provide an access_token to access this resource."
        raise errors.refused(401, text, "invalid_request")
    try:
        call.grant = call.site.tokens.grant(token)
    except TokenRefused as refused:
        raise errors.refused(401, _DEAD[refused.reason]) from None
    return call.site.account(call.grant.name)


def minor_version(call: Call) -> str:
    """`dA-minor-version`; without it silently the newest."""
    return call.headers.get("dA-minor-version", NEWEST)


def scope_missing(_call: Call, missing: Sequence[str]) -> Answer:
    text = (
        "The request requires higher privileges than provided by the access token."
        f" Missing: {' '.join(missing)}"
    )
    return errors.error(403, text, "insufficient_scope")
