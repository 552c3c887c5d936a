"""Asking a network now whether an account works: one read-only call while a person waits.

The gate is asked first and learns what came of it, like of every call; nothing waits here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from accounts.audit import record
from engine.errors import ErrorCategory, ServiceError
from engine.states import IllegalTransition
from platforms.models import ConnectionState, SocialConnection
from platforms.tokens import expire_token, mark_needs_reconnect
from scheduling.accounts import AccountCache, ConnectedAccount
from scheduling.blocking import block_waiting
from scheduling.models import AccountCheck
from scheduling.preflight_calls import Calls

C = ErrorCategory
STILL_GOOD = timedelta(seconds=20)  # longer than the call can take


class Finding(StrEnum):
    """What came of a check."""

    WORKS = "works"  # the network takes these credentials
    REFUSED = "refused"  # it does not
    SILENT = "silent"  # it could not say
    NOT_ASKED = "not_asked"  # no call was made; the sentence says why


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, with a sentence for people; `again_at` when asking makes sense again."""

    finding: Finding
    sentence: str
    category: str = ""
    again_at: datetime | None = None


def check_account(connection: SocialConnection, *, actor: str, reason: str = "") -> Checked:
    """Ask the network whose credentials these are; takes at most 15 seconds.

    A refusal has the consequences it would have when publishing: a token that can be renewed is
    renewed, else the account waits for its owner. Not for use inside a transaction. Raises
    IllegalTransition for an account that was disconnected.
    """
    if connection.state == ConnectionState.REVOKED:
        raise IllegalTransition("The account is disconnected: connect it again.")
    cache = AccountCache()
    cache.load([connection.pk])
    account = cache.get(connection.pk)
    found = _checked(account)
    record(
        workspace=connection.workspace,
        actor=actor,
        action="connection.checked",
        target=f"connection:{connection.pk}",
        reason=reason,
        detail={"finding": found.finding, "category": found.category},
    )
    return found


def _checked(account: ConnectedAccount) -> Checked:
    if account.problem:
        return Checked(Finding.NOT_ASKED, account.problem)
    calls = Calls()
    calls.open()
    ends = account.expires_at
    if ends is not None and ends <= calls.clock.instant() + STILL_GOOD and account.is_renewable:
        return Checked(
            Finding.NOT_ASKED,
            "Its token is outworn: Carillon renews it before the next post. Check again then.",
        )
    if (hold := calls.hold(account, "validate")) is not None:
        return Checked(
            Finding.NOT_ASKED,
            f"{account.adapter.name} must not be asked now: {hold.reason}",
            again_at=datetime.fromtimestamp(hold.until, UTC),
        )
    try:
        found = calls.ask_now(account)
    except ServiceError as error:
        return _failed(account, error)
    finally:
        calls.close()
    AccountCheck.objects.update_or_create(
        connection_id=account.connection.pk,
        defaults={"asked_at": calls.clock.instant(), "warnings": [], "limits": dict(found.limits)},
    )
    return Checked(Finding.WORKS, f"{account.adapter.name} accepts its access.")


def _failed(account: ConnectedAccount, error: ServiceError) -> Checked:
    """Return what a failure means, and let a refused token have its consequences."""
    connection, name = account.connection, account.adapter.name
    if error.category in {C.AUTH_ERROR, C.TOKEN_EXPIRED} and account.is_renewable:
        expire_token(connection.pk, connection.version)
        sentence = f"{name} refused its token: {error.detail} Carillon renews it."
        return Checked(Finding.REFUSED, sentence, error.category)
    if error.category is C.AUTH_ERROR or error.category is C.TOKEN_EXPIRED:
        if mark_needs_reconnect(connection.pk, connection.version, error.detail):
            block_waiting(connection.pk)
        sentence = f"{name} refused its access: {error.detail} Connect the account again."
        return Checked(Finding.REFUSED, sentence, error.category)
    if error.category in {C.PERMISSION, C.VALIDATION_ERROR}:
        sentence = f"{name} refused its access: {error.detail} Connect the account again."
        return Checked(Finding.REFUSED, sentence, error.category)
    sentence = f"{name} could not be asked: {error.detail} Check again later."
    return Checked(Finding.SILENT, sentence, error.category)
