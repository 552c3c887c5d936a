"""Instagram Login's consent and tokens; api.instagram.com has errors of its own shape."""

from __future__ import annotations

from sandbox.codes import CodeRefused
from sandbox.consent import Consent
from sandbox.exchange import Answer, Call, Refusal
from sandbox.graph import oauth
from sandbox.graph.errors import bad_parameter
from sandbox.graph.params import Params
from sandbox.instagram.accounts import scoped_id
from sandbox.tokens import Terms

CONSENT = Consent(
    network="instagram",
    label="Instagram",
    scopes={
        "instagram_business_basic": "see your profile and your media",
        "instagram_business_content_publish": "publish media",
        "instagram_business_manage_comments": "comment, and manage comments",
        "instagram_business_manage_insights": "see how your media do",
        "instagram_business_manage_messages": "read and answer messages",
    },
    locked_scopes=frozenset({"instagram_business_basic"}),
    separator=",",
    code_life_s=3600,
    denial={
        "error": "access_denied",
        "error_reason": "user_denied",
        "error_description": "The user denied your request",
    },
    fragment="_",
    errors_on_page=True,
)
_TERMS = Terms(access_life_s=oauth.SHORT_LIFE_SECONDS, has_refresh=False)
_MESSAGES = {
    "used": "This authorization code has been used",
    "expired": "This authorization code has expired",
    "wrong_redirect": (
        "Error validating verification code. Please make sure your redirect_uri is identical to "
        "the one you used in the OAuth dialog request"
    ),
}


def token(call: Call) -> Answer:
    """`POST /oauth/access_token`, a form: a code for a token of one hour.

    `user_id` is the app-scoped id, a number; the professional id comes from /me.
    """
    params = Params(dict(call.form()), {})
    client_id = params.text("client_id")
    if not call.world.clients.accepts(client_id, params.text("client_secret")):
        raise _refused("Invalid platform app")
    if params.text("grant_type") != "authorization_code":
        raise _refused("Invalid grant_type")
    try:
        family = call.site.codes.redeem(
            params.text("code"), client_id=client_id, redirect_uri=params.text("redirect_uri")
        )
    except CodeRefused as bad:
        raise _refused(_MESSAGES.get(bad.reason, "Invalid authorization code")) from None
    pair = call.site.tokens.issue(family, _TERMS, kind=oauth.SHORT)
    return Answer(
        200,
        {
            "access_token": pair.access_token,
            "user_id": int(scoped_id(call.site.account(family.name))),
            "permissions": ",".join(sorted(family.scopes or ())),
        },
    )


def lengthen(call: Call) -> Answer:
    _check_grant_type(call, "ig_exchange_token")
    return oauth.lengthen(call)


def renew(call: Call) -> Answer:
    _check_grant_type(call, "ig_refresh_token")
    return oauth.renew(call)


def _check_grant_type(call: Call, wanted: str) -> None:
    if Params.of(call).text("grant_type") != wanted:
        raise bad_parameter(f"Param grant_type must be {wanted}")


def _refused(message: str) -> Refusal:
    body = {"error_type": "OAuthException", "code": 400, "error_message": message}
    return Refusal(Answer(400, body))
