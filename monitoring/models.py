"""What happened to posts, added up: minute by minute for a while, and altogether for ever."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Counted(models.Model):
    """One kind of thing on one platform: rows of `scheduling.models.Tally`, added up.

    `number` of them; their durations add up to `seconds`, and `buckets` says how many fell into
    each bucket (not cumulative).
    """

    id = models.BigAutoField(primary_key=True)
    platform = models.CharField(max_length=32)
    fact = models.CharField(max_length=8)
    label = models.CharField(max_length=32, blank=True, default="")
    category = models.CharField(max_length=32, blank=True, default="")
    number = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0.0)
    buckets = models.JSONField(default=list)

    class Meta:
        abstract = True


class MinuteSum(Counted):
    """What happened in one minute; kept for ROLLUP_DAYS."""

    minute = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["minute", "platform", "fact", "label", "category"],
                name="one_sum_per_minute",
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.fact} {self.label} on {self.platform} at {self.minute}"


class Total(Counted):
    """What ever happened: what Prometheus is told, so counters survive restarts and tidying."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["platform", "fact", "label", "category"], name="one_total_per_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.fact} {self.label} on {self.platform}"


class Census(models.Model):
    """The last count of rows by state; see `monitoring.census`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    counted_at = models.DateTimeField()
    took_seconds = models.FloatField()
    figures = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="only_one_census")
        ]

    def __str__(self) -> str:
        return f"census of {self.counted_at}"
