"""The outbox: what is to be told to whom, written in the transaction of the event itself.

Beside it what is known of the targets: devices that take pushes, endpoints that take a workspace's
events, addresses that take nothing more, and channels whose provider refuses us; and what each
person chose to hear of, when and where.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import User, Workspace
from engine.ids import uuid7
from engine.jobs import LeasedJob
from engine.states import StateGraph

SHOWN_CHARS = 50  # of an endpoint's address


class Notification(models.Model):
    """One event worth telling, kept single by `dedupe_key`; each way to tell it is a Delivery."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, blank=True)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    event = models.CharField(max_length=64)  # "post.published", noun.verb
    context = models.JSONField(default=dict, blank=True)
    dedupe_key = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        indexes: ClassVar = [  # how many of one event somebody was told in the last hour
            models.Index(
                fields=["user", "event", "created_at"],
                condition=models.Q(user__isnull=False),
                name="notification_told",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"


class DeliveryState(models.TextChoices):
    PENDING = "pending", "pending"  # a notifier slot claims it at due_at
    SENDING = "sending", "sending"  # marked; its slot finishes it, else the sweeper
    SENT = "sent", "sent"  # the receiver or provider accepted it
    FAILED = "failed", "failed"  # refused for good, attempts used up, or nobody knows: dead letter
    SKIPPED = "skipped", "skipped"  # channel not configured or nothing to say; see `error_text`


D = DeliveryState


class DeliveryGraph(StateGraph):
    initial = D.PENDING
    edges = {
        D.PENDING: frozenset({D.SENDING, D.SKIPPED, D.FAILED}),
        D.SENDING: frozenset({D.SENT, D.PENDING, D.FAILED, D.SKIPPED}),
        D.SENT: frozenset({D.PENDING}),  # by staff, when the provider reported it undelivered
        D.FAILED: frozenset({D.PENDING, D.SENT}),  # SENT: a report says that it arrived after all
        D.SKIPPED: frozenset({D.PENDING}),
    }


class Channel(models.TextChoices):
    WEBHOOK = "webhook", "webhook"
    EMAIL = "email", "e-mail"
    SMS = "sms", "SMS"
    PUSH = "push", "push"
    SLACK = "slack", "Slack"
    ENDPOINT = "endpoint", "webhook endpoint"  # `WebhookEndpoint`; WEBHOOK is a post's own address


class Report(models.TextChoices):
    """What a provider said became of a message; later ones in this order replace earlier ones."""

    NONE = "", "-"
    QUEUED = "queued", "queued"
    ON_ITS_WAY = "on_its_way", "on its way"
    HANDED_ON = "handed_on", "handed on"  # to the carrier
    DELIVERED = "delivered", "delivered"
    UNDELIVERED = "undelivered", "not delivered"  # last: a mail may bounce after it was taken

    @classmethod
    def before(cls, report: Report) -> list[str]:
        """Return the reports that `report` replaces."""
        order = list(cls)
        return [str(earlier) for earlier in order[: order.index(report)]]


class Delivery(LeasedJob):
    """One notification through one channel to one target; a leased job like a post."""

    graph = DeliveryGraph
    sending = DeliveryState.SENDING

    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="deliveries"
    )
    channel = models.CharField(max_length=16, choices=Channel.choices)
    target = models.CharField(max_length=2000)  # URL, address, number, Slack channel; a device's or
    # an endpoint's id
    lane = models.CharField(max_length=255, default="")  # receivers that share it share its cap
    state = models.CharField(
        max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    provider_id = models.CharField(max_length=255, blank=True, default="")
    error_category = models.CharField(max_length=32, blank=True, default="")
    error_text = models.TextField(blank=True, default="")
    delivered_at = models.DateTimeField(null=True, blank=True)  # when the provider took it
    # db_default: the outbox is also written by a release that runs beside this one.
    report = models.CharField(max_length=16, choices=Report.choices, blank=True, db_default="")
    report_code = models.CharField(max_length=255, blank=True, db_default="")
    reported_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(lease_slot__isnull=True, due_at__isnull=False),
                name="delivery_due",
            ),
            models.Index(
                fields=["lease_slot"],
                condition=models.Q(lease_slot__isnull=False),
                name="delivery_leased",
            ),
            models.Index(
                fields=["target", "id"],
                condition=models.Q(channel="endpoint"),
                name="delivery_of_endpoint",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.target}"


class Device(models.Model):
    """One app on one phone or in one browser that takes a user's pushes.

    `secret` is its registration token, encrypted; equal tokens are found by `token_hash` (SHA-256).
    """

    class Platform(models.TextChoices):
        ANDROID = "android", "Android"
        IOS = "ios", "iOS"
        WEB = "web", "browser"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    platform = models.CharField(max_length=16, choices=Platform.choices)
    name = models.CharField(max_length=100, blank=True, default="")  # as its owner knows it
    secret = models.BinaryField(editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    last_seen_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["last_seen_at"], name="device_seen")]

    def __str__(self) -> str:
        return self.name or f"{self.get_platform_display()} device"


