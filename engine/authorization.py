"""Who a request says it comes from: one Authorization header per request, secrets never in repr."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from engine.oauth1 import Signer


class Auth(Protocol):
    """Writes the Authorization header; `secrets` are blotted out of everything we keep."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the strings that must never be shown."""

    def authorization(self, method: str, url: str, form: Iterable[tuple[str, str]]) -> str:
        """Return the header's value ("": no header); `form` are the pairs of a form body."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer token (RFC 6750); some upload hosts want another word than Bearer before it."""

    token: str = field(repr=False)
    scheme: str = "Bearer"

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.token,)

    def authorization(self, method: str, url: str, form: Iterable[tuple[str, str]]) -> str:
        return f"{self.scheme} {self.token}"


@dataclass(frozen=True, slots=True)
class Basic:
    """A user name and password (RFC 7617); OAuth 2 clients authenticate with it."""

    user: str
    password: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password,)

    def authorization(self, method: str, url: str, form: Iterable[tuple[str, str]]) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class InAddress:
    """A token that is part of the address, kept out of sight; the header is `beside`'s, if any."""

    token: str = field(repr=False)
    beside: Auth | None = field(default=None, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.token, *(self.beside.secrets if self.beside else ()))

    def authorization(self, method: str, url: str, form: Iterable[tuple[str, str]]) -> str:
        return self.beside.authorization(method, url, form) if self.beside else ""


class OAuth1:
    """A token of an application, signed with HMAC-SHA1 (RFC 5849).

    Without a token the application asks for itself; `callback` and `verifier` are those of the
    three legs by which people give it one.
    """

    __slots__ = ("_signer", "secrets")

    def __init__(
        self,
        consumer_key: str,
        consumer_secret: str,
        token: str = "",
        token_secret: str = "",
        *,
        callback: str = "",
        verifier: str = "",
    ) -> None:
        self.secrets: tuple[str, ...] = (consumer_secret, token_secret, token, verifier)
        legs = (("oauth_callback", callback), ("oauth_verifier", verifier))
        self._signer = Signer(
            consumer_key,
            consumer_secret,
            token,
            token_secret,
            extra=[(name, value) for name, value in legs if value],
        )

    def __repr__(self) -> str:
        return "OAuth1()"

    def authorization(self, method: str, url: str, form: Iterable[tuple[str, str]]) -> str:
        return self._signer.authorization(method, url, form)
