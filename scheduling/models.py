"""Posts, every try to publish them, and every move they made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import User, Workspace
from engine.ids import uuid7
from engine.jobs import LeasedJob
from media.models import Asset
from platforms.models import SocialConnection
from scheduling.queue_slots.models import PostQueue as PostQueue  # found by Django here
from scheduling.queue_slots.models import QueuePlace as QueuePlace
from scheduling.series.models import PostSeries as PostSeries
from scheduling.series.models import SeriesMedia as SeriesMedia
from scheduling.series.models import SeriesOccurrence as SeriesOccurrence
from scheduling.series.models import SeriesTarget as SeriesTarget
from scheduling.states import MACHINE, NEEDS_ATTENTION, WAITING, PostGraph, PostState


class PostGroup(models.Model):
    """Posts that were written together, one for each target account."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.pk)


class LatePolicy(models.TextChoices):
    """What to do when a post first becomes eligible after more than its late limit."""

    HOLD = "hold", "hold for a person"
    PUBLISH = "publish", "publish however late"


class ScheduledPost(LeasedJob):
    """One text for one account at one moment; the row is the truth, a queue message only a hint.

    `segments` is a list of {"text": str}; more than one is a thread. `progress` holds the
    network's own tokens and the remote id of each finished segment, so that a repeat is safe.
    `due_at` is the next moment the machine acts and null when it waits for a person.
    Leases, fencing and due_at come from `engine.jobs.LeasedJob`.
    """

    graph = PostGraph
    sending = PostState.PUBLISHING
    owner_column = "workspace_id"
    lane_column = "connection_id"
    State = PostState

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="posts", db_index=False
    )
    group = models.ForeignKey(
        PostGroup, on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    connection = models.ForeignKey(SocialConnection, on_delete=models.PROTECT, related_name="posts")
    platform = models.CharField(max_length=32)
    state = models.CharField(max_length=20, choices=PostState.choices, default=PostState.DRAFT)
    segments = models.JSONField(default=list)
    first_comment = models.TextField(blank=True, default="")
    media_count = models.PositiveSmallIntegerField(default=0)
    options = models.JSONField(default=dict, blank=True)
    scheduled_at = models.DateTimeField()
    time_zone = models.CharField(max_length=64, default="UTC")
    late_policy = models.CharField(
        max_length=8, choices=LatePolicy.choices, default=LatePolicy.HOLD
    )
    late_limit_minutes = models.PositiveIntegerField(null=True, blank=True)  # null: workspace's
    late_waived = models.BooleanField(default=False)  # a person said "send it"; until the next edit
    content_version = models.PositiveIntegerField(default=1)  # raised by every edit
    publish_run = models.PositiveIntegerField(default=1)  # raised by every requeue
    needs_preparation = models.BooleanField(default=False)  # uploads are still to be made ahead
    progress = models.JSONField(default=dict, blank=True)
    progress_expires_at = models.DateTimeField(null=True, blank=True)
    remote_ids = models.JSONField(default=list, blank=True)
    permalink = models.URLField(max_length=1000, blank=True, default="")
    first_sent_at = models.DateTimeField(null=True, blank=True)  # lateness counts to here
    published_at = models.DateTimeField(null=True, blank=True)
    last_category = models.CharField(max_length=32, blank=True, default="")
    last_error = models.TextField(blank=True, default="")
    correlation_id = models.CharField(max_length=64, blank=True, default="")
    external_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    callback_url = models.URLField(max_length=2000, blank=True, default="")
    # What the preflight found, [{"code", "message"}, ...], and when; null: nothing, not yet.
    warnings = models.JSONField(null=True, blank=True, editable=False)
    preflight_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What a caller of /schedule sent that has no column: user_id, org_id, their name for it.
    caller_data = models.JSONField(default=dict, blank=True, editable=False)
    authors = models.JSONField(default=list, blank=True, editable=False)  # actors who wrote in it
    # The content_version that may go out in a workspace with an approval rule; null: none yet.
    approved_version = models.PositiveIntegerField(null=True, blank=True, editable=False)
    approved_at = models.DateTimeField(null=True, blank=True, editable=False)
    approved_by = models.CharField(max_length=255, blank=True, default="", editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "external_id"],
                condition=Q(external_id__isnull=False) & ~Q(state=PostState.CANCELLED),
                name="one_live_post_per_external_id",
            ),
            models.CheckConstraint(condition=Q(priority__lte=9), name="priority_is_0_to_9"),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True) | Q(state__in=sorted(MACHINE)),
                name="only_machine_states_are_due",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=sorted(WAITING)) | Q(due_at__isnull=False),
                name="waiting_posts_have_a_moment",
            ),
            models.CheckConstraint(
                condition=~Q(state=PostState.PUBLISHING)
                | (Q(lease_slot__isnull=False) & Q(lease_expires_at__isnull=False)),
                name="publishing_posts_are_leased",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                condition=Q(lease_slot__isnull=True, due_at__isnull=False),
                name="post_due",
            ),
            models.Index(
                fields=["workspace", "connection", "due_at"],
                condition=Q(lease_slot__isnull=True, due_at__isnull=False),
                name="post_due_by_connection",
            ),
            models.Index(
                fields=["lease_slot"],
                condition=Q(lease_slot__isnull=False),
                name="post_leased",
            ),
            models.Index(
                fields=["due_at"],
                condition=Q(
                    lease_slot__isnull=True, needs_preparation=True, state__in=sorted(WAITING)
                ),
                name="post_to_prepare",
            ),
            models.Index(
                fields=["connection"], condition=Q(state=PostState.BLOCKED), name="post_blocked"
            ),
            models.Index(  # what it includes lets the statistics count without reading any post
                fields=["workspace", "scheduled_at"],
                include=[
                    "id",
                    "state",
                    "platform",
                    "connection",
                    "attempts",
                    "first_sent_at",
                    "last_category",
                ],
                name="post_calendar_counts",
            ),
            models.Index(
                fields=["connection", "published_at"],
                condition=Q(published_at__isnull=False),
                name="post_published",
            ),
            models.Index(
                fields=["connection", "scheduled_at"],
                condition=~Q(last_category=""),
                name="post_failing",  # a post that simply goes out never enters it
            ),
            models.Index(fields=["group"], condition=Q(group__isnull=False), name="post_group"),
            models.Index(
                fields=["state", "id"],
                condition=Q(state__in=sorted(NEEDS_ATTENTION)),
                name="post_attention",  # a post that simply goes out never enters it
            ),
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=sorted(WAITING), warnings__isnull=False),
                name="post_warned",  # nor this one
            ),
            models.Index(
                fields=["workspace", "scheduled_at"],
                condition=Q(state=PostState.AWAITING_APPROVAL),
                name="post_awaiting",
            ),
            models.Index(
                fields=["scheduled_at"],
                condition=Q(state__in=sorted(WAITING), due_at__gt=F("scheduled_at")),
                name="post_put_off",  # nor this one
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} post {self.pk}"

    @property
    def media_rows(self) -> Sequence[PostMedia]:
        """Return its media in their places; those who have none are not asked for them."""
        return list(self.post_media.all()) if self.media_count else ()

    @property
    def current_warnings(self) -> list[dict[str, str]]:
        """Return what the preflight found, as long as the post still waits for its moment."""
        return list(self.warnings or ()) if self.state in WAITING else []


