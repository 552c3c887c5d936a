"""Who a token speaks for and what it may do. Any `demo-<name>` works and may do everything;
`refresh-<name>` starts a refresh family; a consent starts a family with the scopes it granted.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
ACCESS_LIFE_SECONDS = 7200


class TokenRefused(Exception):
    """`reason` is "invalid", "expired" or "revoked"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True, eq=False)
class Family:
    """All tokens that descend from one consent. A replayed refresh token or code burns it whole.

    `scopes` None: everything. `request`: the parameters of the authorization request.
    `is_first`: the account had not agreed to this client before.
    """

    name: str
    client_id: str = ""
    scopes: frozenset[str] | None = None
    request: Mapping[str, str] = field(default_factory=dict)
    is_first: bool = True
    consented_at: float = 0.0
    burnt: bool = False
    used: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a network's tokens live, in seconds (None: for ever), and how they are renewed.

    `rotates`: each refresh token works once and brings its successor; else it stays the same.
    `replay_burns`: using a spent one kills the whole family; else it is only refused.
    """

    access_life_s: float | None = ACCESS_LIFE_SECONDS
    refresh_life_s: float | None = None
    has_refresh: bool = True
    rotates: bool = True
    replay_burns: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token, and the refresh token that replaces it ("" where there is none).

    The lives are in whole seconds from now, None = no end.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int | None = ACCESS_LIFE_SECONDS
    refresh_expires_in: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a living access token stands for. `kind` is the network's own word, such as "page"."""

    name: str
    family: Family
    scopes: frozenset[str] | None
    issued_at: float
    expires_at: float | None
    kind: str = ""

    def allows(self, *scopes: str) -> bool:
        return self.scopes is None or self.scopes.issuperset(scopes)


