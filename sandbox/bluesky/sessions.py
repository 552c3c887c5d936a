"""Signing in with an app password; access tokens for 2 hours; refresh tokens that rotate gently.

A rotated refresh token keeps a grace of 2 hours in which it gives the same successor again. The app
password of `<name>` is `app-<name>`; the main password `main-<name>` asks for a code by e-mail.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sandbox.bluesky import errors, jwts
from sandbox.bluesky.bodies import json_body
from sandbox.bluesky.books import Refresh, books
from sandbox.bluesky.identity import (
    account_of_identifier,
    did_document,
    did_of,
    handle_of,
    known_account,
    server_dids,
)
from sandbox.exchange import Answer, Call, Malformed, Refusal
from sandbox.rates import Allowance, Charge
from sandbox.records import Account
from sandbox.tokens import NAME, TokenRefused

ACCESS_LIFE_SECONDS = 7200
REFRESH_LIFE_SECONDS = 90 * 86_400
GRACE_SECONDS = 7200
_ACCESS, _APP_PASSWORD, _REFRESH = (
    "com.atproto.access",
    "com.atproto.appPass",
    "com.atproto.refresh",
)
_BAD_PASSWORD = "Invalid identifier or password"
_SESSIONS = (Allowance(30, 300), Allowance(300, 86_400))
UNVERIFIED = "unverified"  # accounts whose name starts so have not confirmed their e-mail address


def authenticate(call: Call) -> Account:
    """Whom an access token speaks for; an expired one is a 400, not a 401."""
    token = call.bearer_token
    if not token:
        raise errors.refused(401, name="AuthMissing")
    try:
        call.site.tokens.check_alive(token)
        claims = jwts.verify(token)
        if claims is None:
            return call.site.account(call.site.tokens.account_name(token))
    except TokenRefused as refused:
        raise _dead(refused.reason) from None
    if claims.get("scope") not in (_ACCESS, _APP_PASSWORD):
        raise errors.invalid("Bad token scope", "InvalidToken")
    if claims["exp"] <= call.world.now():
        raise _dead("expired")
    account = known_account(call.site, claims["sub"])
    if account is None:
        raise _dead("invalid")
    return account


def _dead(reason: str) -> Refusal:
    if reason == "expired":
        return errors.invalid("Token has expired", "ExpiredToken")
    return errors.invalid("Token could not be verified", "InvalidToken")


def session_charges(call: Call) -> Sequence[Charge]:
    """30 sign-ins in 5 minutes and 300 a day, per identifier and address."""
    try:
        identifier = call.json_object().get("identifier")
    except Malformed:
        identifier = None
    who = f"{identifier}-{call.client}"
    return [Charge(who, f"createSession {a.window_s}", a) for a in _SESSIONS]


def create(call: Call) -> Answer:
    """`POST com.atproto.server.createSession` `{"identifier", "password"}`."""
    body = json_body(call)
    for name in ("identifier", "password"):
        if not isinstance(body.get(name), str):
            raise errors.invalid(f'Input must have the property "{name}"')
    account = account_of_identifier(call.site, body["identifier"])
    if account is None:
        raise errors.refused(401, _BAD_PASSWORD)
    password = body["password"]
    if password == f"main-{account.name}":
        text = "A sign in code has been sent to your email address"
        raise errors.refused(401, text, "AuthFactorTokenRequired")
    try:
        call.site.tokens.check_alive(password)
    except TokenRefused:
        raise errors.refused(401, _BAD_PASSWORD) from None
    if password != f"app-{account.name}":
        raise errors.refused(401, _BAD_PASSWORD)
    refresh = _new_refresh(call, account.name)
    return Answer(200, {**_session(call, account), **_tokens(call, account, refresh)})


def refresh(call: Call) -> Answer:
    """`POST com.atproto.server.refreshSession` under the refresh token, without a body."""
    if call.body:
        raise errors.invalid("A request body was provided when none was expected")
    held = _held_refresh(call)
    now = call.world.now()
    if held.revoked or held.expires_at <= now:
        raise errors.invalid("Token has been revoked", "ExpiredToken")
    held.expires_at = min(held.expires_at, now + GRACE_SECONDS)
    if held.successor is None:
        held.successor = _new_refresh(call, held.name)
    if held.successor.revoked:
        raise errors.invalid("Token has been revoked", "ExpiredToken")
    account = call.site.account(held.name)
    session = _session(call, account)
    return Answer(200, {**session, **_tokens(call, account, held.successor)})


def delete(call: Call) -> Answer:
    """`POST com.atproto.server.deleteSession` under the refresh token; access tokens live on."""
    _held_refresh(call, may_be_expired=True).revoked = True
    return Answer(200)


def show(call: Call) -> Answer:
    """`GET com.atproto.server.getSession`."""
    return Answer(200, _session(call, call.account))


def service_auth(call: Call) -> Answer:
    """`GET com.atproto.server.getServiceAuth?aud=&lxm=&exp=` -> a token for another service."""
    query, now = call.query, call.world.now()
    aud, lxm, exp = query.get("aud", ""), query.get("lxm"), query.get("exp")
    if not aud.startswith("did:"):
        raise errors.invalid("Error: aud must be a valid did")
    if exp is not None and not exp.isdecimal():
        raise errors.invalid("Error: exp must be an integer")
    expires_at = int(exp) if exp is not None else int(now) + 60
    if expires_at < now:
        raise errors.invalid("expiration is in past", "BadExpiration")
    if expires_at > now + 3600:
        text = "cannot request a token with an expiration more than an hour in the future"
        raise errors.invalid(text, "BadExpiration")
    if lxm is None and expires_at > now + 60:
        text = "cannot request a method-less token with an expiration more than a minute ahead"
        raise errors.invalid(text, "BadExpiration")
    claims = {"iat": int(now), "iss": did_of(call.account), "aud": aud, "exp": expires_at}
    if lxm is not None:
        claims["lxm"] = lxm
    return Answer(200, {"token": jwts.sign("JWT", {**claims, "jti": secrets.token_hex(16)})})


def _session(call: Call, account: Account) -> dict[str, Any]:
    return {
        "did": did_of(account),
        "didDoc": did_document(account, call),
        "handle": handle_of(account),
        "email": f"{account.id}@example.org",
        "emailConfirmed": not account.name.startswith(UNVERIFIED),
        "emailAuthFactor": True,
        "active": True,
    }


def _tokens(call: Call, account: Account, refresh: Refresh) -> dict[str, str]:
    claims = _claims(call, account, _APP_PASSWORD, ACCESS_LIFE_SECONDS)
    return {"accessJwt": jwts.sign("at+jwt", claims), "refreshJwt": refresh.token}


def _new_refresh(call: Call, name: str) -> Refresh:
    claims = _claims(call, call.site.account(name), _REFRESH, REFRESH_LIFE_SECONDS)
    held = Refresh(jwts.sign("refresh+jwt", claims), name, claims["exp"])
    books(call.site).refresh[held.token] = held
    return held


def _claims(call: Call, account: Account, scope: str, life_s: int) -> dict[str, Any]:
    now = int(call.world.now())
    return {
        "scope": scope,
        "sub": did_of(account),
        "aud": server_dids(call)[0],
        "iat": now,
        "exp": now + life_s,
        "jti": secrets.token_urlsafe(24),
    }


def _held_refresh(call: Call, *, may_be_expired: bool = False) -> Refresh:
    """What the PDS holds of the refresh token; `refresh-<name>` is held from its first use on."""
    token, book = call.bearer_token, books(call.site)
    if not token:
        raise errors.refused(401, name="AuthMissing")
    try:
        call.site.tokens.check_alive(token)
    except TokenRefused as refused:
        text = "Token has expired" if refused.reason == "expired" else "Token has been revoked"
        raise errors.invalid(text, "ExpiredToken") from None
    held = book.refresh.get(token)
    name = token.removeprefix("refresh-")
    if held is None and name != token and NAME.fullmatch(name):
        life_ends_at = call.world.now() + REFRESH_LIFE_SECONDS
        held = book.refresh[token] = Refresh(token, name, life_ends_at)
    claims = jwts.verify(token)
    if claims is not None and claims.get("scope") != _REFRESH:
        raise errors.invalid("Bad token scope", "InvalidToken")
    if held is None:
        raise _dead("invalid")
    if claims is not None and claims["exp"] <= call.world.now() and not may_be_expired:
        raise _dead("expired")
    return held
