"""Access tokens for a Google service account, kept while they last (RFC 7523).

One refresher at a time in a process; processes share the token through the cache, encrypted, so
that a new slot every ten minutes does not ask Google anew. Nothing of the account is ever logged.
Source: Google Identity, "Using OAuth 2.0 for server to server applications" (read 2026-11-24).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from engine import wall_clock
from engine.credentials import CredentialError, decrypt, encrypt
from engine.errors import ErrorCategory, ServiceError
from engine.http import Http
from notifications.channels.base import ErrorTable, Meaning, refusal, unreadable

C = ErrorCategory
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE = timedelta(hours=1)  # the longest that Google gives
SPARE_SECONDS = 300.0  # a token that ends sooner is not begun with
NAME = "Google's token service"
ACCOUNT_NEEDS = ("project_id", "client_email", "private_key")
DEFAULT_TOKEN_URI = "https://oauth2.googleapis.com/token"
_KEY = "FIREBASE_SERVICE_ACCOUNT is refused: make a new key, and look at this host's clock"
ERRORS: ErrorTable = {
    (400, ""): Meaning(C.AUTH_ERROR, _KEY),
    (0, "invalid_grant"): Meaning(C.AUTH_ERROR, _KEY),
    (0, "invalid_client"): Meaning(C.AUTH_ERROR, _KEY),
    (0, "invalid_scope"): Meaning(C.PERMISSION, "the service account may not send messages"),
    (0, "unauthorized_client"): Meaning(C.PERMISSION, "the service account may not do this"),
    (404, ""): Meaning(C.AUTH_ERROR, "the account's token_uri leads nowhere"),
}


class BadAccount(ValueError):
    """FIREBASE_SERVICE_ACCOUNT cannot be used; the message never repeats it."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What Firebase's console gives as a key file."""

    project_id: str
    client_email: str
    key: RSAPrivateKey = field(repr=False)
    token_uri: str
    key_id: str = ""


@lru_cache(maxsize=4)
def read_account(text: str) -> ServiceAccount | None:
    """Return the account in a key file's JSON, None for none ("{}"); raises BadAccount."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        raise BadAccount("it is not JSON") from None
    if found == {}:
        return None
    if not isinstance(found, dict):
        raise BadAccount("it is not a JSON object")
    missing = [name for name in ACCOUNT_NEEDS if not isinstance(found.get(name), str)]
    if missing:
        raise BadAccount(f"it lacks {', '.join(missing)}")
    return ServiceAccount(
        found["project_id"],
        found["client_email"],
        _private_key(found["private_key"]),
        str(found.get("token_uri") or DEFAULT_TOKEN_URI),
        str(found.get("private_key_id") or ""),
    )


def _private_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise BadAccount("its private_key is not a PEM key") from None
    if not isinstance(key, RSAPrivateKey):
        raise BadAccount("its private_key is not an RSA key")
    return key


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token with its life; instants are epoch seconds."""

    text: str = field(repr=False)
    given_at: float
    ends_at: float

    def is_fresh(self, now: float) -> bool:
        """Say whether a call may begin with it."""
        return now < self.ends_at - SPARE_SECONDS


class AccessTokens:
    """The account's token: from memory, else from the cache, else from Google."""

    def __init__(self) -> None:
        self._token: AccessToken | None = None
        self._of: ServiceAccount | None = None
        self._lock = asyncio.Lock()
        self._shared: BaseCache | None = None

    @property
    def _cache(self) -> BaseCache:
        """Return one cache for all threads: each would open a connection of its own."""
        if self._shared is None:
            self._shared = caches["default"]
        return self._shared

    async def get(self, http: Http, account: ServiceAccount) -> AccessToken:
        """Return a token that lasts for a call; raises ServiceError, and nothing was sent then."""
        async with self._lock:
            now = wall_clock.now()
            if self._token is not None and self._of == account and self._token.is_fresh(now):
                return self._token
            token = await asyncio.to_thread(_from_cache, self._cache, account)
            if token is None or not token.is_fresh(now):
                token = await _ask(http, account)
                await asyncio.to_thread(_to_cache, self._cache, account, token)
            self._token, self._of = token, account
            return token

    async def forget(self, account: ServiceAccount, token: AccessToken) -> None:
        """Drop a token that was refused, everywhere, unless there is a newer one by now."""
        async with self._lock:
            if self._token == token:
                self._token = None
            if await asyncio.to_thread(_from_cache, self._cache, account) == token:
                await asyncio.to_thread(_drop, self._cache, account)


def assertion_of(account: ServiceAccount, now: float) -> str:
    """Return the signed request for a token (RS256)."""
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": int(now),
        "exp": int(now + LIFE.total_seconds()),
    }
    headers = {"kid": account.key_id} if account.key_id else None
    return jwt.encode(claims, account.key, algorithm="RS256", headers=headers)


async def _ask(http: Http, account: ServiceAccount) -> AccessToken:
    now = wall_clock.now()
    form = {"grant_type": GRANT, "assertion": assertion_of(account, now)}
    answer = await http.post(account.token_uri, form=form, auth=None)
    found = answer.json_object()
    if not answer.ok:
        code = found.get("error")
        raise refusal(NAME, answer, ERRORS, code=code if isinstance(code, str) else "")
    text, life = found.get("access_token"), found.get("expires_in")
    if not isinstance(text, str) or not text or isinstance(life, bool):
        raise _unreadable(unreadable(NAME, answer))
    seconds = life if isinstance(life, int | float) else LIFE.total_seconds()
    return AccessToken(text, now, now + seconds)


def _unreadable(error: ServiceError) -> ServiceError:
    """A token that cannot be read is no message sent: asking again is harmless."""
    error.category = C.SERVER_ERROR
    error.detail = f"{NAME} gave no token that can be read. Nothing was sent."
    error.excerpt = ""  # it might be the token after all
    return error


def _cache_key(account: ServiceAccount) -> str:
    named = f"{account.client_email} {account.token_uri} {account.key_id}"
    return "fcm-token-" + hashlib.sha256(named.encode()).hexdigest()


def _from_cache(cache: BaseCache, account: ServiceAccount) -> AccessToken | None:
    """Return the shared token, None without one; the cache saves a call and is never needed."""
    sealed: Any = None
    with contextlib.suppress(Exception):  # whatever its backend raises when it is away
        sealed = cache.get(_cache_key(account))
    if not isinstance(sealed, bytes) or not settings.CREDENTIAL_KEYS:
        return None
    try:
        kept = decrypt(sealed)
        return AccessToken(str(kept["text"]), float(kept["given_at"]), float(kept["ends_at"]))
    except (CredentialError, KeyError, ValueError):
        return None


def _to_cache(cache: BaseCache, account: ServiceAccount, token: AccessToken) -> None:
    life = token.ends_at - token.given_at - SPARE_SECONDS
    kept = {"text": token.text, "given_at": token.given_at, "ends_at": token.ends_at}
    if life > 0 and settings.CREDENTIAL_KEYS:
        with contextlib.suppress(Exception):
            cache.set(_cache_key(account), encrypt(kept), life)


def _drop(cache: BaseCache, account: ServiceAccount) -> None:
    with contextlib.suppress(Exception):
        cache.delete(_cache_key(account))