class Tokens:
    """The tokens of one network."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self.revoked: set[str] = set()
        self.expired: set[str] = set()
        self._issued: dict[str, Grant] = {}
        self._refresh: dict[str, tuple[Family, float | None]] = {}  # -> family, expires_at
        self._first: dict[str, Family] = {}  # name -> the family of demo-<name>, refresh-<name>
        self._families: list[Family] = []  # those of consents

    def consent(
        self,
        name: str,
        client_id: str,
        scopes: Iterable[str] | None,
        request: Mapping[str, str] | None = None,
    ) -> Family:
        """Start a family: the account has agreed. Tokens come with `issue`."""
        is_first = not any(
            f.name == name and f.client_id == client_id and not f.burnt for f in self._families
        )
        family = Family(
            name,
            client_id,
            None if scopes is None else frozenset(scopes),
            dict(request or {}),
            is_first,
            self._now(),
        )
        self._families.append(family)
        return family

    def issue(self, family: Family, terms: Terms = Terms(), *, kind: str = "") -> Pair:
        """Return new tokens of the family; with `has_refresh` the pair has a refresh token."""
        now = self._now()
        access_token = self._add_access(
            Grant(
                family.name,
                family,
                family.scopes,
                now,
                None if terms.access_life_s is None else now + terms.access_life_s,
                kind,
            )
        )
        refresh_token = ""
        if terms.has_refresh:
            refresh_token = secrets.token_urlsafe(32)
            ends = None if terms.refresh_life_s is None else now + terms.refresh_life_s
            self._refresh[refresh_token] = (family, ends)
        return Pair(
            access_token, refresh_token, _whole(terms.access_life_s), _whole(terms.refresh_life_s)
        )

    def exchange(
        self,
        token: str,
        *,
        life_s: float | None,
        name: str | None = None,
        scopes: Iterable[str] | None = None,
        kind: str = "",
    ) -> Pair:
        """Return another access token for a living one, of the same family; the old one lives on.

        For long-lived tokens, and, with `name`, for tokens that speak for another account, such as
        a page. `scopes` None keeps those of the old token. Raises TokenRefused.
        """
        old, now = self.grant(token), self._now()
        new = Grant(
            old.name if name is None else name,
            old.family,
            old.scopes if scopes is None else frozenset(scopes),
            now,
            None if life_s is None else now + life_s,
            kind or old.kind,
        )
        return Pair(self._add_access(new), "", _whole(life_s))

    def grant(self, token: str) -> Grant:
        """Return what an access token stands for; raises TokenRefused."""
        self.check_alive(token)
        grant = self._issued.get(token)
        if grant is None:
            name = _named(token, "demo-")
            if name is None:
                raise TokenRefused("invalid")
            family = self._first_family(name)
            grant = Grant(name, family, None, 0.0, None)
        if grant.family.burnt:
            raise TokenRefused("revoked")
        if grant.expires_at is not None and self._now() >= grant.expires_at:
            raise TokenRefused("expired")
        return grant

    def account_name(self, token: str) -> str:
        """Return whom an access token speaks for; raises TokenRefused."""
        return self.grant(token).name

    def check_alive(self, token: str) -> None:
        """Raise TokenRefused when the token was revoked or made to expire."""
        if token in self.revoked:
            raise TokenRefused("revoked")
        if token in self.expired:
            raise TokenRefused("expired")

    def refresh(self, token: str, terms: Terms = Terms(), *, client_id: str | None = None) -> Pair:
        """Swap a refresh token for a new pair, as `terms` say; raises TokenRefused.

        A `client_id` must be the one that was consented to; `refresh-<name>` takes every client.
        Where the token does not rotate the pair repeats it, with what is left of its life.
        """
        self.check_alive(token)
        family, ends = self._refresh_family(token)
        if family.burnt:
            raise TokenRefused("revoked")
        if client_id is not None and family.client_id not in ("", client_id):
            raise TokenRefused("invalid")
        if token in family.used:
            family.burnt = terms.replay_burns
            raise TokenRefused("revoked")
        if ends is not None and self._now() >= ends:
            raise TokenRefused("expired")
        if terms.rotates:
            family.used.add(token)
            return self.issue(family, terms)
        pair = self.issue(family, Terms(access_life_s=terms.access_life_s, has_refresh=False))
        left = None if ends is None else int(ends - self._now())
        return Pair(pair.access_token, token, pair.expires_in, left)

    def restore(self, token: str) -> None:
        self.revoked.discard(token)
        self.expired.discard(token)

    def burn(self, token: str) -> bool:
        """Kill all tokens of the consent that this access or refresh token came from.

        False when there is no such token: most networks answer a revocation alike.
        """
        family = self._family_of(token)
        if family is None:
            return False
        family.burnt = True
        return True

    def burn_all(self, name: str, client_id: str) -> None:
        """Kill every token that the account ever gave this client."""
        for family in self._families:
            if family.name == name and family.client_id == client_id:
                family.burnt = True

    def _add_access(self, grant: Grant) -> str:
        token = secrets.token_urlsafe(32)
        self._issued[token] = grant
        return token

    def _first_family(self, name: str) -> Family:
        found = self._first.get(name)
        if found is None:
            found = self._first[name] = Family(name)
        return found

    def _refresh_family(self, token: str) -> tuple[Family, float | None]:
        found = self._refresh.get(token)
        if found is not None:
            return found
        name = _named(token, "refresh-")
        if name is None:
            raise TokenRefused("invalid")
        return self._first_family(name), None

    def _family_of(self, token: str) -> Family | None:
        grant = self._issued.get(token)
        if grant is not None:
            return grant.family
        if token in self._refresh:
            return self._refresh[token][0]
        name = _named(token, "demo-") or _named(token, "refresh-")
        return None if name is None else self._first_family(name)


class Clients:
    """OAuth 2.0 clients: id -> secret, or None for a public client."""

    def __init__(self) -> None:
        self._secrets: dict[str, str | None] = {
            "sandbox-client": "sandbox-client-secret",
            "sandbox-public": None,
        }

    def register(self, client_id: str, secret: str | None) -> None:
        self._secrets[client_id] = secret

    def knows(self, client_id: str) -> bool:
        return client_id in self._secrets

    def secret(self, client_id: str) -> str | None:
        """Return the secret, for proofs made with it; None for public and unknown clients."""
        return self._secrets.get(client_id)

    def secrets(self) -> list[str]:
        """Return those of all confidential clients: a `demo-<name>` token belongs to none."""
        return [secret for secret in self._secrets.values() if secret is not None]

    def is_public(self, client_id: str) -> bool:
        return self._secrets.get(client_id, "") is None

    def accepts(self, client_id: str, secret: str) -> bool:
        known = self._secrets.get(client_id)
        return known is not None and hmac.compare_digest(known.encode(), secret.encode())


def _named(token: str, prefix: str) -> str | None:
    name = token.removeprefix(prefix)
    return name if name != token and NAME.fullmatch(name) else None


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
