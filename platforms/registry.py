"""Every network Carillon can publish to: one line each."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from platforms.adapters.base import Adapter
from platforms.adapters.bluesky import Bluesky
from platforms.adapters.deviantart import DeviantArt
from platforms.adapters.facebook import Facebook
from platforms.adapters.instagram import Instagram
from platforms.adapters.linkedin import LinkedIn
from platforms.adapters.mastodon import Mastodon
from platforms.adapters.sandbox import Sandbox
from platforms.adapters.telegram import Telegram
from platforms.adapters.threads import Threads
from platforms.adapters.tiktok import TikTok
from platforms.adapters.x import X
from platforms.adapters.youtube import YouTube

ADAPTERS: dict[str, type[Adapter]] = {
    "x": X,
    "linkedin": LinkedIn,
    "mastodon": Mastodon,
    "instagram": Instagram,
    "threads": Threads,
    "facebook": Facebook,
    "bluesky": Bluesky,
    "youtube": YouTube,
    "tiktok": TikTok,
    "deviantart": DeviantArt,
    "telegram": Telegram,
    "sandbox": Sandbox,
}
ALIASES = {"twitter": "x"}  # names the predecessors used


class UnknownPlatform(LookupError):
    """No adapter has this slug."""


def slug_of(name: str) -> str:
    """Return the registered slug for a platform's name or old alias; raises UnknownPlatform."""
    slug = ALIASES.get(name.strip().lower(), name.strip().lower())
    if slug not in ADAPTERS:
        known = ", ".join(sorted(ADAPTERS))
        raise UnknownPlatform(f"Unknown platform {name!r}. Known platforms: {known}.")
    return slug


@lru_cache
def adapter_for(slug: str) -> Adapter:
    """Return the configured adapter of a platform (stateless, so one is enough)."""
    known = slug_of(slug)
    adapter_class = ADAPTERS[known]
    return adapter_class(adapter_class.config_class(**settings.PLATFORMS.get(known, {})))
