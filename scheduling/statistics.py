"""What a workspace's posts came to in a span of time: counted by the database, in three queries.

All of them read `post_calendar`, whose entries hold what is counted here, and the few attempts
that failed (`attempt_failed`): no row of a post is fetched.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.expressions import Combinable, RawSQL
from django.db.models.functions import TruncDate

from accounts.models import Workspace
from engine import sql
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState

S = PostState
PERCENTILES = (50, 95, 99)
FAILED = frozenset({S.FAILED, S.DEAD_LETTER})
# Lateness is counted in steps of at most 5 %: a few hundred of them, however late posts are.
STEPS_MS = ((200, 1), (1_000, 5), (10_000, 50), (100_000, 500), (1_000_000, 5_000))
COARSEST_MS = 60_000


class GroupBy(StrEnum):
    """What posts can be told apart by."""

    DAY = "day"  # of their moment, in the workspace's time zone
    PLATFORM = "platform"
    CONNECTION = "connection"
    STATE = "state"
    CATEGORY = "category"  # of their last failure; "" for those without


@dataclass(slots=True)
class Figures:
    """Counts of one group of posts; `lateness` is how many were late by how many milliseconds."""

    states: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    tried: int = 0  # posts with at least one attempt
    errors: Counter[str] = field(default_factory=Counter)  # failed attempts by category
    lateness: Counter[int] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Count another group in."""
        self.states += other.states
        self.attempts += other.attempts
        self.tried += other.tried
        self.errors += other.errors
        self.lateness += other.lateness

    @property
    def posts(self) -> int:
        """Return how many posts there are in all."""
        return self.states.total()

    def in_states(self, states: frozenset[PostState]) -> int:
        """Return how many are in any of these states."""
        return sum(self.states[state] for state in states)

    def percentile_ms(self, percent: int) -> int | None:
        """Return the lateness that `percent` of the sent posts stay within, None without any."""
        wanted = -(-self.lateness.total() * percent // 100)  # the nearest rank, rounded up
        seen = 0
        for late_ms in sorted(self.lateness):
            seen += self.lateness[late_ms]
            if seen >= wanted:
                return late_ms
        return None


def figures_of(
    workspace: Workspace, *, since: datetime, until: datetime, group_by: GroupBy
) -> dict[Any, Figures]:
    """Return the figures of the posts whose moment lies in [since, until), by group."""
    posts = ScheduledPost.objects.filter(
        workspace=workspace, scheduled_at__gte=since, scheduled_at__lt=until
    ).order_by()
    found: defaultdict[Any, Figures] = defaultdict(Figures)
    counted = (
        posts.annotate(group_key=_key(group_by, workspace))
        .values_list("group_key", "state")
        .annotate(
            number=Count("*"),
            spent=Sum("attempts"),
            tried=Count("attempts", filter=Q(attempts__gt=0)),
        )
    )
    for key, state, number, attempts, tried in counted:
        found[key].states[state] += number
        found[key].attempts += attempts
        found[key].tried += tried
    for key, late_ms, number in _lateness(posts, group_by, workspace):
        found[key].lateness[late_ms] += number
    for key, category, number in _errors(workspace, since, until, group_by):
        found[key].errors[category] += number
    return dict(found)


def totals_of(groups: Iterable[Figures]) -> Figures:
    """Return all groups counted together."""
    total = Figures()
    for figures in groups:
        total.add(figures)
    return total


def _key(group_by: GroupBy, workspace: Workspace, prefix: str = "") -> Combinable:
    """Return what posts are told apart by, as an expression on the post (reached by `prefix`)."""
    match group_by:
        case GroupBy.DAY:
            return TruncDate(f"{prefix}scheduled_at", tzinfo=ZoneInfo(workspace.time_zone))
        case GroupBy.CONNECTION:
            return F(f"{prefix}connection_id")
        case GroupBy.CATEGORY:
            return F(f"{prefix}last_category")
        case GroupBy.PLATFORM | GroupBy.STATE:
            return F(f"{prefix}{group_by}")


def _lateness(
    posts: QuerySet[ScheduledPost], group_by: GroupBy, workspace: Workspace
) -> Iterator[tuple[Any, int, int]]:
    """Yield (group, milliseconds, how many posts were first sent that late), in STEPS_MS."""
    sent = posts.filter(first_sent_at__isnull=False).annotate(group_key=_key(group_by, workspace))
    if sql.is_postgresql():
        rows = sent.annotate(late_ms=RawSQL(_LATE_MS, []))  # noqa: S611 - names are ours
        yield from rows.values_list("group_key", "late_ms").annotate(number=Count("*"))
        return
    late: Counter[tuple[Any, int]] = Counter()
    moments = sent.values_list("group_key", "scheduled_at", "first_sent_at")
    for key, scheduled_at, sent_at in moments.iterator():
        if sent_at is None:
            continue
        late[key, _rounded(int((sent_at - scheduled_at).total_seconds() * 1000))] += 1
    yield from ((key, late_ms, number) for (key, late_ms), number in late.items())


def _rounded(late_ms: int) -> int:
    step = next((step for below, step in STEPS_MS if late_ms < below), COARSEST_MS)
    return max(0, late_ms - late_ms % step)


def _rounding() -> str:
    """Return `_rounded` as an expression of PostgreSQL."""
    late = "date_part('epoch', first_sent_at - scheduled_at) * 1000"
    cases = " ".join(f"WHEN {late} < {below} THEN {step}" for below, step in STEPS_MS)
    step = f"(CASE {cases} ELSE {COARSEST_MS} END)"
    return f"(greatest(0, floor({late} / {step}) * {step}))::bigint"


_LATE_MS = _rounding()


def _errors(
    workspace: Workspace, since: datetime, until: datetime, group_by: GroupBy
) -> Iterator[tuple[Any, str, int]]:
    """Yield (group, category, how many attempts failed with it)."""
    failed = PublishAttempt.objects.filter(
        ~Q(category=""),
        post__workspace=workspace,
        post__scheduled_at__gte=since,
        post__scheduled_at__lt=until,
    ).annotate(group_key=_key(group_by, workspace, "post__"))
    yield from failed.order_by().values_list("group_key", "category").annotate(number=Count("*"))
