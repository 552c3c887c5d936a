"""YouTube: Google's consent, asked for offline use and asked anew each time.

Without `access_type=offline` and `prompt=consent` a second consent brings no refresh token.
Source: developers.google.com/youtube/v3/guides/auth/server-side-web-apps, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from platforms.backends.base import OAuth2


class YouTubeOAuth2(OAuth2):
    name = "youtube"
    platform = "youtube"
    extra_arguments: ClassVar[Mapping[str, str]] = {
        "access_type": "offline",
        "prompt": "consent",
        "include_granted_scopes": "true",
    }

    def authorization_url(self) -> str:
        return str(self.config.authorize_url)

    def access_token_url(self) -> str:
        return str(self.config.token_url)
