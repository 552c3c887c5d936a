"""X's OAuth 1.0a: request token, permission, access token; and who signed a call.

`<name>-token` with `<name>-secret` works at once, for every consumer. Answers of the token service
are URL-encoded text, as on X. Guesses: request tokens live 15 minutes; every refusal of the two
POSTs is the 401 with code 32, or 215 without any authorization.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import urlencode

from sandbox import consent_page, oauth1
from sandbox.consent import BAD_NAME, DEFAULT_ACCOUNT, redirect_problem, with_parameters
from sandbox.exchange import Answer, Call, Refusal, redirect
from sandbox.tokens import NAME

Secrets = Callable[[str, str], str | None]  # token, consumer key -> the token's secret
_COPIED = "oob"
_MAY = (
    consent_page.Box("read", "See posts and profiles", is_ticked=True, is_locked=True),
    consent_page.Box("write", "Post and delete posts for you", is_ticked=True, is_locked=True),
)


def request_token(call: Call) -> Answer:
    """First leg: signed with the consumer's secret alone, with `oauth_callback` in the header."""
    given = _verified(call, has_token=False)
    callback = given.get("oauth_callback", "")
    if not callback or (callback != _COPIED and redirect_problem(callback)):
        raise _refused(32, "the oauth_callback is missing or no address")
    made = call.site.legs.request(given["oauth_consumer_key"], callback)
    return _encoded(
        oauth_token=made.token, oauth_token_secret=made.secret, oauth_callback_confirmed="true"
    )


def ask(call: Call) -> Answer:
    """Second leg: the page."""
    request = _asked(call)
    account = call.query.get("screen_name", "")
    return _page(request, account if NAME.fullmatch(account) else DEFAULT_ACCOUNT)


def decide(call: Call) -> Answer:
    """Back to the callback with a verifier, or with `denied`."""
    request = _asked(call)
    form = dict(call.form())
    if form.get("decision") != "allow":
        call.site.legs.refuse(request)
        if request.callback == _COPIED:
            return consent_page.problem("x", "X", "You did not allow it.")
        return redirect(with_parameters(request.callback, {"denied": request.token}))
    name = form.get("account", "").strip()
    if not NAME.fullmatch(name):
        return _page(request, name, BAD_NAME)
    call.site.account(name)
    call.site.legs.permit(request, name)
    if request.callback == _COPIED:
        return consent_page.show("x", "X", "Your PIN", request.verifier)
    parameters = {"oauth_token": request.token, "oauth_verifier": request.verifier}
    return redirect(with_parameters(request.callback, parameters))


def access_token(call: Call) -> Answer:
    """Third leg: signed with the request token's secret; the verifier in header, query or body."""
    given = _verified(call)
    request = call.site.legs.asked(given["oauth_token"])
    verifier = given.get("oauth_verifier", "")
    if (
        request is None
        or not request.verifier
        or not hmac.compare_digest(request.verifier.encode(), verifier.encode())
    ):
        raise _refused(32, "the oauth_verifier does not fit, or nobody has agreed")
    account = call.site.account(request.name)
    made = call.site.legs.trade(request, account.id)
    return _encoded(
        oauth_token=made.token,
        oauth_token_secret=made.secret,
        user_id=account.id,
        screen_name=account.name,
    )


def account_name(call: Call, header: str) -> str:
    """Return who signed the call; raises oauth1.Denied or TokenRefused."""
    token = _verify(call, header, _of_access(call))["oauth_token"]
    call.site.tokens.check_alive(token)
    made = call.site.legs.access(token)
    return made.name if made is not None else token.removesuffix("-token")


def _verify(call: Call, header: str, secrets: Secrets, *, has_token: bool = True) -> dict[str, str]:
    """Return all signed parameters: of the body, the query and the header; raises Denied."""
    given = oauth1.verify(
        header,
        method=call.method,
        url=call.url,
        form=call.raw_form(),
        consumers=call.world.consumers,
        token_secret=secrets,
        nonces=call.site.nonces,
        now=call.world.now(),
        has_token=has_token,
    )
    return {**dict(call.form()), **call.query, **given}


def _of_access(call: Call) -> Secrets:
    def secret(token: str, consumer_key: str) -> str | None:
        made = call.site.legs.access(token)
        if made is not None:
            return made.secret if made.consumer_key == consumer_key else None
        name = token.removesuffix("-token")
        return f"{name}-secret" if name != token and NAME.fullmatch(name) else None

    return secret


def _of_requests(call: Call) -> Secrets:
    def secret(token: str, consumer_key: str) -> str | None:
        made = call.site.legs.asked(token)
        return made.secret if made is not None and made.consumer_key == consumer_key else None

    return secret


def _verified(call: Call, *, has_token: bool = True) -> dict[str, str]:
    """As `_verify`, for the token service."""
    header = call.headers.get("Authorization", "")
    if not header:
        raise _refused(215, "there is no Authorization header")
    try:
        return _verify(call, header, _of_requests(call), has_token=has_token)
    except oauth1.Denied as denied:
        raise _refused(32, str(denied)) from None


def _asked(call: Call) -> oauth1.RequestToken:
    request = call.site.legs.asked(call.query.get("oauth_token", ""))
    if request is None or request.verifier:
        text = "The request token for this page is invalid: it is unknown, used or too old."
        raise Refusal(consent_page.problem("x", "X", text))
    return request


def _page(request: oauth1.RequestToken, account: str, problem: str = "") -> Answer:
    return consent_page.ask(
        "x",
        "X",
        client=request.consumer_key,
        redirect_uri="" if request.callback == _COPIED else request.callback,
        account=account,
        boxes=_MAY,
        problem=problem,
    )


def _encoded(**parameters: str) -> Answer:
    return Answer(200, urlencode(parameters).encode(), content_type="text/html")


def _refused(code: int, reason: str) -> Refusal:
    texts = {
        32: "Could not authenticate you.",
        215: "Bad Authentication data.",
    }
    answer = Answer(401, {"errors": [{"code": code, "message": texts[code]}]})
    answer.headers["x-sandbox-reason"] = reason
    return Refusal(answer)