class AccountCheck(models.Model):
    """The preflight's memory of one account: when it was asked, and what it answered.

    `look_after` is the lease of a running look, and the pause after one that could not finish.
    """

    connection = models.OneToOneField(
        SocialConnection, on_delete=models.CASCADE, primary_key=True, related_name="account_check"
    )
    look_after = models.DateTimeField(null=True, blank=True)
    connection_changed_at = models.DateTimeField(null=True, blank=True)  # its updated_at, as seen
    asked_at = models.DateTimeField(null=True, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    limits = models.JSONField(default=dict, blank=True)  # the account's own, as it answered

    def __str__(self) -> str:
        return f"check of {self.connection_id}"


class Leftover(models.Model):
    """What was prepared at a network and is not wanted any more; see `scheduling.leftovers`."""

    connection = models.ForeignKey(SocialConnection, on_delete=models.CASCADE)
    progress = models.JSONField()  # the part of it that says what to remove
    again_at = models.DateTimeField(db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"leftover {self.pk} of {self.connection_id}"


class PostMedia(models.Model):
    """An asset's place in a post: which segment, in which order, with which alt text."""

    post = models.ForeignKey(ScheduledPost, on_delete=models.CASCADE, related_name="post_media")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="post_media")
    segment = models.PositiveSmallIntegerField(default=0)
    position = models.PositiveSmallIntegerField(default=0)
    alt_text = models.TextField(blank=True, default="")

    class Meta:
        ordering: ClassVar = ["segment", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["post", "segment", "position"], name="one_asset_per_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} in {self.post_id}"


class PublishAttempt(models.Model):
    """One try to publish; written with the send mark, completed with what was learnt.

    `decision` is what we did next and `reason` why, in words for people. `excerpt` keeps at most
    500 characters of the network's answer, redacted.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    post = models.ForeignKey(ScheduledPost, on_delete=models.CASCADE, related_name="attempt_log")
    number = models.PositiveIntegerField()
    publish_run = models.PositiveIntegerField(default=1)  # with content_version: the key's life
    content_version = models.PositiveIntegerField(default=1)
    fencing_token = models.PositiveBigIntegerField()
    worker = models.CharField(max_length=255, blank=True, default="")
    started_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=32, default="in_flight")
    category = models.CharField(max_length=32, blank=True, default="")
    http_status = models.PositiveSmallIntegerField(default=0)
    provider_code = models.CharField(max_length=100, blank=True, default="")
    request_id = models.CharField(max_length=200, blank=True, default="")
    excerpt = models.TextField(blank=True, default="")
    retry_after_seconds = models.FloatField(null=True, blank=True)
    remote_ids = models.JSONField(default=list, blank=True)
    decision = models.CharField(max_length=32, blank=True, default="")
    reason = models.TextField(blank=True, default="")

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["post"],
                include=["category"],
                condition=~Q(category=""),
                name="attempt_failed",
            ),
            models.Index(
                fields=["started_at", "category"],
                condition=~Q(category=""),
                name="attempt_error_at",  # one that went well never enters it
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.post_id}"


class PostTransition(models.Model):
    """One move of one post: from, to, by whom, why, when."""

    id = models.BigAutoField(primary_key=True)
    post = models.ForeignKey(ScheduledPost, on_delete=models.CASCADE, related_name="transitions")
    source = models.CharField(max_length=20)
    target = models.CharField(max_length=20)
    actor = models.CharField(max_length=255)
    reason = models.TextField(blank=True, default="")
    fencing_token = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class BulkJob(models.Model):
    """One act on many posts, done in the background; see `scheduling.bulk_jobs`.

    Which posts is frozen as BulkItems when the job is proposed, so that nothing is done to a row
    that was not counted before its confirmation. `filter` is what the list was narrowed by,
    `answers` what was asked on confirmation. The counts follow the items while it runs.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", "proposed"  # who proposed it looks at the count and confirms
        WAITING = "waiting", "waiting"  # a worker takes it within a minute
        RUNNING = "running", "running"  # a worker has it until `lease_until`, then another may
        DONE = "done", "done"
        STOPPED = "stopped", "stopped"  # a person stopped it; what was done stays done

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    action = models.CharField(max_length=32)  # a name of `bulk_actions.ACTIONS`
    state = models.CharField(max_length=16, choices=State.choices, default=State.PROPOSED)
    filter = models.JSONField(default=dict)
    answers = models.JSONField(default=dict)
    reason = models.TextField(blank=True, default="")
    actor = models.CharField(max_length=255)  # as in the audit log
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.CharField(max_length=255, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["state"],
                condition=Q(state__in=["waiting", "running"]),
                name="bulk_job_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.total} posts"


class BulkItem(models.Model):
    """One post of a job, as it was when the job was proposed, and what became of it."""

    class Result(models.TextChoices):
        PENDING = "", "to do"
        DONE = "done", "done"
        REFUSED = "refused", "refused"
        FAILED = "failed", "failed"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="items", db_index=False)
    post = models.ForeignKey(
        ScheduledPost, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    place = models.PositiveIntegerField()  # from 0, in the order of the posts' moments
    seen_state = models.CharField(max_length=20)
    result = models.CharField(
        max_length=8, choices=Result.choices, blank=True, default=Result.PENDING
    )
    why = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "place"], name="one_post_per_place")
        ]
        indexes: ClassVar = [
            models.Index(fields=["job", "place"], condition=Q(result=""), name="bulk_item_pending")
        ]

    def __str__(self) -> str:
        return f"{self.place} of {self.job_id}"


