"""Is a report really from the provider? Signatures of Twilio and SendGrid, over the exact bytes.

Sources: Twilio docs, "Webhooks security" (HMAC-SHA1 over the address and the sorted form; agrees
with the examples in Twilio's own libraries) and SendGrid docs, "Signed Event Webhook" (ECDSA over
timestamp and body; recalled).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

_PORTS = {"https": 443, "http": 80}


def twilio_signature(token: str, url: str, form: Mapping[str, Sequence[str]]) -> str:
    """Return X-Twilio-Signature: HMAC-SHA1 over the address, then each name with its values."""
    signed = url + "".join(
        name + value for name in sorted(form) for value in sorted(set(form[name]))
    )
    digest = hmac.digest(token.encode(), signed.encode(errors="surrogatepass"), hashlib.sha1)
    return base64.b64encode(digest).decode()


def is_from_twilio(token: str, url: str, form: Mapping[str, Sequence[str]], signature: str) -> bool:
    """Say whether Twilio signed this call to `url`, with or without its usual port written out."""
    if not token:
        return False
    given = signature.encode(errors="replace")
    matches = [
        hmac.compare_digest(twilio_signature(token, way, form).encode(), given)
        for way in _ways_to_write(url)
    ]
    return any(matches)


def _ways_to_write(url: str) -> list[str]:
    parts = urlsplit(url)
    usual = _PORTS.get(parts.scheme)
    host = parts.hostname or ""
    if usual is None or parts.port not in (None, usual):
        return [url]
    bare, full = (parts._replace(netloc=netloc) for netloc in (host, f"{host}:{usual}"))
    return [urlunsplit(bare), urlunsplit(full)]


class BadKey(ValueError):
    """SENDGRID_WEBHOOK_PUBLIC_KEY is no ECDSA public key in base64."""


def is_from_sendgrid(public_key: str, body: bytes, signature: str, timestamp: str) -> bool:
    """Say whether SendGrid signed `timestamp` and `body`; raises BadKey."""
    key = read_public_key(public_key)
    try:
        given = base64.b64decode(signature, validate=True)
        key.verify(given, timestamp.encode(errors="replace") + body, ECDSA(SHA256()))
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=4)
def read_public_key(text: str) -> EllipticCurvePublicKey:
    """Return the key as SendGrid's page shows it: DER in base64; raises BadKey."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise BadKey("it is not a public key in base64") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise BadKey("it is not an ECDSA key")
    return key
