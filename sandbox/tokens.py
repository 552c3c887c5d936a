"""Who a token speaks for. Any `demo-<name>` works; `refresh-<name>` starts a refresh family."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
ACCESS_LIFE_SECONDS = 7200


class TokenRefused(Exception):
    """`reason` is "invalid", "expired" or "revoked"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Family:
    """All tokens that descend from one consent. A replayed refresh token burns it whole."""

    name: str
    burnt: bool = False
    used: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token and the refresh token that replaces it, once."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int = ACCESS_LIFE_SECONDS


class Tokens:
    """The tokens of one network."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self.revoked: set[str] = set()
        self.expired: set[str] = set()
        self._issued: dict[str, tuple[Family, float]] = {}  # access token -> family, expires_at
        self._refresh: dict[str, Family] = {}
        self._first: dict[str, Family] = {}  # name -> the family of demo-<name>, refresh-<name>

    def account_name(self, token: str) -> str:
        """Return whom an access token speaks for; raises TokenRefused."""
        self.check_alive(token)
        issued = self._issued.get(token)
        if issued is not None:
            family, expires_at = issued
            if family.burnt:
                raise TokenRefused("revoked")
            if self._now() >= expires_at:
                raise TokenRefused("expired")
            return family.name
        name = _named(token, "demo-")
        if name is None:
            raise TokenRefused("invalid")
        first = self._first.get(name)
        if first is not None and first.burnt:
            raise TokenRefused("revoked")
        return name

    def check_alive(self, token: str) -> None:
        """Raise TokenRefused when the token was revoked or made to expire."""
        if token in self.revoked:
            raise TokenRefused("revoked")
        if token in self.expired:
            raise TokenRefused("expired")

    def refresh(self, token: str) -> Pair:
        """Swap a refresh token for a new pair; a second use burns the family and is refused."""
        family = self._refresh.get(token)
        if family is None:
            name = _named(token, "refresh-")
            if name is None:
                raise TokenRefused("invalid")
            family = self._first.setdefault(name, Family(name))
            self._refresh[token] = family
        self.check_alive(token)
        if family.burnt:
            raise TokenRefused("revoked")
        if token in family.used:
            family.burnt = True
            raise TokenRefused("revoked")
        family.used.add(token)
        pair = Pair(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        self._issued[pair.access_token] = (family, self._now() + pair.expires_in)
        self._refresh[pair.refresh_token] = family
        return pair

    def restore(self, token: str) -> None:
        self.revoked.discard(token)
        self.expired.discard(token)


class Clients:
    """OAuth 2.0 clients: id -> secret, or None for a public client."""

    def __init__(self) -> None:
        self._secrets: dict[str, str | None] = {
            "sandbox-client": "sandbox-client-secret",
            "sandbox-public": None,
        }

    def register(self, client_id: str, secret: str | None) -> None:
        self._secrets[client_id] = secret

    def is_public(self, client_id: str) -> bool:
        return self._secrets.get(client_id, "") is None

    def accepts(self, client_id: str, secret: str) -> bool:
        known = self._secrets.get(client_id)
        return known is not None and hmac.compare_digest(known.encode(), secret.encode())


def _named(token: str, prefix: str) -> str | None:
    name = token.removeprefix(prefix)
    return name if name != token and NAME.fullmatch(name) else None
