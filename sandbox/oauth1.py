"""OAuth 1.0a as a server checks it: HMAC-SHA1 signature, timestamp, nonce (RFC 5849), and the
three legs: a request token, a person's permission, an access token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

CLOCK_SKEW_SECONDS = 300
_PAIR = re.compile(r'\s*([A-Za-z0-9_]+)="([^"]*)"\s*')
_REQUIRED = ("oauth_consumer_key", "oauth_nonce", "oauth_timestamp", "oauth_signature")
_REQUEST_TOKEN_LIFE_SECONDS = 900.0
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Denied(Exception):
    """The request is not signed as it must be; the message says why, for whoever debugs."""


class Consumers:
    """The applications known to the sandbox: consumer key -> secret."""

    def __init__(self) -> None:
        self._secrets = {"sandbox-consumer": "sandbox-consumer-secret"}

    def register(self, key: str, secret: str) -> None:
        self._secrets[key] = secret

    def secret(self, key: str) -> str | None:
        return self._secrets.get(key)


class Nonces:
    """The nonces seen within twice the allowed clock skew, per token."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self._seen: set[tuple[str, str]] = set()
        self._order: deque[tuple[float, tuple[str, str]]] = deque()

    def is_fresh(self, token: str, nonce: str) -> bool:
        """Remember the nonce; False when the token has used it before."""
        now = self._now()
        while self._order and now - self._order[0][0] > 2 * CLOCK_SKEW_SECONDS:
            self._seen.discard(self._order.popleft()[1])
        if (token, nonce) in self._seen:
            return False
        self._seen.add((token, nonce))
        self._order.append((now, (token, nonce)))
        return True


@dataclass(slots=True, eq=False)
class RequestToken:
    """The first leg's token; a person's permission adds `name` and `verifier`."""

    token: str
    secret: str = field(repr=False)
    consumer_key: str
    callback: str  # "oob": the person copies the verifier
    ends_at: float
    name: str = ""
    verifier: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The last leg's token: without end, for one consumer."""

    token: str
    secret: str = field(repr=False)
    consumer_key: str
    name: str


class Legs:
    """The request and access tokens of one network."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self._requests: dict[str, RequestToken] = {}
        self._access: dict[str, AccessToken] = {}

    def request(self, consumer_key: str, callback: str) -> RequestToken:
        made = RequestToken(
            secrets.token_urlsafe(20),
            secrets.token_urlsafe(24),
            consumer_key,
            callback,
            self._now() + _REQUEST_TOKEN_LIFE_SECONDS,
        )
        self._requests[made.token] = made
        return made

    def asked(self, token: str) -> RequestToken | None:
        """The request token while it can be used: unspent and younger than 15 minutes."""
        found = self._requests.get(token)
        return found if found is not None and self._now() < found.ends_at else None

    def permit(self, request: RequestToken, name: str) -> None:
        digits = "".join(secrets.choice("0123456789") for _ in range(7))
        request.name = name
        request.verifier = digits if request.callback == "oob" else secrets.token_urlsafe(24)

    def refuse(self, request: RequestToken) -> None:
        self._requests.pop(request.token, None)

    def trade(self, request: RequestToken, account_id: str) -> AccessToken:
        """Return the access token; the request token is spent."""
        del self._requests[request.token]
        token = f"{account_id}-{secrets.token_urlsafe(20)}"
        made = AccessToken(token, secrets.token_urlsafe(32), request.consumer_key, request.name)
        self._access[token] = made
        return made

    def access(self, token: str) -> AccessToken | None:
        return self._access.get(token)


def parse_header(header: str) -> dict[str, str]:
    """Return the parameters of an `OAuth ...` Authorization header, decoded; raises Denied."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "oauth":
        raise Denied("the Authorization header does not say OAuth")
    parameters: dict[str, str] = {}
    for item in rest.split(","):
        pair = _PAIR.fullmatch(item)
        if pair is None:
            raise Denied(f"unreadable parameter {item.strip()[:20]!r}")
        name = unquote(pair[1])
        if name in parameters:
            raise Denied(f"{name} is given twice")
        parameters[name] = unquote(pair[2])
    return parameters


def base_string(method: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the signature base string of RFC 5849, section 3.4.1; `url` may carry a query."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme.lower()):
        host = f"{host}:{parts.port}"
    base_url = f"{parts.scheme.lower()}://{host}{parts.path or '/'}"
    everything = [*parameters, *parse_qsl(parts.query, keep_blank_values=True)]
    encoded = sorted((_encode(name), _encode(value)) for name, value in everything)
    normalized = "&".join(f"{name}={value}" for name, value in encoded)
    return "&".join((method.upper(), _encode(base_url), _encode(normalized)))


def sign(text: str, consumer_secret: str, token_secret: str) -> str:
    """Return the HMAC-SHA1 signature in base64."""
    key = f"{_encode(consumer_secret)}&{_encode(token_secret)}".encode()
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha1)).decode()


def verify(
    header: str,
    *,
    method: str,
    url: str,
    form: str,
    consumers: Consumers,
    token_secret: Callable[[str, str], str | None],
    nonces: Nonces,
    now: float,
    has_token: bool = True,
) -> dict[str, str]:
    """Return the header's parameters of a well-signed request; raises Denied.

    `form`: the body when it is `application/x-www-form-urlencoded`, else empty: JSON and
    multipart bodies are not part of the signature. `token_secret(token, consumer_key)` is None for
    tokens that the consumer does not have. `has_token` False: the first leg, signed without one.
    """
    given = parse_header(header)
    for name in (*_REQUIRED, "oauth_token") if has_token else _REQUIRED:
        if not given.get(name):
            raise Denied(f"{name} is missing")
    consumer_secret = _consumer_secret(given, consumers)
    token = given.get("oauth_token", "")
    secret = token_secret(token, given["oauth_consumer_key"]) if has_token else ""
    if secret is None:
        raise Denied("the token is unknown")
    if not given["oauth_timestamp"].isdecimal():
        raise Denied("the timestamp is not a number")
    if abs(now - int(given["oauth_timestamp"])) > CLOCK_SKEW_SECONDS:
        raise Denied("the timestamp is more than 5 minutes off")
    signed = [(k, v) for k, v in given.items() if k not in ("realm", "oauth_signature")]
    signed += parse_qsl(form, keep_blank_values=True)
    expected = sign(base_string(method, url, signed), consumer_secret, secret)
    if not hmac.compare_digest(expected.encode(), given["oauth_signature"].encode()):
        raise Denied("the signature does not match")
    if not nonces.is_fresh(token or given["oauth_consumer_key"], given["oauth_nonce"]):
        raise Denied("the nonce was used before")
    return given


def _consumer_secret(given: dict[str, str], consumers: Consumers) -> str:
    if given.get("oauth_signature_method") != "HMAC-SHA1":
        raise Denied("only HMAC-SHA1 is accepted")
    if given.get("oauth_version", "1.0") != "1.0":
        raise Denied("oauth_version must be 1.0")
    secret = consumers.secret(given["oauth_consumer_key"])
    if secret is None:
        raise Denied("the consumer key is unknown")
    return secret


def _encode(text: str) -> str:
    return quote(text, safe="-._~")