class ResolutionProposal(models.Model):
    """What one person says of a post in doubt, waiting for a second one; see `four_eyes`.

    `seen` is what the post was like then: if it has changed, the proposal is void.
    """

    class End(models.TextChoices):
        OPEN = "", "open"
        CONFIRMED = "confirmed", "confirmed"
        WITHDRAWN = "withdrawn", "withdrawn"
        VOID = "void", "void"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    post = models.ForeignKey(
        ScheduledPost, on_delete=models.CASCADE, related_name="proposals", db_index=False
    )
    live = models.BooleanField()
    permalink = models.CharField(max_length=1000, blank=True, default="")
    remote_id = models.CharField(max_length=255, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    actor = models.CharField(max_length=255)  # as in the audit log
    persons = models.JSONField(default=list)  # every name by which this person may come again
    seen = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)
    end = models.CharField(max_length=16, choices=End.choices, blank=True, default=End.OPEN)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["post"], condition=Q(end=""), name="one_open_proposal_per_post"
            )
        ]

    def __str__(self) -> str:
        return f"proposal of {self.actor} on {self.post_id}"


class Tally(models.Model):
    """Things of one kind that happened in one minute: a journal, see `scheduling.tallies`.

    `number` of them; their durations add up to `seconds` and fell into `bucket`, counted from 0 in
    the bounds of `tallies` (NO_BUCKET: they have no duration). Rows live for some seconds.
    """

    class Fact(models.TextChoices):
        REACHED = "reached", "posts that reached a state"  # label: the state
        SENT = "sent", "posts sent for the first time"  # durations: lateness
        ATTEMPT = "attempt", "tries that ended"  # label: outcome; durations: of the calls

    NO_BUCKET = -1

    id = models.BigAutoField(primary_key=True)
    minute = models.DateTimeField()
    platform = models.CharField(max_length=32)
    fact = models.CharField(max_length=8, choices=Fact.choices)
    label = models.CharField(max_length=32, blank=True, default="")
    category = models.CharField(max_length=32, blank=True, default="")
    bucket = models.SmallIntegerField(default=NO_BUCKET)
    number = models.PositiveIntegerField()
    seconds = models.FloatField(default=0.0)

    def __str__(self) -> str:
        return f"{self.number} {self.fact} {self.label} on {self.platform} at {self.minute}"
