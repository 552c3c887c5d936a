"""Instagram's routes, once per flavour. Below `/facebook` ids of 17 digits are Instagram's."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.door import Endpoint, Handler, Prepare, Protocol
from sandbox.exchange import Answer, Call
from sandbox.graph.errors import missing_permission
from sandbox.graph.usage import CALLS, usage_headers
from sandbox.instagram import (
    accounts,
    commenting,
    creating,
    errors,
    insights,
    oauth,
    publishing,
    reading,
    uploading,
)

_VERSION = r"/{version:v[0-9.]+}"
_SCOPES = {  # what is done -> Instagram Login, Facebook Login
    "basic": ("instagram_business_basic", "instagram_basic"),
    "publish": ("instagram_business_content_publish", "instagram_content_publish"),
    "comments": ("instagram_business_manage_comments", "instagram_manage_comments"),
    "insights": ("instagram_business_manage_insights", "instagram_manage_insights"),
    "delete": ("instagram_business_manage_comments", "instagram_manage_contents"),
}


def _scope_missing(_call: Call, missing: Sequence[str]) -> Answer:
    message = f"Application does not have permission for this action: {', '.join(missing)}"
    return missing_permission(message).answer


def _endpoints(*, via_facebook: bool) -> tuple[Endpoint, ...]:
    ids = r"/{id:1[78]\d{15}}" if via_facebook else r"/{id:\d+}"
    account = ids if via_facebook else r"/{id:me|\d+}"

    def endpoint(
        method: str,
        path: str,
        operation: str,
        needs: str,
        handler: Handler,
        prepare: Prepare | None = None,
    ) -> Endpoint:
        bucket = "create" if operation == "create" else "calls"
        scope = _SCOPES[needs][via_facebook]
        return Endpoint(
            method, _VERSION + path, operation, handler, CALLS, bucket,
            prepare=prepare, scopes=(scope,),
        )  # fmt: skip

    upload = Endpoint(
        "POST", rf"/ig-api-upload{_VERSION}/{{container:\d+}}", "media", uploading.upload, CALLS,
        "calls", scopes=(_SCOPES["publish"][via_facebook],),
    )  # fmt: skip
    return (
        endpoint(
            "POST", f"{account}/media", "media", "publish", creating.create, creating.fetch_images
        ),
        endpoint("POST", f"{account}/media_publish", "create", "publish", publishing.publish),
        endpoint(
            "GET", f"{account}/content_publishing_limit", "account", "publish", publishing.limit
        ),
        endpoint("GET", f"{account}/media", "find", "basic", reading.media_list),
        endpoint("GET", f"{account}/stories", "find", "basic", reading.stories),
        endpoint("POST", f"{ids}/comments", "create", "comments", commenting.comment),
        endpoint("GET", f"{ids}/comments", "find", "comments", commenting.comments),
        endpoint("POST", f"{ids}/replies", "create", "comments", commenting.reply),
        endpoint("GET", f"{ids}/children", "find", "basic", reading.children),
        endpoint("GET", f"{account}/insights", "find", "insights", _insights),
        endpoint("GET", ids, "find", "basic", reading.read),
        endpoint("DELETE", ids, "delete", "delete", commenting.delete),
        upload,
    )


def _token_endpoint(method: str, path: str, handler: Handler) -> Endpoint:
    return Endpoint(method, path, "token", handler, CALLS, "token", signed_in=False)


def _insights(call: Call) -> Answer:
    """The same path asks for an account's and a media's."""
    if call.params["id"] in ("me", accounts.professional_id(call.account)):
        return insights.of_account(call)
    return insights.of_media(call)


PROTOCOL = Protocol(
    prefix="/instagram",
    site_name=lambda _params: "instagram",
    authenticate=accounts.authenticate,
    limit_headers=usage_headers("instagram"),
    failure=errors.failure,
    request_id_header="x-fb-trace-id",
    scope_missing=_scope_missing,
    endpoints=(
        *oauth.CONSENT.endpoints("/oauth/authorize"),
        _token_endpoint("POST", "/oauth/access_token", oauth.token),
        _token_endpoint("GET", "/access_token", oauth.lengthen),
        _token_endpoint("GET", "/refresh_access_token", oauth.renew),
        Endpoint(
            "GET",
            f"{_VERSION}/me",
            "account",
            accounts.me,
            CALLS,
            "calls",
            scopes=("instagram_business_basic",),
        ),
        *_endpoints(via_facebook=False),
    ),
)
VIA_FACEBOOK = Protocol(
    prefix="/facebook",
    site_name=lambda _params: "instagram",
    authenticate=accounts.authenticate_via_facebook,
    limit_headers=usage_headers("instagram"),
    failure=errors.failure,
    request_id_header="x-fb-trace-id",
    scope_missing=_scope_missing,
    endpoints=_endpoints(via_facebook=True),
)
