"""Each network's imitation, for `manage.py run`: which variables lead to it, and which forbid it.

Whoever gives one of a network's own variables means the real network: then none of its others is
provided, so that real credentials never meet the sandbox and posts never end there by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLIENT, CLIENT_SECRET = "sandbox-client", "sandbox-client-secret"  # known to every imitation


@dataclass(frozen=True, slots=True)
class Imitation:
    """What points a network at the sandbox; "{site}" stands for the sandbox's address.

    `real` are more variables that mean the real network, beside those that are provided.
    """

    provides: Mapping[str, str]
    real: frozenset[str] = frozenset()

    @property
    def variables(self) -> frozenset[str]:
        """Return the variables that mean the real network when somebody gives them."""
        return self.real | self.provides.keys()


IMITATIONS: Mapping[str, Imitation] = {
    "x": Imitation(
        {
            "X_API_BASE": "{site}/x",
            "X_AUTHORIZE_URL": "{site}/x/i/oauth2/authorize",
            "X_TOKEN_URL": "{site}/x/2/oauth2/token",
            "TWITTER_API_KEY": "sandbox-consumer",
            "TWITTER_API_SECRET": "sandbox-consumer-secret",
            "TWITTER_CLIENT_ID": CLIENT,
            "TWITTER_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
    "linkedin": Imitation(
        {
            "LINKEDIN_API_BASE": "{site}/linkedin",
            "LINKEDIN_OAUTH_BASE": "{site}/linkedin/oauth/v2",
            "LINKEDIN_CLIENT_ID": CLIENT,
            "LINKEDIN_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
    "mastodon": Imitation({"MASTODON_SERVER": "{site}/mastodon/one"}),
    "instagram": Imitation(
        {
            "IG_GRAPH_BASE": "{site}/instagram",
            "IG_RUPLOAD_BASE": "{site}/instagram",
            "IG_OAUTH_BASE": "{site}/instagram",
            "IG_AUTHORIZE_URL": "{site}/instagram/oauth/authorize",
            "INSTAGRAM_CLIENT_ID": CLIENT,
            "INSTAGRAM_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
    "threads": Imitation(
        {
            "THREADS_GRAPH_BASE": "{site}/threads",
            "THREADS_AUTH_BASE": "{site}/threads",
            "THREADS_CLIENT_ID": CLIENT,
            "THREADS_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
    "facebook": Imitation(  # its application also serves Instagram through a Facebook Page
        {
            "FB_GRAPH_BASE": "{site}/facebook",
            "FB_VIDEO_BASE": "{site}/facebook",
            "FB_RUPLOAD_BASE": "{site}/facebook",
            "FB_DIALOG_BASE": "{site}/facebook",
            "FACEBOOK_CLIENT_ID": CLIENT,
            "FACEBOOK_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
    "bluesky": Imitation(
        {
            "BLUESKY_SERVICE_URL": "{site}/bluesky",
            "BLUESKY_APPVIEW_URL": "{site}/bluesky",
            "BLUESKY_VIDEO_URL": "{site}/bluesky",
            "BLUESKY_PLC_URL": "{site}/bluesky",
        }
    ),
    "tiktok": Imitation(
        {
            "TIKTOK_API_BASE": "{site}/tiktok",
            "TIKTOK_AUTH_BASE": "{site}/tiktok",
            "TIKTOK_CLIENT_ID": CLIENT,
            "TIKTOK_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
    "deviantart": Imitation(
        {
            "DEVIANTART_API_BASE": "{site}/deviantart/api/v1/oauth2",
            "DEVIANTART_OAUTH_BASE": "{site}/deviantart/oauth2",
            "DEVIANTART_CLIENT_ID": CLIENT,
            "DEVIANTART_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
    "telegram": Imitation({"TELEGRAM_API_BASE": "{site}/telegram"}),
    "youtube": Imitation(
        {
            "YOUTUBE_API_BASE": "{site}/youtube",
            "YOUTUBE_UPLOAD_BASE": "{site}/youtube",
            "YOUTUBE_AUTHORIZE_URL": "{site}/youtube/o/oauth2/v2/auth",
            "YOUTUBE_TOKEN_URL": "{site}/youtube/token",
            "YOUTUBE_REVOKE_URL": "{site}/youtube/revoke",
            "YOUTUBE_CLIENT_ID": CLIENT,
            "YOUTUBE_CLIENT_SECRET": CLIENT_SECRET,
        }
    ),
}


def imitation_of(slug: str, given: Mapping[str, str], site: str) -> dict[str, str]:
    """Return the variables that point a network at the sandbox; none if `given` means the real."""
    imitation = IMITATIONS[slug]
    if any(given.get(name) for name in imitation.variables):
        return {}
    return {name: value.format(site=site) for name, value in imitation.provides.items()}
