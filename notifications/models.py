"""The outbox: what is to be told to whom, written in the transaction of the event itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import User, Workspace
from engine.ids import uuid7
from engine.jobs import LeasedJob
from engine.states import StateGraph


class Notification(models.Model):
    """One event worth telling, kept single by `dedupe_key`; each way to tell it is a Delivery."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, blank=True)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    event = models.CharField(max_length=64)  # "post.published", noun.verb
    context = models.JSONField(default=dict, blank=True)
    dedupe_key = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"


class DeliveryState(models.TextChoices):
    PENDING = "pending", "pending"  # a notifier slot claims it at due_at
    SENDING = "sending", "sending"  # marked; its slot finishes it, else the sweeper
    SENT = "sent", "sent"  # the receiver or provider accepted it
    FAILED = "failed", "failed"  # refused for good, or attempts used up: dead letter
    SKIPPED = "skipped", "skipped"  # channel not configured or nothing to say; see `error_text`


D = DeliveryState


class DeliveryGraph(StateGraph):
    initial = D.PENDING
    edges = {
        D.PENDING: frozenset({D.SENDING, D.SKIPPED, D.FAILED}),
        D.SENDING: frozenset({D.SENT, D.PENDING, D.FAILED, D.SKIPPED}),
        D.SENT: frozenset(),
        D.FAILED: frozenset({D.PENDING}),
        D.SKIPPED: frozenset({D.PENDING}),
    }


class Channel(models.TextChoices):
    WEBHOOK = "webhook", "webhook"
    EMAIL = "email", "e-mail"


class Delivery(LeasedJob):
    """One notification through one channel to one target; a leased job like a post."""

    graph = DeliveryGraph
    sending = DeliveryState.SENDING

    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="deliveries"
    )
    channel = models.CharField(max_length=16, choices=Channel.choices)
    target = models.CharField(max_length=2000)  # URL or address
    lane = models.CharField(max_length=255, default="")  # receivers that share it share its cap
    state = models.CharField(
        max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    provider_id = models.CharField(max_length=255, blank=True, default="")
    error_category = models.CharField(max_length=32, blank=True, default="")
    error_text = models.TextField(blank=True, default="")
    delivered_at = models.DateTimeField(null=True, blank=True)
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
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.target}"
