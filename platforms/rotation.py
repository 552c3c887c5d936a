"""Changing the encryption key: every stored secret is encrypted anew with the first key.

Work goes in batches without a long lock, so it may run beside everything else and be broken off
and started again at any time: what is done is recognised and left alone. Consents under way are
not touched: they live for an hour.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from notifications.models import Device, WebhookEndpoint
from platforms.credentials import CredentialError, is_current, rotate
from platforms.models import MastodonApp, SocialConnection

BATCH_ROWS = 200
# Their `secret` is encrypted.
KEEPERS: tuple[type[Any], ...] = (
    SocialConnection,
    MastodonApp,
    Device,
    WebhookEndpoint,
)


@dataclass(slots=True)
class RotationReport:
    """How many secrets were encrypted anew, how many left as they were, which no key opens."""

    rotated: int = 0
    current: int = 0
    unreadable: list[uuid.UUID] = field(default_factory=list)


def rotate_all() -> RotationReport:
    """Rotate every stored secret.

    Each write compares the old secret: a token refreshed or reconnected meanwhile is never
    overwritten, and was encrypted with the first key anyway.
    """
    report = RotationReport()
    for model in KEEPERS:
        last = uuid.UUID(int=0)
        while batch := list(
            model.objects.filter(pk__gt=last)
            .order_by("pk")
            .values_list("pk", "secret")[:BATCH_ROWS]
        ):
            for pk, secret in batch:
                _rotate_one(model, pk, bytes(secret), report)
            last = batch[-1][0]
    return report


def _rotate_one(model: type[Any], pk: uuid.UUID, secret: bytes, report: RotationReport) -> None:
    if not secret or is_current(secret):
        report.current += 1
        return
    try:
        fresh = rotate(secret)
    except CredentialError:
        report.unreadable.append(pk)
        return
    if model.objects.filter(pk=pk, secret=secret).update(secret=fresh):
        report.rotated += 1
    else:  # written by somebody else a moment ago, with the first key
        report.current += 1
