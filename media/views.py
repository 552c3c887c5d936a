"""Handing files out to those who have an address for them."""

from __future__ import annotations

from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from media.models import Asset
from media.public import LIFE, asset_of

# What a browser shows but never runs; everything else is a download, whatever it says it is.
SHOWN = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "video/mp4",
        "video/quicktime",
        "video/webm",
    }
)


@require_safe
def public_file(request: HttpRequest, ticket: str, name: str) -> HttpResponseBase:
    """Stream the file that the ticket opens; 404 for everything else."""
    key = asset_of(ticket)
    asset = Asset.objects.filter(pk=key).exclude(file="").first() if key else None
    if asset is None:
        raise Http404
    try:
        content = asset.file.open("rb")
    except OSError:
        raise Http404 from None
    is_shown = asset.mime_type in SHOWN
    response = FileResponse(
        content,
        content_type=asset.mime_type if is_shown else "application/octet-stream",
        as_attachment=not is_shown,
        filename=name,
    )
    response["Content-Length"] = str(asset.size_bytes)
    response["Cache-Control"] = f"private, max-age={int(LIFE.total_seconds())}"
    # An HTML or SVG file must not run as a page of ours, even if its type is a lie.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response
