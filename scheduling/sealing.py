"""What gives power to whoever holds it is encrypted in the rows, and opened in a slot's hands only.

Progress key "sealed" is an object in a claimed post and an encrypted text in the row. Networks
take bytes from anybody who knows the address of an upload: no dump, page or log may tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platforms.credentials import CredentialError, decrypt, encrypt

SEALED = "sealed"


def seal(progress: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the progress as rows keep it."""
    found = progress.get(SEALED)
    if not isinstance(found, dict):
        return progress
    return {**progress, SEALED: encrypt(found).decode()}


def unseal(progress: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the progress as adapters read it.

    What no key opens any more is left out: the upload then begins anew.
    """
    found = progress.get(SEALED)
    if not isinstance(found, str):
        return progress
    try:
        return {**progress, SEALED: decrypt(found.encode())}
    except CredentialError:
        return {name: value for name, value in progress.items() if name != SEALED}


def shown(progress: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress as people may see it."""
    return {name: "(encrypted)" if name == SEALED else value for name, value in progress.items()}
