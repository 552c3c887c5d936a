"""How an account is, in plain words: what works, until when, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.admin_cells import BAD, GOOD, MUTED, WARN
from engine.words import distance, moment
from platforms.credentials import CredentialError
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for

SOON = timedelta(days=7)  # a token that cannot be renewed and ends this soon is worth a warning
S = ConnectionState


@dataclass(frozen=True, slots=True)
class Health:
    """One word on a coloured ground (see `engine.admin_cells`) and the sentences behind it."""

    tone: str
    word: str
    sentences: tuple[str, ...]


def health_of(connection: SocialConnection, *, now: datetime) -> Health:
    """Return how an account is."""
    reason = connection.state_reason
    if connection.state == S.REVOKED:
        kept = (reason, "Its credentials are deleted; its posts wait.")
        return Health(MUTED, "disconnected", _filled(*kept))
    if connection.state == S.NEEDS_RECONNECT:
        return Health(BAD, "connect again", _filled(reason or "It must be connected again."))
    try:
        renewable = adapter_for(connection.platform).renewable(connection.get_credentials())
    except CredentialError:
        lost = "Its stored credentials cannot be read any more: ask your administrator."
        return Health(BAD, "unreadable", (lost,))
    until = _until(connection, now, renewable=renewable)
    if connection.state == S.PAUSED:
        return Health(WARN, "paused", _filled(reason, "Its posts wait until it is resumed.", until))
    if reason:  # refreshing its token fails at the moment
        return Health(WARN, "trouble", _filled(reason, until))
    ends = connection.expires_at if not renewable else connection.refresh_expires_at
    if ends is not None and ends <= now:
        return Health(BAD, "connect again", (until,))
    if ends is not None and ends - now <= SOON:
        return Health(WARN, "ends soon", (until,))
    return Health(GOOD, "works", (until,))


def _until(connection: SocialConnection, now: datetime, *, renewable: bool) -> str:
    ends, last = connection.expires_at, connection.refresh_expires_at
    if ends is None:
        return "Token good until it is taken back."
    if not renewable:
        if ends <= now:
            return f"Its token ended {_when(ends, now)}. Connect it again."
        return f"Token good until {_when(ends, now)}. Connect it again before then."
    if last is None:
        return f"Token good until {_when(ends, now)}; Carillon renews it by itself."
    if last <= now:
        return f"Its access ended {_when(last, now)}. Connect it again."
    return (
        f"Token good until {_when(ends, now)}; Carillon renews it by itself "
        f"until {_when(last, now)}."
    )


def _when(at: datetime, now: datetime) -> str:
    return f"{moment(at, now=now)} ({distance(at, now=now)})"


def _filled(*sentences: str) -> tuple[str, ...]:
    """Return those that say something; reasons that people typed get their full stop."""
    said = (sentence.strip() for sentence in sentences)
    return tuple(one if one[-1] in ".!?…" else f"{one}." for one in said if one)
