"""What every channel promises to the dispatcher."""

from __future__ import annotations

from typing import Protocol

from notifications.deliveries import ClaimedDelivery


class ChannelSender(Protocol):
    """One way to tell somebody; stateless towards deliveries, never retries, never sleeps."""

    def missing(self) -> str:
        """Return what must be configured before this channel works, or "" when it does."""

    async def send(self, delivery: ClaimedDelivery) -> str:
        """Deliver once; return the receiver's id for it. Raises ServiceError and nothing else.

        VALIDATION_ERROR means that this target will never take it; AUTH_ERROR and PERMISSION that
        our configuration is wrong; everything else may pass.
        """

    async def close(self) -> None:
        """Let go of connections and threads."""
