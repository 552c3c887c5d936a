"""The audit log's pen: events are added and never changed (the database refuses)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.models import AuditEvent, Workspace


def record(
    *,
    actor: str,
    action: str,
    target: str,
    workspace: Workspace | None = None,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Add one event in the current transaction.

    `actor` is who ("user:ada", "key:crl_ab12cd34", "system"), `action` noun.verb
    ("api_key.revoked"), `target` kind and id ("api_key:<id>"). `detail` must hold no secrets.
    """
    return AuditEvent.objects.create(
        workspace=workspace,
        actor=actor,
        action=action,
        target=target,
        reason=reason,
        detail=dict(detail or {}),
    )
