"""Lanes: deliveries to one receiver share a lane, so that a slow receiver blocks nobody else.

Four bounds keep the receivers apart: no more than `cap` requests of a lane are in flight, no more
than a few times that are held in memory, a receiver that stopped answering gets one at a time, and
all that stopped answering share a part of the slot, however many they are.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from urllib.parse import urlsplit

from notifications.models import Channel

EMAIL_AT_ONCE = 4  # conversations with the mail server
ENDPOINT_AT_ONCE = 4  # so that the first calls of some that hang do not fill the slot
SLACK_AT_ONCE = 1  # in one channel: one message a second is allowed
ONE_PROVIDER = frozenset({Channel.EMAIL.value, Channel.SMS.value, Channel.PUSH.value})
SLACK_PREFIX = "slack:"
ENDPOINT_PREFIX = "endpoint:"
SILENT = "silent"  # the lane that all who stopped answering share as well
SILENT_SHARE = 4  # they get at most a fourth of what may be in flight
SHARE = 5  # one receiver gets at most a fifth of what may be in flight
HELD_PER_CALL = 8  # claimed jobs a lane may have per call in flight
SILENT_AFTER = 3  # calls without an answer, one after the other
MALFORMED = "malformed"
_STRANGE = re.compile(r"[^a-z0-9.:-]")


def lane_of(channel: str, target: str) -> str:
    """Return the lane of a target: host and port of a URL, a Slack channel, else the provider.

    Endpoints have one each, for many of them may live at one service's host.
    """
    if channel in ONE_PROVIDER:
        return channel
    if channel == Channel.ENDPOINT:
        return ENDPOINT_PREFIX + target[:200]
    if channel == Channel.SLACK:
        return SLACK_PREFIX + _STRANGE.sub("_", target.lower())[:200]
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError:
        return MALFORMED
    if not host:
        return MALFORMED
    return _STRANGE.sub("_", f"{host}:{port or parts.scheme}".lower())[:255]


class Lanes:
    """What one slot holds of each lane, and which receivers have stopped answering.

    `take`, `leave` and `full` belong to the database thread, `heard` and `unheard` to the loop.
    """

    def __init__(self, concurrency: int) -> None:
        self._at_once = max(1, concurrency // SHARE)
        self._silent_at_once = max(1, concurrency // SILENT_SHARE)
        self._held: defaultdict[str, set[uuid.UUID]] = defaultdict(set)
        self._unanswered: Counter[str] = Counter()

    def cap(self, lane: str) -> int:
        """Return how many calls of a lane may be in flight at once."""
        if self._unanswered[lane] >= SILENT_AFTER:
            return 1
        if lane.startswith(SLACK_PREFIX):
            return SLACK_AT_ONCE
        if lane.startswith(ENDPOINT_PREFIX):
            return min(ENDPOINT_AT_ONCE, self._at_once)
        return min(EMAIL_AT_ONCE, self._at_once) if lane == Channel.EMAIL else self._at_once

    def caps(self, lane: str) -> tuple[tuple[str, int], ...]:
        """Return all lanes that a delivery in `lane` runs in, each with its cap."""
        own = (lane, self.cap(lane))
        if self._unanswered[lane] < SILENT_AFTER:
            return (own,)
        return (own, (SILENT, self._silent_at_once))

    def full(self) -> list[str]:
        """Return the lanes of which no more may be claimed now."""
        return [
            lane for lane, held in self._held.items() if len(held) >= self.cap(lane) * HELD_PER_CALL
        ]

    def take(self, lane: str, pk: uuid.UUID) -> None:
        """Note that a delivery was claimed."""
        self._held[lane].add(pk)

    def leave(self, lane: str, pk: uuid.UUID) -> None:
        """Note that a delivery was recorded or given back."""
        held = self._held.get(lane, set())
        held.discard(pk)
        if not held:
            self._held.pop(lane, None)

    def heard(self, lane: str) -> None:
        """Note that the receiver answered, whatever it said."""
        self._unanswered.pop(lane, None)

    def unheard(self, lane: str) -> None:
        """Note that the receiver did not answer, or could not be reached."""
        self._unanswered[lane] += 1
