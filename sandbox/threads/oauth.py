"""Threads' consent, its tokens, and what it says of them."""

from __future__ import annotations

from sandbox.consent import Consent
from sandbox.exchange import Answer, Call
from sandbox.graph import oauth
from sandbox.graph.access import read_token
from sandbox.graph.params import Params
from sandbox.threads.errors import bad
from sandbox.tokens import Terms, TokenRefused

CONSENT = Consent(
    network="threads",
    label="Threads",
    scopes={
        "threads_basic": "see your profile and your posts",
        "threads_content_publish": "publish posts",
        "threads_manage_replies": "reply, and hide replies",
        "threads_read_replies": "read replies",
        "threads_manage_insights": "see how your posts do",
        "threads_delete": "delete posts",
        "threads_keyword_search": "search for posts",
        "threads_manage_mentions": "see where you are mentioned",
        "threads_location_tagging": "tag places",
        "threads_profile_discovery": "look up public profiles",
    },
    locked_scopes=frozenset({"threads_basic"}),
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


def token(call: Call) -> Answer:
    """`POST /oauth/access_token`: a code for a token of one hour."""
    params = Params.of(call)
    if params.text("grant_type") != "authorization_code":
        raise bad("Param grant_type must be authorization_code")
    family = oauth.redeem(call, params)
    pair = call.site.tokens.issue(family, _TERMS, kind=oauth.SHORT)
    user_id = int(call.site.account(family.name).id)  # a number beyond 2^53, as the network has it
    return Answer(200, {"access_token": pair.access_token, "user_id": user_id})


def lengthen(call: Call) -> Answer:
    _check_grant_type(call, "th_exchange_token")
    return oauth.lengthen(call)


def renew(call: Call) -> Answer:
    _check_grant_type(call, "th_refresh_token")
    return oauth.renew(call)


def debug_token(call: Call) -> Answer:
    """`GET /debug_token?input_token=`: for any token, dead ones too."""
    wanted = Params.of(call).text("input_token")
    try:
        name = read_token(wanted, call.site).name
    except TokenRefused as refusal:
        return Answer(200, {"data": oauth.dead(refusal)})
    user_id = call.site.account(name).id
    return Answer(200, {"data": oauth.described(wanted, call.site, user_id=user_id)})


def _check_grant_type(call: Call, wanted: str) -> None:
    if Params.of(call).text("grant_type") != wanted:
        raise bad(f"Param grant_type must be {wanted}")
