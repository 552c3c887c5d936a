"""The secret limits: adaptive, by account, sensitive to bursts, without a word in the headers.

DeviantArt publishes no numbers. Here each account has 60 points, a call costs 1 and a publish 6,
and one comes back each second. A call without points is a 429 and shuts the account out for a
second; a call during that time is a 429, too, and the nth refusal shuts it out for n * n seconds,
up to 10 minutes; a success halves n. So an exponential backoff gets through soon and a linear one
makes it worse, as documented. The switch `rate` puts plain windows in the place of all this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.deviantart import errors
from sandbox.exchange import Answer, Call, Refusal

_POINTS, _POINTS_PER_SECOND = 60.0, 1.0
_LONGEST_SECONDS = 600.0


@dataclass(slots=True)
class _Patience:
    points: float = _POINTS
    counted_at: float = 0.0
    refusals: int = 0
    open_at: float = 0.0

    def admits(self, cost: float, now: float) -> bool:
        """Count one call; whether it may go on."""
        gained = (now - self.counted_at) * _POINTS_PER_SECOND
        self.points, self.counted_at = min(_POINTS, self.points + gained), now
        if now < self.open_at or self.points < cost:
            self.refusals += 1
            self.open_at = now + min(self.refusals**2, _LONGEST_SECONDS)
            return False
        self.points -= cost
        self.refusals //= 2
        return True


@dataclass(slots=True)
class _Patiences:
    by_account: dict[str, _Patience] = field(default_factory=dict)


def limited(
    handler: Callable[[Call], Answer], operation: str, cost: float = 1.0
) -> Callable[[Call], Answer]:
    """Return the handler behind the limits."""

    def handle(call: Call) -> Answer:
        name, now = call.account.name, call.world.now()
        rule = call.world.switches.setting("rate", call.site.name, name, operation)
        patience = call.site.books(_Patiences).by_account.setdefault(
            call.account.id, _Patience(counted_at=now)
        )
        if rule is None and not patience.admits(cost, now):
            raise Refusal(errors.failure(429))
        return handler(call)

    return handle
