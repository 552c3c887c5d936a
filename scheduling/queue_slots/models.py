"""Queue slots: an account's weekly times for posts that only want to be next."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from platforms.models import SocialConnection


class PostQueue(models.Model):
    """The weekly slots of one account; the row's lock makes those who take one wait in turn.

    `slots` is a list of [day, time], such as ["MO", "09:00"], on the wall in `time_zone`.
    """

    connection = models.OneToOneField(
        SocialConnection, on_delete=models.CASCADE, primary_key=True, related_name="post_queue"
    )
    time_zone = models.CharField(max_length=64, default="UTC")
    slots = models.JSONField(default=list, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"queue of {self.connection_id}"


class QueuePlace(models.Model):
    """A post that took a slot. It holds it while it is not cancelled and still set for `at`."""

    post = models.OneToOneField(
        "scheduling.ScheduledPost",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="queue_place",
    )
    connection = models.ForeignKey(SocialConnection, on_delete=models.CASCADE, db_index=False)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "at"], name="one_post_per_queue_slot")
        ]

    def __str__(self) -> str:
        return f"{self.at} of {self.connection_id}"
