"""The posts of a trial: on every network, single ones, threads and images, due close together."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from media.models import Asset
from platforms.models import SocialConnection
from scheduling import look_ahead
from scheduling.drafts import Attachment
from tests.chaos.plan import Plan
from tests.factories import make_connection, make_workspace
from tests.journeys.stage import Judge, Stage

AHEAD_SECONDS = 1.0
PIXELS = b"\x89PNG\r\n\x1a\n" + b"\x00" * 60
ENDS_SOON = timedelta(minutes=5)  # of an access token: early enough to be refreshed


class Burst:
    """What one trial publishes; `texts` maps each post's id to its parts in order."""

    def __init__(self, plan: Plan, judge: Judge, env: dict[str, str], callback: str) -> None:
        self.plan, self.callback = plan, callback
        self.stage = Stage(make_workspace(), judge, env, _no_cluster)
        account = self.stage.account
        self.accounts = [
            account("sandbox"),
            account("x"),
            account("mastodon", 1),
            account("mastodon", 2, instance="forgetful"),
        ]
        if plan.refreshing:
            self.accounts.append(self._refreshing())
        self.texts: dict[uuid.UUID, tuple[str, ...]] = {}

    def _refreshing(self) -> SocialConnection:
        """Return an account of X whose access token must be replaced before long."""
        known = self.stage.account("x", 9)
        name = known.username
        known.delete()
        ends = timezone.now() + ENDS_SOON
        return make_connection(
            self.stage.workspace,
            platform="x",
            credentials={
                "access_token": f"demo-{name}",
                "refresh_token": f"refresh-{name}",
                "expires_at": ends.isoformat(),
            },
            external_id=known.external_id,
            username=name,
            expires_at=ends,
        )

    def schedule(self) -> None:
        """Schedule all posts, due over the plan's spread from a second from now."""
        rng = random.Random(f"{self.plan.seed}:{self.plan.number}:posts")
        asset = self._picture()
        begun = timezone.now()
        for number in range(self.plan.posts):
            account = self.accounts[number % len(self.accounts)]
            parts = 3 if number % 7 == 3 else 1  # 7, 9: every account gets some in turn
            texts = tuple(f"{self.stage.tag} {number}/{part}" for part in range(parts))
            details: dict[str, Any] = {}
            if number % 9 == 4:
                details["attachments"] = [Attachment(asset, 0, "a dot")]
            if self.plan.callbacks and rng.random() < 0.3:
                details["callback_url"] = self.callback
            moment = AHEAD_SECONDS + rng.random() * self.plan.spread
            passed = (timezone.now() - begun).total_seconds()
            post = self.stage.post(account, *texts, in_seconds=moment - passed, **details)
            self.texts[post.pk] = texts
            if number == self.plan.posts // 2 and rng.random() < 0.5:
                look_ahead.queue_due_posts()

    def _picture(self) -> Asset:
        asset = Asset(workspace=self.stage.workspace, mime_type="image/png", alt_text="a dot")
        asset.size_bytes = len(PIXELS)
        asset.file.save("dot.png", ContentFile(PIXELS), save=True)
        return asset


def network_of(account: SocialConnection) -> str:
    """Return the sandbox's name of the network of an account."""
    if account.platform == "mastodon":
        return f"mastodon/{account.instance_url.rsplit('/', 1)[1]}"
    return account.platform


def _no_cluster(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("a trial starts its hosts itself")
