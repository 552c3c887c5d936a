"""The demo: a staff login, a workspace with accounts on the sandbox, and two minutes of posts."""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from PIL import Image, ImageOps

from accounts.models import User, Workspace
from accounts.services import create_workspace
from media.models import Asset
from platforms.models import SocialConnection
from platforms.registry import adapter_for
from platforms.services import connect
from platforms.verification import verify_credentials
from scheduling.drafts import Attachment
from scheduling.models import ScheduledPost
from scheduling.services import schedule_post

ACTOR = "system"
SLUG = "demo"
STAFF = "admin"
FIRST_AFTER = timedelta(seconds=5)  # time to open the feed and watch
PICTURE_SIZE_PIXELS = (480, 270)
PICTURE_ALT_TEXT = "A plain colour gradient from dusk blue at the top to dawn orange below."


@dataclass(frozen=True, slots=True)
class DemoPost:
    """One post of the demo: `after` counts from the first one, several texts make a thread."""

    after_seconds: int
    account: str
    texts: tuple[str, ...]
    picture: bool = False
    first_comment: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


POSTS = (
    DemoPost(0, "sandbox", ("Good morning. This post left the moment it was due.",)),
    DemoPost(4, "x", ("The same minute, another network: signed with OAuth 1.0a.",)),
    DemoPost(8, "mastodon", ("And a third one, with an Idempotency-Key on every attempt.",)),
    DemoPost(12, "bluesky", ("Links and #tags are found by their bytes: https://example.org",)),
    DemoPost(16, "sandbox", ("A picture with its description.",), picture=True),
    DemoPost(20, "linkedin", ("Brackets (like these) are shown, not cut off at the first one.",)),
    DemoPost(
        25,
        "x",
        (
            "A thread, one protected request at a time.",
            "If this reply fails, only this reply is tried again.",
            "Three posts, in order, each of them once.",
        ),
    ),
    DemoPost(35, "mastodon", ("Uploaded minutes ahead, published on its second.",), picture=True),
    DemoPost(
        40,
        "instagram",
        ("The container was made ahead; only its publication waited for this second.",),
        picture=True,
        first_comment="And this is the first comment.",
    ),
    DemoPost(45, "sandbox", ("Open the admin and look at this post's attempts.",)),
    DemoPost(50, "threads", ("The first of a chain ...", "... and its end.")),
    DemoPost(55, "facebook", ("A Page speaks, with a picture staged unseen.",), picture=True),
    DemoPost(60, "x", ("One minute in. The lateness beside each post is measured here.",)),
    DemoPost(68, "deviantart", ("Dawn\nSubmitted ahead, published at its moment.",), picture=True),
    DemoPost(75, "mastodon", ("Two posts on one account ...", "... as a thread.")),
    DemoPost(
        82,
        "tiktok",
        ("TikTok fetches photos itself; who may see them is always chosen by a person.",),
        picture=True,
        options={"privacy_level": "PUBLIC_TO_EVERYONE", "title": "Dawn"},
    ),
    DemoPost(90, "x", ("Try the switches: let the sandbox answer 429 or drop a reply.",)),
    DemoPost(105, "sandbox", ("Still one copy, whatever the network does.",)),
    DemoPost(115, "mastodon", ("That was the demo. Now schedule one of your own.",)),
)


def make_staff() -> tuple[str, str]:
    """Return the staff login's name, and its password if it had to be made (else "")."""
    if known := _staff():
        return known.get_username(), ""
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(STAFF, "", password)
    return STAFF, password


def make_demo() -> int:
    """Connect the demo accounts and schedule the demo posts, once; return how many posts.

    The sandbox must answer: accounts are verified there like anybody's. An interrupted demo is
    completed by the next call. Raises ServiceError when the sandbox refuses.
    """
    if ScheduledPost.objects.filter(workspace__slug=SLUG).exists():
        return 0
    owner = _staff()
    workspace = Workspace.objects.filter(slug=SLUG).first() or create_workspace(
        slug=SLUG, name="Demo", owner=owner, actor=ACTOR
    )
    accounts = {}
    for platform, given in _credentials().items():
        account, kept = verify_credentials(platform, given)
        accounts[platform] = connect(workspace, platform, kept, account, owner, actor=ACTOR)
    with transaction.atomic():
        return _schedule(workspace, accounts, owner)


def _staff() -> User | None:
    return User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()


def _credentials() -> dict[str, dict[str, str]]:
    """Return credentials of sandbox accounts; of each network only while it is the sandbox's."""
    site = settings.SANDBOX_URL
    given = {
        "sandbox": {"access_token": "demo-ada"},
        "x": {"oauth_token": "linus-token", "oauth_token_secret": "linus-secret"},
        "mastodon": {"instance_url": f"{site}/mastodon/one", "access_token": "demo-grace"},
        "bluesky": {"handle": "rosalind.bsky.social", "app_password": "app-rosalind"},
        "linkedin": {"access_token": "demo-katherine"},
        "instagram": {"access_token": "demo-frida"},
        "threads": {"access_token": "demo-frida"},
        "facebook": {"access_token": "demo-agnes"},
        "deviantart": {"access_token": "demo-katsushika"},
        "tiktok": {"access_token": "demo-josephine"},
    }
    return {slug: keys for slug, keys in given.items() if _is_sandboxed(slug, keys, site)}


def _is_sandboxed(slug: str, keys: Mapping[str, str], site: str) -> bool:
    return slug == "sandbox" or adapter_for(slug).base_url(keys).startswith(site)


def _schedule(
    workspace: Workspace, accounts: Mapping[str, SocialConnection], owner: User | None
) -> int:
    picture = _picture(workspace, owner)
    first = timezone.now() + FIRST_AFTER
    posts = [post for post in POSTS if post.account in accounts]
    for post in posts:
        schedule_post(
            workspace=workspace,
            connection=accounts[post.account],
            segments=[{"text": text} for text in post.texts],
            first_comment=post.first_comment,
            options=dict(post.options),
            scheduled_at=first + timedelta(seconds=post.after_seconds),
            attachments=[Attachment(picture, alt_text=PICTURE_ALT_TEXT)] if post.picture else [],
            created_by=owner,
            actor=ACTOR,
        )
    return len(posts)


def _picture(workspace: Workspace, owner: User | None) -> Asset:
    content = _gradient_jpeg()
    asset = Asset(
        workspace=workspace,
        mime_type="image/jpeg",  # the one format that every network takes
        size_bytes=len(content),
        width=PICTURE_SIZE_PIXELS[0],
        height=PICTURE_SIZE_PIXELS[1],
        alt_text=PICTURE_ALT_TEXT,
        created_by=owner,
    )
    asset.file.save("gradient.jpg", ContentFile(content), save=False)
    asset.save()
    return asset


def _gradient_jpeg() -> bytes:
    """Return a picture that fades from dusk blue to dawn orange."""
    fade = Image.linear_gradient("L").resize(PICTURE_SIZE_PIXELS)
    buffer = io.BytesIO()
    ImageOps.colorize(fade, (30, 60, 140), (240, 140, 50)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
