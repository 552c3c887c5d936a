"""The question only a person can answer: is this part live? Asked once, then brought up again.

It stands in the post's progress under `asked`, the one key there that is not the network's: when
it was asked, how often it was brought up again, and when the next time is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from platforms.registry import ADAPTERS
from scheduling.states import PostState

if TYPE_CHECKING:
    from scheduling.claims import ClaimedPost
    from scheduling.models import ScheduledPost

ASKED = "asked"
EACH_DAY = timedelta(days=1)
MOST_REMINDERS = 7


@dataclass(frozen=True, slots=True)
class Question:
    """The question as it now stands. `tell` says that somebody is to hear of it now."""

    progress: Mapping[str, Any]
    due_at: datetime  # when it is brought up again; the network is asked anew just before
    reminder: int  # 0: asked for the first time
    tell: bool


def ask(progress: Mapping[str, Any], *, now: datetime, remind_after: timedelta) -> Question:
    """Ask, or bring it up again if its time has come; after MOST_REMINDERS nobody is told."""
    asked = progress.get(ASKED)
    if asked is None:
        due_at = now + remind_after
        return _question(progress, now, 0, due_at, tell=True)
    first_at, due_at = (datetime.fromisoformat(asked[name]) for name in ("at", "next"))
    if now < due_at:  # the network was asked in between; nobody need hear of that
        return _question(progress, first_at, asked["reminders"], due_at, tell=False)
    again = max(remind_after, EACH_DAY)
    reminder = asked["reminders"] + 1
    return _question(progress, first_at, reminder, now + again, tell=reminder <= MOST_REMINDERS)


def _question(
    progress: Mapping[str, Any], first_at: datetime, reminder: int, due_at: datetime, *, tell: bool
) -> Question:
    asked = {"at": first_at.isoformat(), "reminders": reminder, "next": due_at.isoformat()}
    return Question({**progress, ASKED: asked}, due_at, reminder, tell)


def answered(progress: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress without the question."""
    return {name: value for name, value in progress.items() if name != ASKED}


def is_open(post: ScheduledPost) -> bool:
    """Say whether the post waits for a person's answer."""
    waits = post.due_at is None and post.lease_slot is None
    return post.state == PostState.OUTCOME_UNKNOWN and (ASKED in post.progress or waits)


OPEN = Q(state=PostState.OUTCOME_UNKNOWN) & (
    Q(progress__has_key=ASKED) | Q(due_at__isnull=True, lease_slot__isnull=True)
)  # the posts for which `is_open` holds


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a post, counted from 1: the segments, then the first comment."""

    number: int
    of: int
    text: str

    @property
    def is_last(self) -> bool:
        """Say whether nothing follows it."""
        return self.number >= self.of

    @property
    def name(self) -> str:
        """Return how sentences call it."""
        return "the post" if self.of <= 1 else f"part {self.number} of {self.of}"


def next_part(post: ScheduledPost | ClaimedPost) -> Part:
    """Return the first part that is not known to be live: it is the one in doubt."""
    texts = [str(segment.get("text", "")) for segment in post.segments]
    if kind := ADAPTERS.get(post.platform):
        texts = list(kind.part_texts(texts, files=post.media_count, options=post.options))
    if post.first_comment:
        texts.append(post.first_comment)
    done = len(post.progress.get("published", ()))
    return Part(done + 1, len(texts), texts[done] if done < len(texts) else "")
