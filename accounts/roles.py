"""Who may do what: four roles, each of which includes all that the ones below it may."""

from __future__ import annotations

from accounts.models import Role

RANK = {Role.VIEWER: 1, Role.APPROVER: 2, Role.EDITOR: 3, Role.OWNER: 4}


def includes(role: str, needed: str) -> bool:
    """Say whether a member with `role` may do what `needed` may."""
    return RANK[Role(role)] >= RANK[Role(needed)]
