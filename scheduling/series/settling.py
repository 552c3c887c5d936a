"""Bringing the posts of a series to what it says: one function, safe to repeat at any time.

1. Lock the series; whoever else settles or changes it waits (or, periodically, passes by).
2. Occurrences that an older version of the series left: rewrite the posts that follow the
   series, withdraw what it no longer wants, put back what it wants again. Posts that were sent,
   and those that a person edited by themselves, keep their content.
3. Make the posts of new occurrences up to the horizon. A moment that passed while no worker ran
   is made up for within the late limit; an older one is noted as missed.

Each pass does at most PASS posts, soonest first, in one transaction. A unique constraint over
series, moment and account stands behind the lock: no occurrence ever gets two posts.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from engine.clock import database_now
from engine.states import IllegalTransition
from scheduling import services
from scheduling.approval_mails import ask_approvers
from scheduling.models import PostGroup, ScheduledPost
from scheduling.rules import Invalid
from scheduling.series.content import (
    attachments_of,
    content_for,
    is_made_of,
    late_limit,
)
from scheduling.series.models import (
    OccurrenceState,
    PostSeries,
    SeriesOccurrence,
    SeriesState,
    SeriesTarget,
)
from scheduling.series.wall_clock import Moment
from scheduling.states import WAITING, PostState

S = PostState
PASS = 100  # posts in one transaction: a second; SQLite lets nobody else write meanwhile
TICK_SECONDS = 60  # after which a periodic run leaves the rest to the next one
FOLLOWING = WAITING | {S.BLOCKED, S.AWAITING_APPROVAL, S.DRAFT}  # where posts are rewritten
CHUNK = 50
SECOND = timedelta(seconds=1)
log = logging.getLogger("carillon.series")


def settle_all() -> int:
    """Settle every series that has something to do; returns how many passes that took."""
    ends = time.monotonic() + TICK_SECONDS
    passes = 0
    for pk in _unsettled():
        try:
            while time.monotonic() < ends:
                passes += 1
                if not settle(pk, passing_by=True):
                    break
        except Exception:
            log.exception("series.failed", extra={"series_id": str(pk)})  # the others go on
    return passes


def _unsettled() -> list[uuid.UUID]:
    horizon = database_now() + settings.SERIES_HORIZON
    wanting = Q(state=SeriesState.ACTIVE, next_at__lte=horizon) | Q(
        settled_version__lt=F("version")
    )
    return list(PostSeries.objects.filter(wanting).order_by("next_at").values_list("pk", flat=True))


def settle(series_id: uuid.UUID, *, passing_by: bool = False) -> bool:
    """Do one pass over a series; returns whether work is left.

    `passing_by`: leave it alone while somebody else has it locked.
    """
    with transaction.atomic():
        found = PostSeries.objects.filter(pk=series_id).select_related("workspace", "created_by")
        series = found.select_for_update(of=("self",), skip_locked=passing_by).first()
        return series is not None and settle_locked(series)


def settle_locked(series: PostSeries) -> bool:
    """Do one pass over a series that this transaction has locked; returns whether work is left."""
    return SeriesPass(series).run()


class SeriesPass:
    """One pass over one locked series."""

    def __init__(self, series: PostSeries) -> None:
        self.series = series
        self.now = database_now()
        self.horizon = self.now + settings.SERIES_HORIZON
        self.actor = f"series:{series.pk}"
        self.targets = list(series.targets.select_related("connection__workspace"))
        self.by_connection = {target.connection_id: target for target in self.targets}
        self.attachments = attachments_of(series)
        self.left = PASS
        self._to_approve: list[ScheduledPost] = []

    def run(self) -> bool:
        series = self.series
        if series.settled_version < series.version and self._correct():
            series.settled_version = series.version
        if series.state == SeriesState.ACTIVE and self.left > 0:
            self._extend()
        series.save(update_fields=["settled_version", "next_at"])
        to_extend = (
            series.state == SeriesState.ACTIVE
            and series.next_at is not None
            and series.next_at <= self.horizon
        )
        return to_extend or series.settled_version < series.version

    # --- what an older version left -----------------------------------------------------------
    def _correct(self) -> bool:
        """Apply the series' version to its future occurrences; returns whether all have it."""
        lagging = (
            self.series.occurrences.filter(
                at__gt=self.now,
                state__in=(OccurrenceState.PLANNED, OccurrenceState.WITHDRAWN),
                series_version__lt=self.series.version,
            )
            .select_related("post")
            .prefetch_related("post__post_media")
            .order_by("at", "id")
        )
        rows = list(lagging[: self.left])
        if not rows:
            return True
        wanted = self._wanted_until(rows[-1].at)
        for row in rows:
            self._apply(row, wanted)
        ask_approvers(self._to_approve)
        SeriesOccurrence.objects.bulk_update(
            rows, ["state", "is_detached", "post_version", "series_version", "problem"]
        )
        self.left -= len(rows)
        return self.left > 0

    def _wanted_until(self, last: datetime) -> set[datetime]:
        if self.series.state != SeriesState.ACTIVE:
            return set()
        return {moment.at for moment in self.series.recurrence.between(self.now, last)}

    def _apply(self, row: SeriesOccurrence, wanted: set[datetime]) -> None:
        row.series_version = self.series.version
        row.is_detached = row.stands_alone
        is_wanted = self.series.state == SeriesState.ACTIVE and (
            row.is_detached or (row.at in wanted and row.connection_id in self.by_connection)
        )
        if not is_wanted:
            if row.state == OccurrenceState.PLANNED:
                self._withdraw(row)
            return
        if row.state == OccurrenceState.WITHDRAWN:
            self._put_back(row)
        if not row.is_detached:
            self._rewrite(row)

    def _withdraw(self, row: SeriesOccurrence) -> None:
        """Cancel the post; one that was sent, or cancelled by a person, stays as it is."""
        if row.post is not None:
            reason = f"the series {self.series} {self._why_withdrawn()}"
            try:
                row.post = services.cancel_post(row.post.pk, actor=self.actor, reason=reason)
            except IllegalTransition:
                return
        row.state = OccurrenceState.WITHDRAWN

    def _why_withdrawn(self) -> str:
        return {SeriesState.PAUSED: "was paused", SeriesState.ENDED: "was ended"}.get(
            SeriesState(self.series.state), "no longer has this occurrence"
        )

    def _put_back(self, row: SeriesOccurrence) -> None:
        row.state = OccurrenceState.PLANNED
        if row.post is None or row.post.state != S.CANCELLED:
            return  # somebody requeued it meanwhile
        reason = f"the series {self.series} has this occurrence again"
        row.post = services.requeue_post(row.post.pk, actor=self.actor, reason=reason, asks=False)
        if row.post.state == S.AWAITING_APPROVAL:
            self._to_approve.append(row.post)

    def _rewrite(self, row: SeriesOccurrence) -> None:
        if row.post is None or row.post.state not in FOLLOWING:
            return
        content = content_for(self.series, self.by_connection[row.connection_id])
        row.problem = ""
        if is_made_of(row.post, content, self.attachments):
            return  # an edit would throw away what is prepared
        try:
            edited = services.edit_post(
                row.post.pk,
                actor=self.series.written_by,
                expected_version=row.post_version,
                attachments=self.attachments,
                asks=False,
                **content,
            )
        except Invalid as refused:
            row.problem = f"The post keeps its earlier content: {refused}"
        except IllegalTransition:
            row.post.refresh_from_db(fields=["content_version", "scheduled_at"])
            row.is_detached = row.stands_alone  # else it is on its way
        else:
            row.post_version = edited.content_version
            if edited.state == S.AWAITING_APPROVAL != row.post.state:
                self._to_approve.append(edited)

    # --- what is new --------------------------------------------------------------------------
    def _extend(self) -> None:
        """Make the posts of the moments from `next_at` to the horizon, as far as the pass goes."""
        series = self.series
        if series.next_at is None or not self.targets:
            series.next_at = None
            return
        begin = max(series.next_at, self.now - settings.SERIES_HORIZON)  # no older one is noted
        moments = series.recurrence.moments(after=begin - SECOND)
        while self.left > 0:
            batch = list(islice(moments, max(1, min(CHUNK, self.left // len(self.targets)))))
            inside = [moment for moment in batch if moment.at <= self.horizon]
            self._make(inside)
            beyond = batch[len(inside) :]
            series.next_at = beyond[0].at if beyond else inside[-1].at + SECOND if inside else None
            if beyond or not inside:
                return

    def _make(self, moments: list[Moment]) -> None:
        known = set(
            self.series.occurrences.filter(at__in=[m.at for m in moments]).values_list(
                "at", "connection_id"
            )
        )
        coming: list[SeriesOccurrence] = []
        for moment in moments:
            new = [t for t in self.targets if (moment.at, t.connection_id) not in known]
            coming += self._rows(moment, new)
        self._write(coming)

    def make_occurrence(self, moment: Moment, targets: list[SeriesTarget]) -> None:
        """Make one occurrence on each of `targets`."""
        self._write(self._rows(moment, targets))

    def _rows(self, moment: Moment, targets: list[SeriesTarget]) -> list[SeriesOccurrence]:
        """Return the unsaved rows of one occurrence; a moment that is too late was missed."""
        is_missed = moment.at < self.now - late_limit(self.series)
        if is_missed and targets:
            log.warning("series.missed", extra={"series_id": str(self.series.pk)})
        self.left -= len(targets)
        state = OccurrenceState.MISSED if is_missed else OccurrenceState.PLANNED
        return [self._row(moment, target, state) for target in targets]

    def _write(self, rows: list[SeriesOccurrence]) -> None:
        """Save rows, and make the posts of those that are planned: together, so told together."""
        planned = [row for row in rows if row.state == OccurrenceState.PLANNED]
        groups: dict[datetime, PostGroup] = {}
        wishes = [self._wish(row, groups) for row in planned]
        posts = services.write_promised(wishes, actor=self.series.written_by)
        for row, post in zip(planned, posts, strict=True):
            row.post, row.post_version = post, post.content_version
        SeriesOccurrence.objects.bulk_create(rows)

    def _wish(self, row: SeriesOccurrence, groups: dict[datetime, PostGroup]) -> dict[str, Any]:
        """Return what the post of a row is made from; those of one moment are a group."""
        target = self.by_connection[row.connection_id]
        wish = {
            "workspace": self.series.workspace,
            "connection": target.connection,
            "scheduled_at": row.at,
            "attachments": self.attachments,
            "created_by": self.series.created_by,
            **content_for(self.series, target),
        }
        if len(self.targets) > 1:
            if row.at not in groups:
                groups[row.at] = services.new_group(self.series.workspace, self.series.created_by)
            wish["group"] = groups[row.at]
        return wish

    def _row(
        self, moment: Moment, target: SeriesTarget, state: OccurrenceState
    ) -> SeriesOccurrence:
        return SeriesOccurrence(
            series=self.series,
            connection_id=target.connection_id,
            at=moment.at,
            clock=moment.clock.isoformat(),
            state=state,
            series_version=self.series.version,
        )
