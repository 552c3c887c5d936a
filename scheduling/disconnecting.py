"""Disconnecting an account: its credentials go, and the posts that are near learn why they wait."""

from __future__ import annotations

from platforms.disconnecting import disconnect
from platforms.models import SocialConnection
from scheduling.blocking import block_waiting
from scheduling.models import ScheduledPost
from scheduling.states import WAITING, PostState

STILL_TO_COME = WAITING | {PostState.BLOCKED}


def disconnect_account(connection: SocialConnection, *, actor: str, reason: str = "") -> str:
    """Do it; returns what `platforms.disconnecting.disconnect` says of the network."""
    said = disconnect(connection, actor=actor, reason=reason)
    block_waiting(connection.pk)
    return said


def count_waiting(connection: SocialConnection) -> int:
    """Return how many posts wait for this account."""
    return ScheduledPost.objects.filter(connection=connection, state__in=STILL_TO_COME).count()
