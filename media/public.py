"""Public addresses of files, for the networks that fetch them themselves.

An address is signed and ends by itself; whoever has it can read this one file until then, without
signing in. Networks ask for at least 25 hours, some fetch again: ours live for three days.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

from media.models import Asset

LIFE = timedelta(days=3)
_signer = signing.TimestampSigner(salt="media.public")


def public_address(asset: Asset) -> str:
    """Return an address from which anybody can fetch the file, in ASCII; "" when there is none.

    A file that is not fetched yet, or of an installation that the networks cannot reach
    (MEDIA_PUBLIC_URL is empty), has the address it came from, if it came from one.
    """
    base: str = settings.MEDIA_PUBLIC_URL
    if not asset.file or not base:
        return asset.source_url
    name = (asset.file.name or "").rsplit("/", 1)[-1] or "file"
    ticket = _signer.sign(str(asset.pk))
    return base + reverse("public-file", kwargs={"ticket": ticket, "name": name})


def asset_of(ticket: str) -> uuid.UUID | None:
    """Return whose file a ticket opens; None when it is false or its time is over."""
    try:
        return uuid.UUID(_signer.unsign(ticket, max_age=LIFE))
    except (signing.BadSignature, ValueError):
        return None
