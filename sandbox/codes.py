"""Authorization codes: each works once, soon, and only for whom and how it was asked for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sandbox.tokens import Family

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, section 4.1
Reason = Literal[
    "unknown", "used", "expired", "wrong_client", "wrong_redirect", "missing_verifier",
    "wrong_verifier",
]  # fmt: skip


class CodeRefused(Exception):
    """The code is worth nothing; `reason` says why, for the network's own error body."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(slots=True, eq=False)
class _Code:
    family: Family
    redirect_uri: str
    challenge: str
    method: str
    expires_at: float
    used: bool = False


class Codes:
    """The codes of one network."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self._codes: dict[str, _Code] = {}

    def issue(
        self,
        family: Family,
        *,
        redirect_uri: str,
        life_s: float,
        challenge: str = "",
        method: str = "",
    ) -> str:
        """Return a code for the consent. `method`: "S256", "plain", or "S256-hex" (TikTok)."""
        code = secrets.token_urlsafe(32)
        expires_at = self._now() + life_s
        self._codes[code] = _Code(family, redirect_uri, challenge, method, expires_at)
        return code

    def redeem(self, code: str, *, client_id: str, redirect_uri: str, verifier: str = "") -> Family:
        """Use the code up and return its consent's family, for `tokens.issue`; raises CodeRefused.

        A second use burns the family, and with it the tokens that the first use brought. A refused
        attempt leaves the code as it was. The caller has checked the client's secret.
        """
        found = self._codes.get(code)
        if found is None:
            raise CodeRefused("unknown")
        if found.used:
            found.family.burnt = True
            raise CodeRefused("used")
        if self._now() >= found.expires_at:
            raise CodeRefused("expired")
        if found.family.client_id != client_id:
            raise CodeRefused("wrong_client")
        if found.redirect_uri != redirect_uri:
            raise CodeRefused("wrong_redirect")
        if found.challenge:
            _check_verifier(found, verifier)
        found.used = True
        return found.family


def _check_verifier(code: _Code, verifier: str) -> None:
    if not verifier:
        raise CodeRefused("missing_verifier")
    if not _VERIFIER.fullmatch(verifier):
        raise CodeRefused("wrong_verifier")
    expected = challenge_of(verifier, code.method)
    if not hmac.compare_digest(expected.encode(), code.challenge.encode()):
        raise CodeRefused("wrong_verifier")


def challenge_of(verifier: str, method: str) -> str:
    """Return the PKCE challenge of a verifier (RFC 7636; "S256-hex" is TikTok's spelling)."""
    if method == "plain":
        return verifier
    digest = hashlib.sha256(verifier.encode())
    if method == "S256-hex":
        return digest.hexdigest()
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
