"""Files in the staff console: looked at, never changed here."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from engine.admin_lists import CappedAdmin, ShownOnly
from media.models import Asset


@admin.register(Asset)
class AssetAdmin(ShownOnly, CappedAdmin):
    list_display = ("id", "kind", "workspace", "mime_type", "size", "created_at")
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace",)
    list_filter = ("kind",)
    search_fields = ("=id", "=sha256")
    search_help_text = "A file's id or its SHA-256"
    fields = (
        "kind",
        "file",
        "source_url",
        "mime_type",
        "size",
        "width",
        "height",
        "duration_ms",
        "sha256",
        "alt_text",
        "workspace",
        "created_by",
        "created_at",
    )

    @admin.display(description="size")
    def size(self, asset: Any) -> str:
        return filesizeformat(asset.size_bytes)
