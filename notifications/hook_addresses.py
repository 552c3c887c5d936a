"""Where providers report what became of a message: stable addresses of this site.

They are empty unless HOOKS_PUBLIC_URL (or PUBLIC_URL) is set. An address without TLS is named only
to a provider that is reached without TLS itself, which is the sandbox: Twilio refuses it.
"""

from __future__ import annotations

import uuid

from django.conf import settings

TWILIO_PATH = "/api/v1/hooks/twilio/"
SENDGRID_PATH = "/api/v1/hooks/sendgrid"


def twilio_hook(delivery_id: uuid.UUID) -> str:
    """Return the StatusCallback of one delivery, "" when Twilio cannot reach us."""
    base: str = settings.HOOKS_PUBLIC_URL
    is_reachable = base.startswith("https://") or settings.TWILIO_API_BASE.startswith("http://")
    return f"{base}{TWILIO_PATH}{delivery_id}" if base and is_reachable else ""