class WebhookEndpoint(models.Model):
    """An address that takes a workspace's events, signed with a secret of its own.

    `secret` holds, encrypted, the present secret and the one before it, which signs as well until
    `previous_until`. `failing_since` is when the first of the attempts failed since which none
    has succeeded.
    """

    class State(models.TextChoices):
        ENABLED = "enabled", "enabled"
        DISABLED = "disabled", "disabled"  # its deliveries are skipped; see `disabled_reason`

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="webhook_endpoints"
    )
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=255, blank=True, default="")
    events = models.JSONField(default=list, blank=True)  # types of events; none: all of them
    secret = models.BinaryField(editable=False)
    previous_until = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.ENABLED)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=500, blank=True, default="")
    failing_since = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_failure = models.CharField(max_length=500, blank=True, default="")
    version = models.PositiveIntegerField(default=1)  # grows with what people or we decide of it
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state="enabled", disabled_at__isnull=True)
                | models.Q(state="disabled", disabled_at__isnull=False),
                name="disabled_endpoint_says_since_when",
            )
        ]

    def __str__(self) -> str:
        """Return how people call it; what stands in an address's query may be secret."""
        bare = self.url.partition("?")[0]
        return self.description or (bare if len(bare) <= SHOWN_CHARS else f"{bare[:SHOWN_CHARS]}…")


class Suppression(models.Model):
    """A target that must not or cannot be written to through a channel; found by its hash."""

    class Reason(models.TextChoices):
        OPTED_OUT = "opted_out", "opted out"  # answered STOP to a text message
        BOUNCED = "bounced", "bounced"  # the mailbox does not exist
        COMPLAINED = "complained", "reported as spam"
        UNSUBSCRIBED = "unsubscribed", "unsubscribed"
        INVALID = "invalid", "takes no messages"  # a land line, a number that does not exist

    channel = models.CharField(max_length=16, choices=Channel.choices)
    target_hash = models.CharField(max_length=64, editable=False)
    hint = models.CharField(max_length=100)  # enough to recognise the target: a***@example.org
    reason = models.CharField(max_length=16, choices=Reason.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "target_hash"], name="one_suppression_per_target"
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.hint}"


class ChannelFault(models.Model):
    """A channel whose provider refuses our own credentials or settings; gone when it works again.

    While it stands, one delivery now and then tries the channel and the others wait.
    """

    channel = models.CharField(max_length=16, choices=Channel.choices, primary_key=True)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField(auto_now_add=True)
    last_refused_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.channel}: {self.reason}"


class Mode(models.TextChoices):
    """How somebody wants to hear of one event through one channel."""

    OFF = "off", "off"
    IMMEDIATE = "immediate", "at once"
    HOURLY = "hourly", "each hour"  # the summaries are mails: of e-mail only
    DAILY = "daily", "each morning"


class Preference(models.Model):
    """What one person chose; without a row the event's default holds (see `catalog`).

    `workspace` is null for events of the whole installation.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="preferences")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, blank=True)
    event = models.CharField(max_length=64)
    channel = models.CharField(max_length=16, choices=Channel.choices)
    mode = models.CharField(max_length=16, choices=Mode.choices)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "workspace", "event", "channel"], name="one_choice_per_workspace"
            ),
            models.UniqueConstraint(
                fields=["user", "event", "channel"],
                condition=models.Q(workspace__isnull=True),
                name="one_choice_of_the_installation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.channel}: {self.mode}"


class Reader(models.Model):
    """When and where a person can be reached; no row means: by their login's e-mail, at any hour.

    `quiet_from` and `quiet_until` are on the wall clock of `time_zone` and may span midnight.
    An address counts once it was confirmed by a code (`*_verified_at`).
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="reader"
    )
    time_zone = models.CharField(max_length=64, default="UTC")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    wakes_for_critical = models.BooleanField(default=False)  # by SMS and push
    phone = models.CharField(max_length=32, blank=True, default="")
    phone_verified_at = models.DateTimeField(null=True, blank=True)
    email = models.EmailField(blank=True, default="")  # instead of the login's
    email_verified_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"reader {self.pk}"


class SlackPlace(models.Model):
    """Where in Slack a person hears of one workspace: a channel's or a member's id."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="slack_places")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    target = models.CharField(max_length=100)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "workspace"], name="one_slack_place_each")
        ]

    def __str__(self) -> str:
        return self.target


class ContactCode(models.Model):
    """A code on its way to a number or address, to see that it is the user's; kept as a hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    channel = models.CharField(max_length=16, choices=Channel.choices)
    target = models.CharField(max_length=254)
    code_hash = models.CharField(max_length=64, editable=False)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "created_at"], name="code_of_user"),
            models.Index(fields=["target", "created_at"], name="code_to_target"),
        ]

    def __str__(self) -> str:
        return f"code by {self.channel}"


class DigestItem(models.Model):
    """One event that waits for its reader's next summary; gone once the summary is written."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notification = models.OneToOneField(
        Notification, on_delete=models.CASCADE, related_name="digest_item"
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"for a summary: {self.notification_id}"


class Incident(models.Model):
    """A trouble of the installation that staff were told of; gone when it is over."""

    name = models.CharField(max_length=255, primary_key=True)  # "breaker:app:x:publish"
    since = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
