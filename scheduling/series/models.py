"""Series: a content, when it recurs, for which accounts, and what became of each occurrence."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import User, Workspace
from engine.ids import uuid7
from media.models import Asset
from platforms.models import SocialConnection
from scheduling.series.recurrence import Recurrence


class SeriesState(models.TextChoices):
    """Whether posts are made of a series."""

    ACTIVE = "active", "active"
    PAUSED = "paused", "paused"  # its future posts are withdrawn until somebody resumes it
    ENDED = "ended", "ended"  # for good; nothing resumes it


class PostSeries(models.Model):
    """A content that recurs. Its posts exist SERIES_HORIZON_DAYS ahead of their moment.

    `rule` is as `scheduling.series.rule` reads it, `starts` a wall-clock time without offset
    ("2026-12-01T09:00:00") in `time_zone`. Every change raises `version`; `settling` then brings
    the posts to what the series says and stores in `settled_version` what it has done.
    """

    State = SeriesState

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="series")
    name = models.CharField(max_length=255, blank=True, default="")
    state = models.CharField(max_length=8, choices=SeriesState.choices, default=SeriesState.ACTIVE)
    state_reason = models.CharField(max_length=1000, blank=True, default="")
    rule = models.CharField(max_length=500)
    starts = models.CharField(max_length=19)
    time_zone = models.CharField(max_length=64)
    segments = models.JSONField(default=list)
    first_comment = models.TextField(blank=True, default="")
    options = models.JSONField(default=dict, blank=True)
    priority = models.PositiveSmallIntegerField(default=0)
    late_policy = models.CharField(max_length=8)
    late_limit_minutes = models.PositiveIntegerField(null=True, blank=True)
    callback_url = models.URLField(max_length=2000, blank=True, default="")
    version = models.PositiveIntegerField(default=1)
    settled_version = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)  # from here on there are no posts yet
    continues = models.ForeignKey(  # the series that was split before this one's first occurrence
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="continued_by"
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    written_by = models.CharField(max_length=255)  # whose content it is ("user:ada"): its last edit
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "post series"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(priority__lte=9), name="series_priority_is_0_to_9")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_at"],
                condition=Q(state=SeriesState.ACTIVE, next_at__isnull=False),
                name="series_to_extend",
            ),
            models.Index(
                fields=["id"],
                condition=Q(settled_version__lt=F("version")),
                name="series_to_settle",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"series {self.pk}"

    @property
    def recurrence(self) -> Recurrence:
        """Return when it happens; what is stored was read before, so it can be read again."""
        return Recurrence.read(self.rule, self.starts, self.time_zone)


class SeriesTarget(models.Model):
    """An account that a series goes to; `changes` hold what is different there.

    Any of segments, first_comment and options, whole, as the post gets them.
    """

    series = models.ForeignKey(PostSeries, on_delete=models.CASCADE, related_name="targets")
    connection = models.ForeignKey(SocialConnection, on_delete=models.CASCADE)
    changes = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["series", "connection"], name="one_target_per_account")
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} of {self.series_id}"


class SeriesMedia(models.Model):
    """An asset's place in a series, as `PostMedia` has it for a post."""

    series = models.ForeignKey(PostSeries, on_delete=models.CASCADE, related_name="series_media")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="series_media")
    segment = models.PositiveSmallIntegerField(default=0)
    position = models.PositiveSmallIntegerField(default=0)
    alt_text = models.TextField(blank=True, default="")

    class Meta:
        ordering: ClassVar = ["segment", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["series", "segment", "position"], name="one_series_asset_per_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} in {self.series_id}"


class OccurrenceState(models.TextChoices):
    """What the series wants of one occurrence on one account; the post has its own state."""

    PLANNED = "planned", "planned"  # its post exists and follows the series, unless detached
    SKIPPED = "skipped", "skipped"  # a person left this one out; it stays out
    WITHDRAWN = "withdrawn", "withdrawn"  # the series was paused, ended or changed away from it
    MISSED = "missed", "missed"  # no worker ran until it was too late; never made up for


class SeriesOccurrence(models.Model):
    """One moment of a series on one account, and the post that was made for it.

    `at` is the instant and `clock` what the wall clock was meant to show. `post_version` is the
    content version that the series wrote last: a post beyond it was edited by itself and is
    detached. `series_version` is the version of the series that was applied here last.
    """

    State = OccurrenceState

    id = models.BigAutoField(primary_key=True)
    series = models.ForeignKey(
        PostSeries, on_delete=models.CASCADE, related_name="occurrences", db_index=False
    )
    connection = models.ForeignKey(SocialConnection, on_delete=models.CASCADE, db_index=False)
    at = models.DateTimeField()
    clock = models.CharField(max_length=19)
    state = models.CharField(
        max_length=10, choices=OccurrenceState.choices, default=OccurrenceState.PLANNED
    )
    is_detached = models.BooleanField(default=False)
    post = models.OneToOneField(
        "scheduling.ScheduledPost",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="occurrence",
    )
    post_version = models.PositiveIntegerField(default=0)
    series_version = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True, default="")  # why the series could not change its post

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["series", "at", "connection"], name="one_occurrence_per_moment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.clock} of {self.series_id}"

    @property
    def stands_alone(self) -> bool:
        """Say whether a person edited or moved its post by itself (post is read)."""
        post = self.post
        return self.is_detached or (
            post is not None
            and (post.content_version != self.post_version or post.scheduled_at != self.at)
        )
