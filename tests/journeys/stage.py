"""A real cluster on real servers against the imitation networks, with short time constants."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Workspace
from platforms.models import SocialConnection
from scheduling import services
from scheduling.models import ScheduledPost
from tests.factories import make_connection, make_workspace
from tests.processes import Managed, wait_until

QUICK = {  # seconds; a call ends before its lease, a lease before the reconciler looks
    "CALL_DEADLINE_SECONDS": "1.0",
    "LEASE_MARGIN_SECONDS": "0.3",
    "PUBLISH_LEASE_SECONDS": "1.8",
    "RECONCILE_GRACE_SECONDS": "0.5",
    "SHUTDOWN_GRACE_SECONDS": "6",
    "JOB_RETRY_DELAY": "200",
    "LOG_FORMAT": "text",
    "WORKER_CONCURRENCY": "2",
}


def quick_env(sandbox_url: str) -> dict[str, str]:
    """Return the variables of a cluster with short times whose networks are the sandbox's."""
    return {
        **QUICK,
        "X_API_BASE": f"{sandbox_url}/x",
        "SANDBOX_URL": sandbox_url,
        "TWITTER_API_KEY": "sandbox-consumer",
        "TWITTER_API_SECRET": "sandbox-consumer-secret",
    }


class Judge:
    """The sandbox, asked what really happened. Accounts of one test are not another's."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Return the JSON answer of one of the judge's doors."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def be_cruel(self, network: str, account: str, **switches: Any) -> None:
        """Set switches for one account."""
        self.ask("/_control", {"network": network, "account": account, **switches})

    def posts(self, network: str, account: str) -> list[dict[str, Any]]:
        """Return the account's living posts, as the network has them."""
        sites = self.ask("/_stats?detail=1")
        found = sites.get(network, {}).get("posts", [])
        return [p for p in found if p["account"] == account and not p["deleted_at"]]

    def calls(self, network: str, account: str) -> list[dict[str, Any]]:
        """Return every call of the account, oldest first."""
        answer = self.ask(f"/_calls?network={network}&account={account}&limit=100000")
        calls: list[dict[str, Any]] = answer["calls"]
        return calls


@dataclass
class Stage:
    """One test's workspace, accounts and cluster."""

    workspace: Workspace
    judge: Judge
    env: dict[str, str]
    start: Callable[..., Managed]
    tag: str = field(default_factory=lambda: secrets.token_hex(4))

    @classmethod
    def new(cls, env: dict[str, str], judge: Judge, start: Callable[..., Managed]) -> Stage:
        """Return a stage with a workspace of its own."""
        return cls(make_workspace(), judge, env, start)

    def account(self, platform: str, number: int = 0, *, instance: str = "one") -> SocialConnection:
        """Return a connection to a fresh account of the sandbox."""
        name = f"{platform}-{self.tag}-{number}"
        credentials = {
            "sandbox": {"access_token": f"demo-{name}"},
            "x": {"oauth_token": f"{name}-token", "oauth_token_secret": f"{name}-secret"},
            "mastodon": {
                "access_token": f"demo-{name}",
                "instance_url": f"{self.judge.url}/mastodon/{instance}",
            },
        }[platform]
        whoami = {
            "sandbox": ("/sandbox/me", ""),
            "x": ("/x/2/users/me", "data"),
            "mastodon": (f"/mastodon/{instance}/api/v1/accounts/verify_credentials", ""),
        }[platform]
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.judge.url + whoami[0], headers={"Authorization": f"Bearer demo-{name}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            account = json.load(answer)
        account = account.get(whoami[1], account)
        return make_connection(
            self.workspace,
            platform=platform,
            credentials=credentials,
            external_id=str(account["id"]),
            username=name,
            instance_url=credentials.get("instance_url", ""),
        )

    def post(
        self, connection: SocialConnection, *texts: str, in_seconds: float = 0.0, **details: Any
    ) -> ScheduledPost:
        """Schedule a post (a thread, if there are several texts) as the site would."""
        post, _ = services.schedule_post(
            workspace=self.workspace,
            connection=connection,
            segments=[{"text": text} for text in texts],
            scheduled_at=timezone.now() + timedelta(seconds=in_seconds),
            actor="user:test",
            **details,
        )
        return post

    def cluster(self, **env: str) -> Managed:
        """Start `manage.py qcluster`."""
        return self.start("qcluster", env={**self.env, **env})

    def wait_for(self, *posts: ScheduledPost, state: str, seconds: float = 30.0) -> None:
        """Wait until all the posts have come to `state`."""
        keys = [post.pk for post in posts]

        def there() -> bool:
            arrived = ScheduledPost.objects.filter(pk__in=keys, state=state).count()
            return arrived == len(keys)

        try:
            wait_until(there, seconds=seconds, what=state)
        except TimeoutError:
            found = ScheduledPost.objects.filter(pk__in=keys).exclude(state=state)
            told = [(p.state, p.last_error, p.due_at, p.lease_slot) for p in found[:5]]
            raise AssertionError(f"not {state}: {told}") from None
