"""Encryption of what networks give us: `engine.credentials` by its name among networks."""

from __future__ import annotations

from engine.credentials import (
    CredentialError,
    decrypt,
    encrypt,
    is_current,
    key_problem,
    rotate,
)

__all__ = ["CredentialError", "decrypt", "encrypt", "is_current", "key_problem", "rotate"]
