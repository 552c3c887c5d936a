"""Consents under way: one row each, bound to who began it, answered once, gone within the hour.

Rows of ours instead of the browser's session or social-auth's tables: tabs do not overwrite each
other, a state is used up by one UPDATE however often its answer is replayed, and whatever is
secret lies encrypted.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from accounts.models import User, Workspace
from platforms.adapters.base import Account, Target
from platforms.credentials import CredentialError, decrypt, encrypt
from platforms.models import Consent, SocialConnection

ANSWER_WITHIN = timedelta(minutes=30)  # after it was begun
CHOOSE_WITHIN = timedelta(minutes=15)  # after it was answered
KEPT = timedelta(hours=1)  # after that, so that a late answer is told why it is refused


class ConsentRefused(Exception):
    """This answer, or choice, belongs to no open consent; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One account to choose, and which permissions it lacks."""

    target: Target
    missing: tuple[str, ...] = field(default=())


def begin(
    workspace: Workspace,
    user: User,
    platform: str,
    *,
    backend: str = "",
    connection: SocialConnection | None = None,
) -> tuple[Consent, str]:
    """Save a new consent and return it with its state, which is stored as a digest only."""
    state = secrets.token_urlsafe(32)
    consent = Consent.objects.create(
        workspace=workspace,
        user=user,
        platform=platform,
        backend=backend,
        connection=connection,
        state_sha256=digest(state),
        expires_at=Now() + ANSWER_WITHIN,
    )
    return consent, state


def claim(backend: str, state: str, user: User) -> Consent:
    """Use the state up and return its consent; raises ConsentRefused, saying why.

    Somebody else's attempt uses nothing up.
    """
    rows = Consent.objects.filter(state_sha256=digest(state), backend=backend)
    open_rows = rows.filter(user=user, answered_at=None, expires_at__gt=Now())
    if open_rows.update(answered_at=Now()):
        return rows.select_related("workspace", "connection").get()
    found = rows.first()
    if found is None:
        raise ConsentRefused(
            "This answer belongs to nothing that was begun here. Begin again with Connect."
        )
    if found.user_id != user.pk:
        raise ConsentRefused(
            "Somebody else began to connect this account. Begin again with Connect."
        )
    if found.answered_at is not None:
        raise ConsentRefused(
            "This answer was used already: nothing was changed by it now. "
            "Begin again with Connect if the account is not in the list."
        )
    minutes = int(ANSWER_WITHIN.total_seconds() // 60)
    raise ConsentRefused(
        f"The answer came more than {minutes} minutes after Connect was pressed. Begin again."
    )


def remember(consent: Consent, **kept: Any) -> None:
    """Keep what the network's answer must be met with, encrypted, beside what is kept already."""
    consent.sealed = encrypt({**opened(consent), **kept})
    consent.save(update_fields=["sealed"])


def opened(consent: Consent) -> dict[str, Any]:
    """Return what is kept; empty when no key opens it any more."""
    try:
        return decrypt(bytes(consent.sealed)) if consent.sealed else {}
    except CredentialError:
        return {}


def rebind(consent: Consent, state: str) -> None:
    """Let the consent be answered with this state (a request token) instead of the first one."""
    consent.state_sha256 = digest(state)
    consent.save(update_fields=["state_sha256"])


def close(consent: Consent) -> None:
    """Forget what was kept; the row stays to tell a replayed answer that it was used."""
    Consent.objects.filter(pk=consent.pk).update(sealed=b"")


def offer(consent: Consent, choices: Iterable[Choice]) -> None:
    """Keep accounts, with their tokens, until one of them is chosen or the time is over."""
    consent.sealed = encrypt({"choices": [asdict(choice) for choice in choices]})
    Consent.objects.filter(pk=consent.pk).update(
        sealed=consent.sealed, answered_at=Now(), expires_at=Now() + CHOOSE_WITHIN
    )


def offered(consent_id: uuid.UUID, user: User) -> tuple[Consent, list[Choice]]:
    """Return a consent whose accounts wait to be chosen by `user`; raises ConsentRefused."""
    consent = (
        Consent.objects.select_related("workspace", "connection")
        .filter(pk=consent_id, user=user, answered_at__isnull=False, expires_at__gt=Now())
        .first()
    )
    kept = opened(consent).get("choices") if consent is not None else None
    if consent is None or not kept:
        minutes = int(CHOOSE_WITHIN.total_seconds() // 60)
        raise ConsentRefused(
            f"These accounts are no longer kept for you to choose (that is {minutes} minutes). "
            "Begin again with Connect."
        )
    return consent, [_choice(item) for item in kept]


def tidy() -> int:
    """Delete consents that nobody can use any more; returns how many."""
    deleted, _ = Consent.objects.filter(expires_at__lt=Now() - KEPT).delete()
    Consent.objects.filter(expires_at__lt=Now()).exclude(sealed=b"").update(sealed=b"")
    return deleted


def digest(state: str) -> str:
    """Return what is stored of a state."""
    return hashlib.sha256(state.encode()).hexdigest()


def _choice(kept: Mapping[str, Any]) -> Choice:
    target = kept["target"]
    account = {**target["account"], "scopes": tuple(target["account"]["scopes"])}
    return Choice(
        Target(Account(**account), target["credentials"], target["problem"]),
        tuple(kept["missing"]),
    )
