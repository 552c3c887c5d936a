"""What leaves the house by mail carries no secret and, unless it is wanted, nobody's words.

`Blot` walks a JSON value: known secrets and what looks like one are blotted, addresses lose their
query, and pieces of a post's text are found again in whatever quotes them.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from engine.redaction import SHORTEST_SECRET, redact
from platforms.credentials import CredentialError
from platforms.models import SocialConnection

TEXT_BLOT = "[text]"
PIECE_CHARS = 12  # a quotation this long is recognised; shorter ones are words anybody uses
_QUERY = re.compile(r"(https?://[^\s\"'<>?#]+)[?#][^\s\"'<>]*")
_NAMES_A_SECRET = re.compile(r"(?i)secret|password|token|(?:^|_)keys?$")


class Blot:
    """Hides `secrets` and quotations of `texts` in anything made of dicts, lists and strings."""

    def __init__(self, secrets: Iterable[str], texts: Iterable[str] = ()) -> None:
        # The longest first: one secret may be the beginning of another.
        self._secrets = sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len)[::-1]
        self._pieces = {piece for text in texts for piece in _pieces_of(text)}

    def __call__(self, value: Any) -> Any:
        """Return a copy of `value` in which nothing of the kind is left."""
        if isinstance(value, Mapping):
            return {str(name): self(inner) for name, inner in value.items()}
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Sequence):
            return [self(inner) for inner in value]
        return value

    def _text(self, text: str) -> str:
        text = _QUERY.sub(r"\1?[hidden]", redact(text, self._secrets))
        return self._without_quotations(text) if self._pieces else text

    def _without_quotations(self, text: str) -> str:
        plain = text.casefold()
        if len(plain) != len(text):  # a letter that folds to two would shift every place
            plain = text.lower() if len(text.lower()) == len(text) else text
        quoted = [False] * len(text)
        for start in range(len(plain) - PIECE_CHARS + 1):
            if plain[start : start + PIECE_CHARS] in self._pieces:
                quoted[start : start + PIECE_CHARS] = [True] * PIECE_CHARS
        shown: list[str] = []
        for letter, is_quoted in zip(text, quoted, strict=True):
            if not is_quoted:
                shown.append(letter)
            elif not shown or shown[-1] != TEXT_BLOT:
                shown.append(TEXT_BLOT)
        return "".join(shown)


def _pieces_of(text: str) -> Iterator[str]:
    """Yield every piece of a text, as it stands and as JSON or HTML would write it."""
    written = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    for form in written | {html.escape(text)}:
        for plain in {form.casefold(), form.lower(), form}:
            for start in range(len(plain) - PIECE_CHARS + 1):
                yield plain[start : start + PIECE_CHARS]


def lengths(value: Any) -> Any:
    """Return `value` with every text in it replaced by its length."""
    if isinstance(value, Mapping):
        return {str(name): lengths(inner) for name, inner in value.items()}
    if isinstance(value, str):
        return f"({len(value)} characters)" if value else ""
    if isinstance(value, Sequence):
        return [lengths(inner) for inner in value]
    return value


def secrets_of(connection: SocialConnection) -> set[str]:
    """Return all that a connection's credentials hold, but for what its row shows to everybody."""
    shown = {
        connection.external_id,
        connection.username,
        connection.display_name,
        connection.instance_url,
        *(str(scope) for scope in connection.scopes),
    }
    try:
        held = strings(connection.get_credentials())
    except CredentialError:
        held = set()
    return (held - shown) | {bytes(connection.secret).decode(errors="replace")}


def secrets_of_settings() -> set[str]:
    """Return every secret that this process was configured with."""
    found = {
        settings.SECRET_KEY,
        settings.SERVICE_TOKEN,
        settings.METRICS_TOKEN,
        settings.EMAIL_HOST_PASSWORD,
        settings.TWILIO_AUTH_TOKEN,
        settings.SENDGRID_API_KEY,
        settings.SLACK_BOT_TOKEN,
        urlsplit(settings.SENTRY_DSN).username or "",
        *_firebase_key(),
    }
    for many in (settings.CREDENTIAL_KEYS, settings.JWT_SECRET, settings.CALLBACK_SECRET):
        found |= set(many)
    found.add(str(settings.DATABASES["default"].get("PASSWORD") or ""))
    if password := re.search(r"://[^/@]*:([^/@]+)@", settings.REDIS_URL):
        found.add(password[1])
    for configured in settings.PLATFORMS.values():
        found |= {str(v) for name, v in configured.items() if _NAMES_A_SECRET.search(name)}
    return found


def _firebase_key() -> Iterator[str]:
    """Yield the private key of FIREBASE_SERVICE_ACCOUNT, whole and line by line."""
    with contextlib.suppress(ValueError):
        account = json.loads(settings.FIREBASE_SERVICE_ACCOUNT)
        key = str(account.get("private_key", "")) if isinstance(account, dict) else ""
        yield key
        yield from (line for line in key.splitlines() if not line.startswith("-----"))


def strings(value: Any) -> set[str]:
    """Return every string in a JSON value."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence):
        return {text for inner in value for text in strings(inner)}
    return set()
