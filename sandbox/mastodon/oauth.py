"""Mastodon's OAuth: applications register themselves, people consent, tokens never expire.

There is no refresh; a token can only be revoked. The instance `old` is a Mastodon before 4.3: no
discovery document and no PKCE (its parameters are ignored). The world's OAuth clients are known to
every instance, with every scope and redirect. Guesses: the consent page shows trouble with client
and redirect itself, the rest goes back to the client, as Doorkeeper does it.
"""

from __future__ import annotations

from dataclasses import replace

from sandbox.codes import CodeRefused
from sandbox.consent import Consent
from sandbox.exchange import Answer, Call, Refusal
from sandbox.mastodon import applications, errors
from sandbox.mastodon.applications import COPIED_REDIRECT, SCOPES
from sandbox.mastodon.instance import instance_url, is_old
from sandbox.tokens import Family, Terms, TokenRefused

_CODE_LIFE_SECONDS = 600.0
_TERMS = Terms(access_life_s=None, has_refresh=False)
_DENIED = "The resource owner or authorization server denied the request."

_CONSENT = Consent(
    network="mastodon",
    label="Mastodon",
    scopes=SCOPES,
    default_scopes=("read",),
    may_untick=False,
    pkce="optional",
    pkce_methods=("S256",),
    code_life_s=_CODE_LIFE_SECONDS,
    denial={"error": "access_denied", "error_description": _DENIED},
    copied_redirect=COPIED_REDIRECT,
    client_problem=applications.client_problem,
    client_name=applications.client_name,
    scope_problem=applications.scope_problem,
)
_OLD_CONSENT = replace(_CONSENT, pkce="none")


def ask(call: Call) -> Answer:
    return _consent(call).ask(call)


def decide(call: Call) -> Answer:
    return _consent(call).decide(call)


def _consent(call: Call) -> Consent:
    return _OLD_CONSENT if is_old(call) else _CONSENT


def token(call: Call) -> Answer:
    """`authorization_code`, or `client_credentials` for a token without a user."""
    form = applications.fields(call)
    match form.get("grant_type"):
        case None | "":
            raise errors.oauth_refused("invalid_request")
        case "authorization_code":
            family = _redeem(call, form, applications.client(call, form))
        case "client_credentials":
            family = _without_user(call, form, applications.client(call, form))
        case _:
            raise errors.oauth_refused("unsupported_grant_type")
    pair = call.site.tokens.issue(family, _TERMS, kind="" if family.name else "app")
    return Answer(
        200,
        {
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "scope": " ".join(sorted(family.scopes or ())),
            "created_at": int(call.world.now()),
        },
    )


def _redeem(call: Call, form: dict[str, str], client_id: str) -> Family:
    try:
        return call.site.codes.redeem(
            form.get("code", ""),
            client_id=client_id,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
        )
    except CodeRefused:
        raise errors.oauth_refused("invalid_grant") from None


def _without_user(call: Call, form: dict[str, str], client_id: str) -> Family:
    scopes = form.get("scope", "read").split()
    if applications.scope_problem(call, client_id, scopes):
        raise errors.oauth_refused("invalid_scope")
    return call.site.tokens.consent("", client_id, scopes)


def revoke(call: Call) -> Answer:
    """`client_id`, `client_secret`, `token`; revoking twice, or what never was, is fine."""
    form = applications.fields(call)
    try:
        client_id = applications.client(call, form)
        owner = _owner(call, form.get("token", ""))
    except Refusal:
        client_id, owner = "", None
    if not client_id or owner not in (None, "", client_id):
        raise errors.oauth_refused("unauthorized_client")
    call.site.tokens.revoked.add(form.get("token", ""))
    return Answer(200, {})


def _owner(call: Call, given: str) -> str | None:
    """The client that a living token was given to: "" = any, None = there is no such token."""
    try:
        return call.site.tokens.grant(given).family.client_id
    except TokenRefused:
        return None


def discovery(call: Call) -> Answer:
    """`/.well-known/oauth-authorization-server`, since 4.3."""
    if is_old(call):
        raise errors.refused(404)
    base = instance_url(call)
    return Answer(
        200,
        {
            "issuer": f"{base}/",
            "service_documentation": "https://docs.joinmastodon.org/",
            "authorization_endpoint": f"{base}/oauth/authorize",
            "token_endpoint": f"{base}/oauth/token",
            "app_registration_endpoint": f"{base}/api/v1/apps",
            "revocation_endpoint": f"{base}/oauth/revoke",
            "userinfo_endpoint": f"{base}/oauth/userinfo",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
            ],
        },
    )


def user_info(call: Call) -> Answer:
    """`/oauth/userinfo`, since 4.4."""
    base, account = instance_url(call), call.account
    return Answer(
        200,
        {
            "iss": f"{base}/",
            "sub": f"{base}/users/{account.name}",
            "name": account.display_name,
            "preferred_username": account.name,
            "profile": f"{base}/@{account.name}",
            "picture": f"{call.base_url}/_static/avatar.svg",
        },
    )
