"""Files that posts carry; fetched into storage ahead of time when they came as a URL."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import User, Workspace
from engine.ids import uuid7


class AssetKind(models.TextChoices):
    IMAGE = "image", "image"
    GIF = "gif", "animated GIF"
    VIDEO = "video", "video"


class Asset(models.Model):
    """One file of a workspace. `file` is empty until a `source_url` has been fetched."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="assets")
    kind = models.CharField(max_length=8, choices=AssetKind.choices, default=AssetKind.IMAGE)
    file = models.FileField(upload_to="assets/%Y/%m/", blank=True)
    source_url = models.URLField(max_length=2000, blank=True, default="")
    mime_type = models.CharField(max_length=100, blank=True, default="")
    size_bytes = models.PositiveBigIntegerField(default=0)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)  # of a video
    sha256 = models.CharField(max_length=64, blank=True, default="")
    alt_text = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~models.Q(file="") | ~models.Q(source_url=""), name="asset_has_a_source"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
