"""LinkedIn's OAuth 2.0: no PKCE, tokens for 60 days, refresh tokens for approved applications only.

An application counts as approved when it asks for a scope of the Community Management product.
Its refresh token stays the same and ends a year after the consent. Scopes come back with commas.
"""

from __future__ import annotations

from sandbox.codes import CodeRefused
from sandbox.consent import Consent
from sandbox.exchange import Answer, Call, Refusal
from sandbox.linkedin import openid
from sandbox.tokens import Family, Pair, Terms, TokenRefused

_DAY_SECONDS = 86_400
_SELF_SERVE = {
    "openid": "Use your name and photo",
    "profile": "Use your name, headline and photo",
    "email": "Use the primary email address of your account",
    "w_member_social": "Create, modify and delete posts for you",
}
_COMMUNITY_MANAGEMENT = {
    "r_basicprofile": "Use your basic profile",
    "r_member_postAnalytics": "See the figures of your posts",
    "r_member_profileAnalytics": "See the figures of your profile",
    "w_member_social_feed": "Comment and react for you",
    "w_organization_social": "Create, modify and delete posts for your organization",
    "r_organization_social": "See your organization's posts",
    "rw_organization_admin": "Manage your organization's page and see its figures",
    "r_organization_admin": "See your organization's page and its figures",
    "r_organization_followers": "See your organization's followers",
    "w_organization_social_feed": "Comment and react for your organization",
    "r_organization_social_feed": "See comments and reactions on your organization's posts",
}
_BAD_CODE = (
    "Unable to retrieve access token: appid/redirect uri/code verifier does not match "
    "authorization code. Or authorization code expired. Or external member binding exists"
)
_BAD_REFRESH = "The provided authorization grant or refresh token is invalid, expired or revoked"


def _client_problem(call: Call, client_id: str, _redirect_uri: str) -> str:
    """`prompt=none` asks for a page without a page, which a first consent cannot do."""
    if call.query.get("prompt") == "none":
        return "The member must agree first: leave out prompt=none."
    return "" if call.world.clients.knows(client_id) else "The passed in client_id is invalid."


CONSENT = Consent(
    network="linkedin",
    label="LinkedIn",
    scopes=_SELF_SERVE | _COMMUNITY_MANAGEMENT,
    may_untick=False,
    code_life_s=1800,
    denial={
        "error": "user_cancelled_authorize",
        "error_description": "The user cancelled the authorization",
    },
    scope_error="unauthorized_scope_error",
    client_problem=_client_problem,
)


def token(call: Call) -> Answer:
    """`POST /oauth/v2/accessToken`, a form with the client's id and secret in it."""
    form = dict(call.form())
    client_id = _client(call, form)
    match form.get("grant_type"):
        case "authorization_code":
            return _by_code(call, form, client_id)
        case "refresh_token":
            return _by_refresh(call, form, client_id)
        case _:
            return _error("invalid_request", 'A required parameter "grant_type" is missing')


def _by_code(call: Call, form: dict[str, str], client_id: str) -> Answer:
    for name in ("code", "redirect_uri"):
        if not form.get(name):
            return _error("invalid_request", f'A required parameter "{name}" is missing')
    try:
        family = call.site.codes.redeem(
            form["code"], client_id=client_id, redirect_uri=form["redirect_uri"]
        )
    except CodeRefused:
        return _error("invalid_request", _BAD_CODE)
    answer = _tokens(call.site.tokens.issue(family, _terms(family)), family)
    if "openid" in _granted(family):
        account = call.site.account(family.name)
        answer.payload["id_token"] = openid.id_token(call, account, client_id, _granted(family))
    return answer


def _by_refresh(call: Call, form: dict[str, str], client_id: str) -> Answer:
    try:
        pair = call.site.tokens.refresh(
            form.get("refresh_token", ""),
            Terms(access_life_s=60 * _DAY_SECONDS, rotates=False),
            client_id=client_id,
        )
    except TokenRefused:
        return _error("invalid_grant", _BAD_REFRESH)
    return _tokens(pair, call.site.tokens.grant(pair.access_token).family)


def _terms(family: Family) -> Terms:
    is_approved = not _granted(family).isdisjoint(_COMMUNITY_MANAGEMENT)
    return Terms(
        access_life_s=60 * _DAY_SECONDS,
        refresh_life_s=365 * _DAY_SECONDS,
        has_refresh=is_approved,
        rotates=False,
    )


def _granted(family: Family) -> frozenset[str]:
    return family.scopes if family.scopes is not None else frozenset(CONSENT.scopes)


def _tokens(pair: Pair, family: Family) -> Answer:
    body = {
        "access_token": pair.access_token,
        "expires_in": pair.expires_in,
        "scope": ",".join(sorted(_granted(family))),
        "token_type": "Bearer",
    }
    if pair.refresh_token:
        body["refresh_token"] = pair.refresh_token
        body["refresh_token_expires_in"] = pair.refresh_expires_in or 365 * _DAY_SECONDS
    return Answer(200, body)


def revoke(call: Call) -> Answer:
    form = dict(call.form())
    _client(call, form)
    if not form.get("token"):
        return _error("invalid_request", 'A required parameter "token" is missing')
    call.site.tokens.revoked.add(form["token"])
    return Answer(200, {})


def _client(call: Call, form: dict[str, str]) -> str:
    client_id = form.get("client_id", "")
    if not call.world.clients.accepts(client_id, form.get("client_secret", "")):
        raise Refusal(_error("invalid_client", "Client authentication failed", 401))
    return client_id


def _error(code: str, description: str, status: int = 400) -> Answer:
    return Answer(status, {"error": code, "error_description": description})
