"""Handing files out to those who have an address for them."""

from __future__ import annotations

from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from media.models import Asset
from media.public import LIFE, asset_of


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
    response = FileResponse(
        content, content_type=asset.mime_type or "application/octet-stream", filename=name
    )
    response["Content-Length"] = str(asset.size_bytes)
    response["Cache-Control"] = f"private, max-age={int(LIFE.total_seconds())}"
    # An uploaded HTML or SVG file must not run as a page of ours.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response
