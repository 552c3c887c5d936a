"""Signatures of callbacks as Standard Webhooks asks: HMAC-SHA256 over id, timestamp and body.

Endpoints have secrets of their own. Those of callbacks are CALLBACK_SECRET, newest first; every one
of them signs, so that receivers can change over one by one. Without any, one is derived from
SECRET_KEY (HKDF-SHA256), and `python manage.py callback_secret` prints it for the receivers.
Source: Standard Webhooks 1.0.0, "Signature scheme".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PREFIX = "whsec_"
SHORTEST_BYTES, LONGEST_BYTES = 24, 64
_NEW_BYTES = 32
_PURPOSE = b"carillon: callback signatures, version 1"  # changing it changes everybody's secret


class BadSecret(ValueError):
    """A secret that is not `whsec_` and 24 to 64 bytes in base64."""


def secrets() -> tuple[str, ...]:
    """Return the secrets that sign now, as their receivers know them (`whsec_...`)."""
    given = tuple(settings.CALLBACK_SECRET)
    return given or (_derived(settings.SECRET_KEY),)


def new_secret() -> str:
    """Return a random secret as its receiver will know it."""
    return PREFIX + base64.b64encode(os.urandom(_NEW_BYTES)).decode()


def read_secret(text: str) -> bytes:
    """Return a secret's bytes; raises BadSecret, which never repeats the secret."""
    if not text.startswith(PREFIX):
        raise BadSecret(f"it does not begin with {PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise BadSecret(f"what follows {PREFIX} is not base64") from None
    if not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise BadSecret(f"it has {len(key)} bytes, not {SHORTEST_BYTES} to {LONGEST_BYTES}")
    return key


def sign(message_id: str, timestamp: int, body: bytes, using: Sequence[str] = ()) -> str:
    """Return the webhook-signature header: one `v1,<base64>` per secret, ours unless given.

    `timestamp` is Unix seconds; neither it nor `message_id` may contain a dot.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    keys = (read_secret(text) for text in using or secrets())
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


@lru_cache
def _derived(secret_key: str) -> str:
    key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
    return PREFIX + base64.b64encode(key).decode()
