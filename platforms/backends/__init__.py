"""Every way to connect an account by consent in the browser: one line each."""

from __future__ import annotations

from platforms.backends.base import ConnectBackend
from platforms.backends.deviantart import DeviantArtOAuth2
from platforms.backends.facebook import FacebookOAuth2, InstagramByFacebook
from platforms.backends.instagram import InstagramOAuth2
from platforms.backends.linkedin import LinkedInOAuth2
from platforms.backends.mastodon import MastodonOAuth2
from platforms.backends.threads import ThreadsOAuth2
from platforms.backends.tiktok import TikTokOAuth2
from platforms.backends.x import XOAuth2
from platforms.backends.x_oauth1 import XOAuth1
from platforms.backends.youtube import YouTubeOAuth2

BACKENDS: dict[str, type[ConnectBackend]] = {  # the first of a platform is the one to recommend
    backend.name: backend
    for backend in (
        XOAuth2,
        XOAuth1,
        LinkedInOAuth2,
        MastodonOAuth2,
        InstagramOAuth2,
        InstagramByFacebook,
        ThreadsOAuth2,
        FacebookOAuth2,
        YouTubeOAuth2,
        TikTokOAuth2,
        DeviantArtOAuth2,
    )
}
