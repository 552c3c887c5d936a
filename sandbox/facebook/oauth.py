"""Facebook's login dialog, its user tokens, what it says of any token, and taking consent back."""

from __future__ import annotations

from typing import Any

from sandbox.consent import Consent
from sandbox.exchange import Answer, Call
from sandbox.facebook.identity import Persons, is_person
from sandbox.graph import oauth, pages
from sandbox.graph.access import USER, check_token, read_token, token_of, underlying
from sandbox.graph.errors import bad_parameter, no_object, refused
from sandbox.graph.params import Params
from sandbox.tokens import Family, Grant, Terms, TokenRefused

_SHORT_LIFE_SECONDS = 2 * 3600
_DATA_ACCESS_SECONDS = 90 * 86_400


def _granted(_call: Call, family: Family) -> dict[str, str]:
    """With `return_scopes=true` the dialog says what was ticked."""
    if family.request.get("return_scopes") != "true":
        return {}
    asked = set(family.request.get("scope", "").split(","))
    granted = family.scopes or frozenset()
    return {
        "granted_scopes": ",".join(sorted(granted)),
        "denied_scopes": ",".join(sorted(asked - granted)),
    }


CONSENT = Consent(
    network="facebook",
    label="Facebook",
    scopes={
        "public_profile": "see your name and picture",
        "email": "see your e-mail address",
        "pages_show_list": "see which pages you manage",
        "pages_read_engagement": "read what your pages publish",
        "pages_manage_posts": "publish on your pages",
        "pages_manage_engagement": "comment for your pages",
        "pages_read_user_content": "read what others write on your pages",
        "pages_manage_metadata": "change your pages' settings",
        "publish_video": "publish videos on your pages",
        "read_insights": "see how your pages do",
        "business_management": "see the pages of your business",
        "instagram_basic": "see the Instagram accounts linked to your pages",
        "instagram_content_publish": "publish on Instagram",
        "instagram_manage_comments": "comment on Instagram",
        "instagram_manage_insights": "see how Instagram media do",
        "instagram_manage_contents": "delete media on Instagram",
        "ads_management": "manage advertisements",
        "ads_read": "see advertisements",
    },
    default_scopes=("public_profile",),
    locked_scopes=frozenset({"public_profile"}),
    separator=",",
    code_life_s=600,
    denial={
        "error": "access_denied",
        "error_code": "200",
        "error_description": "Permissions error",
        "error_reason": "user_denied",
    },
    extras=_granted,
    fragment="_=_",
    errors_on_page=True,
)
_TERMS = Terms(access_life_s=_SHORT_LIFE_SECONDS, has_refresh=False)


def token(call: Call) -> Answer:
    """`/oauth/access_token`: a code or a token for a token, or the application's own."""
    params = Params.of(call)
    match params.text("grant_type"):
        case "" | "authorization_code":
            family = oauth.redeem(call, params)
            pair = call.site.tokens.issue(family, _TERMS, kind=USER)
        case "fb_exchange_token":
            oauth.check_application(call, params)
            old = params.text("fb_exchange_token")
            if not old:
                raise bad_parameter("fb_exchange_token parameter not specified")
            grant = check_token(old, call.site)
            life_s = oauth.LONG_LIFE_SECONDS if grant.kind == USER else None
            pair = call.site.tokens.exchange(underlying(old), life_s=life_s, kind=grant.kind)
        case "client_credentials":
            oauth.check_application(call, params)
            own = f"{params.text('client_id')}|{params.text('client_secret')}"
            return Answer(200, {"access_token": own, "token_type": "bearer"})
        case _:
            raise bad_parameter("Param grant_type is not supported")
    answer: dict[str, Any] = {"access_token": pair.access_token, "token_type": "bearer"}
    if pair.expires_in is not None:
        answer["expires_in"] = pair.expires_in
    return Answer(200, answer)


def debug_token(call: Call) -> Answer:
    """For the application (`id|secret`) or anyone with a living token."""
    params = Params.of(call)
    asking, wanted = token_of(call), params.text("input_token")
    client_id, bar, secret = asking.partition("|")
    if not asking:
        raise refused("An access token is required to request this resource.", 104)
    if not bar:
        check_token(asking, call.site)
    elif not call.world.clients.accepts(client_id, secret):
        raise refused("Invalid OAuth access token signature.", 190)
    if not wanted:
        raise bad_parameter("The parameter input_token is required")
    try:
        grant = read_token(wanted, call.site)
    except TokenRefused as refusal:
        return Answer(200, {"data": oauth.dead(refusal)})
    return Answer(200, {"data": _described(call, wanted, grant)})


def _described(call: Call, wanted: str, grant: Grant) -> dict[str, Any]:
    is_user = grant.kind == USER
    person = call.site.books(Persons).person(grant.family.name)
    names = pages.page_names(grant.family.name) if is_user else (grant.name,)
    targets = [call.site.account(name).id for name in names]
    scopes = sorted(CONSENT.scopes if grant.scopes is None else grant.scopes)
    issued_at = grant.issued_at or call.world.now()
    data = {
        **oauth.described(wanted, call.site, user_id=person.id),
        "app_id": grant.family.client_id or "sandbox-client",
        "type": "USER" if is_user else "PAGE",
        "data_access_expires_at": int(issued_at + _DATA_ACCESS_SECONDS),
        "scopes": scopes,
        "granular_scopes": [
            {"scope": scope, "target_ids": targets}
            for scope in scopes
            if scope.startswith(("pages_", "instagram_"))
        ],
    }
    return data if is_user else {**data, "profile_id": targets[0]}


def permissions(call: Call) -> Answer:
    """`GET /me/permissions`: what was granted and what was declined."""
    grant = _persons_grant(call)
    granted = frozenset(CONSENT.scopes) if grant.scopes is None else grant.scopes
    asked = {scope for scope in grant.family.request.get("scope", "").split(",") if scope}
    told = [{"permission": scope, "status": "granted"} for scope in sorted(granted)]
    told += [{"permission": scope, "status": "declined"} for scope in sorted(asked - granted)]
    return Answer(200, {"data": told})


def revoke(call: Call) -> Answer:
    """`DELETE /me/permissions`: every token of this consent dies, the pages' too."""
    _persons_grant(call)
    call.site.tokens.burn(underlying(token_of(call)))
    return Answer(200, {"success": True})


def _persons_grant(call: Call) -> Grant:
    if call.grant is None or not is_person(call):
        raise bad_parameter("Tried accessing nonexisting field (permissions) on node type (Page)")
    if call.params.get("id", "me") not in ("me", call.account.id):
        raise no_object(call.method, call.params["id"])
    return call.grant
