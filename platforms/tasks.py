"""What the task queue calls; queued by dotted path, so names here never change."""

from __future__ import annotations

from platforms import consents


def tidy_consents() -> None:
    """Forget consents that nobody can use any more."""
    consents.tidy()
