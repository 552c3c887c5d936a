"""What in a post's progress gives access by itself is encrypted in its row.

Upload sessions and upload addresses need no token: whoever has one can put a file there. Adapters
keep them under the progress key "secret" (a JSON object); outside the publisher's memory it is a
ciphertext.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platforms.credentials import CredentialError, decrypt, encrypt

SECRET = "secret"
HIDDEN = "encrypted"


def sealed(progress: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the progress as it goes into the row."""
    if not isinstance(progress.get(SECRET), dict):
        return progress
    return {**progress, SECRET: encrypt(progress[SECRET]).decode()}


def opened(progress: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the progress as adapters know it; a secret that no key opens is left out.

    The network is then asked what became of the upload, or it is made anew.
    """
    if not isinstance(progress.get(SECRET), str):
        return progress
    rest = {name: value for name, value in progress.items() if name != SECRET}
    try:
        return {**rest, SECRET: decrypt(progress[SECRET].encode())}
    except CredentialError:
        return rest


def shown(progress: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the progress as people may see it."""
    return {**progress, SECRET: HIDDEN} if SECRET in progress else progress
