"""LinkedIn's routes and the check of who is calling; the addresses for uploads know their owner."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.door import Endpoint, Handler, Protocol
from sandbox.exchange import Answer, Call
from sandbox.linkedin import (
    comments,
    errors,
    figures,
    oauth,
    openid,
    people,
    posts,
    reading,
    restli,
    uploads,
)
from sandbox.rates import Allowance, next_midnight
from sandbox.records import Account
from sandbox.tokens import TokenRefused

_MIDNIGHT = next_midnight("UTC")
_SHARES = Allowance(150, 86_400, _MIDNIGHT)
_OTHERS = Allowance(5000, 86_400, _MIDNIGHT)  # the real numbers are unpublished
_UPLOAD = r"/dms-uploads/{kind:image|video|document}/{id:\d+}/{part:\d+}"


def _authenticate(call: Call) -> Account:
    """By Bearer token; a video's parts by their address alone."""
    upload = uploads.of_secret(call) if "part" in call.params else None
    if upload is not None and upload.kind == "video":
        return upload.media.account
    if not call.bearer_token:
        raise errors.bad_token("")
    try:
        call.grant = call.site.tokens.grant(call.bearer_token)
    except TokenRefused as refused:
        raise errors.bad_token(refused.reason) from None
    account = call.site.account(call.grant.name)
    if upload is not None and upload.media.account is not account:
        raise errors.not_yours("owner")
    return account


def _rest(
    method: str, path: str, operation: str, handler: Handler, allowance: Allowance = _OTHERS
) -> Endpoint:
    return Endpoint(method, f"/rest{path}", operation, _versioned(handler), allowance)


def _open(method: str, path: str, handler: Handler) -> Endpoint:
    """One route of the token service, which knows the application and not the member."""
    return Endpoint(method, path, "token", handler, _OTHERS, "oauth", signed_in=False)


def _versioned(handler: Handler) -> Callable[[Call], Answer]:
    def checked(call: Call) -> Answer:
        restli.check_headers(call)
        return handler(call)

    return checked


_FILES = "/{kind:images|videos|documents}"
_COMMENTS = "/socialActions/{urn}/comments"

PROTOCOL = Protocol(
    prefix="/linkedin",
    site_name=lambda _params: "linkedin",
    authenticate=_authenticate,
    limit_headers=lambda _window, _now: {},  # LinkedIn tells nothing of its allowances
    failure=errors.plain,
    request_id_header="x-li-uuid",
    endpoints=(
        _rest("POST", "/posts", "create", posts.create, _SHARES),
        _rest("GET", "/posts", "find", reading.of_author),
        _rest("GET", "/posts/{urn}", "find", reading.read_one),
        _rest("DELETE", "/posts/{urn}", "delete", posts.delete),
        _rest("POST", _COMMENTS, "create", comments.create),
        _rest("GET", _COMMENTS, "find", comments.of_post),
        _rest("DELETE", _COMMENTS + r"/{id:\d+}", "delete", comments.delete),
        _rest("POST", _FILES, "media", uploads.initialize),
        _rest("GET", _FILES + "/{urn}", "find", uploads.read),
        Endpoint("PUT", _UPLOAD, "media", uploads.put, Allowance(100_000, 86_400, _MIDNIGHT)),
        Endpoint("GET", r"/{version:v[0-9.]+}/userinfo", "account", people.userinfo, _OTHERS),
        *oauth.CONSENT.endpoints("/oauth/v2/authorization"),
        _open("POST", "/oauth/v2/accessToken", oauth.token),
        _open("POST", "/oauth/v2/revoke", oauth.revoke),
        _open("GET", "/oauth/.well-known/openid-configuration", openid.discovery),
        _open("GET", "/oauth/openid/jwks", openid.jwks),
        _rest("GET", "/organizationAcls", "account", people.organization_acls),
        _rest("GET", r"/organizations/{id:\d+}", "account", people.read_organization),
        _rest("GET", "/organizationalEntityShareStatistics", "find", figures.of_shares),
        _rest("GET", "/organizationalEntityFollowerStatistics", "find", figures.of_followers),
        _rest("GET", "/organizationPageStatistics", "find", figures.of_pages),
        _rest("GET", "/networkSizes/{urn}", "account", figures.network_size),
        _rest("GET", "/memberCreatorPostAnalytics", "find", figures.of_member),
    ),
)
