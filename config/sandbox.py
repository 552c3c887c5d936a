"""Each network's imitation, for `manage.py run`: which variables lead to it, and which forbid it.

Whoever gives one of a network's own variables means the real network: then none of its others is
provided, so that real credentials never meet the sandbox and posts never end there by accident.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

CLIENT, CLIENT_SECRET = "sandbox-client", "sandbox-client-secret"  # known to every imitation


@dataclass(frozen=True, slots=True)
class Imitation:
    """What points a network at the sandbox; "{site}" stands for the sandbox's address.

    A value may also be made of that address. `real` are more variables that mean the real network,
    beside those that are provided.
    """

    provides: Mapping[str, str | Callable[[str], str]]
    real: frozenset[str] = frozenset()

    @property
    def variables(self) -> frozenset[str]:
        """Return the variables that mean the real network when somebody gives them."""
        return self.real | self.provides.keys()


@cache
def service_account(site: str) -> str:
    """Return a service account that Firebase's imitation takes, with a key made just now."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "carillon-demo",
            "private_key": pem.decode(),
            "client_email": "demo-carillon@carillon-demo.iam.gserviceaccount.com",
            "token_uri": f"{site}/fcm/token",
        },
        separators=(",", ":"),
    )


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
    # --- how people are told; not networks, but provided and forbidden alike ---
    "email": Imitation(
        {
            "SENDGRID_API_KEY": "SG.demo-carillon",
            "SENDGRID_API_BASE": "{site}/sendgrid",
            "EMAIL_FROM": "Carillon <carillon@example.org>",
        },
        real=frozenset({"EMAIL_URL"}),
    ),
    "sms": Imitation(
        {
            "TWILIO_ACCOUNT_SID": "AC" + 32 * "0",
            "TWILIO_AUTH_TOKEN": "demo-carillon",
            "TWILIO_PHONE_NUMBER": "+15005550006",
            "TWILIO_API_BASE": "{site}/twilio",
        },
        real=frozenset({"TWILIO_MESSAGING_SERVICE_SID"}),
    ),
    "push": Imitation({"FIREBASE_SERVICE_ACCOUNT": service_account, "FCM_API_BASE": "{site}/fcm"}),
    "slack": Imitation({"SLACK_BOT_TOKEN": "xoxb-demo-carillon", "SLACK_API_BASE": "{site}/slack"}),
}


def imitation_of(slug: str, given: Mapping[str, str], site: str) -> dict[str, str]:
    """Return the variables that point a network at the sandbox; none if `given` means the real."""
    imitation = IMITATIONS[slug]
    if any(given.get(name) for name in imitation.variables):
        return {}
    return {
        name: value(site) if callable(value) else value.format(site=site)
        for name, value in imitation.provides.items()
    }
