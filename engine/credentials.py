"""Encryption of credentials at rest: Fernet with a list of keys, the first of which encrypts."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CredentialError(Exception):
    """No key in CREDENTIAL_KEYS opens a stored secret."""


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _current_box() -> MultiFernet:
    return _box(tuple(settings.CREDENTIAL_KEYS))


def encrypt(credentials: dict[str, Any]) -> bytes:
    """Return `credentials` as an encrypted token (JSON inside)."""
    return _current_box().encrypt(json.dumps(credentials, separators=(",", ":")).encode())


def decrypt(token: bytes) -> dict[str, Any]:
    """Return the credentials inside `token`; raises CredentialError when no key opens it."""
    try:
        plain = _current_box().decrypt(token)
    except InvalidToken:
        raise CredentialError(
            "These credentials were encrypted with a key that is not in CREDENTIAL_KEYS: "
            "add the old key to the end of the list, then run `manage.py rotate_keys`."
        ) from None
    loaded: dict[str, Any] = json.loads(plain)
    return loaded


def key_problem() -> str:
    """Return why CREDENTIAL_KEYS cannot encrypt, in a sentence with the remedy, or ""."""
    make = (
        'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    )
    if not settings.CREDENTIAL_KEYS:
        return f"CREDENTIAL_KEYS is empty: make a key with `{make}`."
    for number, key in enumerate(settings.CREDENTIAL_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            return f"Key {number} of CREDENTIAL_KEYS is not a Fernet key: make one with `{make}`."
    return ""


def is_current(token: bytes) -> bool:
    """Say whether `token` was encrypted with the first key."""
    try:
        Fernet(settings.CREDENTIAL_KEYS[0]).decrypt(token)
    except InvalidToken:
        return False
    return True


def rotate(token: bytes) -> bytes:
    """Return `token` encrypted anew with the first key."""
    try:
        return _current_box().rotate(token)
    except InvalidToken:
        raise CredentialError("no key in CREDENTIAL_KEYS opens this secret") from None
