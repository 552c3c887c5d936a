"""What staff do to the machinery around posts: lift a limit by hand."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from accounts.audit import record
from accounts.models import Workspace
from engine.models import RateLimitState


def clear_limit(
    limit_id: int, *, actor: str, reason: str = "", workspace: Workspace | None = None
) -> None:
    """Forget a bucket's block, breaker, spacing and allowance; slots notice within a second.

    If the network still refuses, the next call's answer writes the block anew.
    `workspace` is whose audit log notes it. Raises RateLimitState.DoesNotExist.
    """
    with transaction.atomic():
        state = RateLimitState.objects.select_for_update().get(pk=limit_id)
        before = {
            "blocked_until": state.blocked_until.isoformat() if state.blocked_until else None,
            "remaining": state.remaining,
            "breaker": state.breaker,
        }
        RateLimitState.objects.filter(pk=limit_id).update(
            blocked_until=None,
            remaining=None,
            resets_at=None,
            reason="",
            consecutive_429=0,
            breaker=RateLimitState.Breaker.CLOSED,
            open_until=None,
            probe_lease_until=None,
            spacing_ms=0,
            next_call_at=None,
            updated_at=Now(),
        )
        record(
            workspace=workspace,
            actor=actor,
            action="rate_limit.cleared",
            target=f"rate_limit:{state}"[:255],
            reason=reason,
            detail=before,
        )
