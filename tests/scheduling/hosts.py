"""Publisher slots as on hosts of their own: own database sessions and HTTP, one shared sandbox."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import urllib.request
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from engine.clock import DatabaseClock
from engine.runner import DatabaseThread, Job
from platforms.models import SocialConnection
from scheduling.accounts import ConnectedAccount
from scheduling.publisher import PostWorkload
from scheduling.records import PostResult
from scheduling.refreshing import Renewal, renew
from tests.factories import make_connection
from tests.journeys.stage import Judge


class Host:
    """One slot's workload without its loop. Its runner is the host itself."""

    def __init__(self) -> None:
        self.clock = DatabaseClock()
        self.database, self.marks = DatabaseThread("database"), DatabaseThread("marks")
        self.workload = PostWorkload()
        self.is_stopping = False
        self.told: list[asyncio.Future[Any]] = []

    # --- what the workload asks its runner ---------------------------------------------------
    def in_flight(self, lane: Hashable) -> int:
        return 0

    in_flight_all = 0

    def soon(self, function: Callable[[], None]) -> None:
        self.told.append(asyncio.ensure_future(self.database.run(function)))

    def lease_outlasts_a_call(self, job: Job) -> bool:
        return True

    def latest_start(self, job: Job) -> float:
        return time.monotonic() + 10.0

    # --- what tests do -----------------------------------------------------------------------
    async def open(self) -> None:
        await self.database.run(self.workload.db_start, 1, "worker:1")
        await self.database.run(self.clock.sample)
        await self.workload.open(self)  # type: ignore[arg-type]

    async def close(self) -> None:
        self.is_stopping = True
        await self.workload.close()
        await asyncio.gather(*self.told)
        await self.database.close()
        await self.marks.close()

    async def account(self, connection: SocialConnection) -> ConnectedAccount:
        accounts = self.workload.caller.accounts
        await self.database.run(accounts.load, [connection.pk])
        return accounts.get(connection.pk)

    async def renew(self, connection: SocialConnection) -> Renewal:
        return await renew(self.workload.caller, await self.account(connection))

    async def tick(self) -> None:
        """Do the once-a-second work and wait for what it started on the loop."""
        await self.database.run(self.workload.db_tick)
        await asyncio.sleep(0)
        await asyncio.gather(*self.workload.refresh_ahead.running.values())

    async def work(self) -> None:
        """Claim what is due, do all it needs now side by side, and record it."""
        jobs = await self.database.run(self.workload.db_claim, 100)
        results = await asyncio.gather(*(self._work_on(job) for job in jobs))
        await self.database.run(self.workload.db_record, [r for r in results if r is not None])

    async def _work_on(self, job: Job) -> PostResult | None:
        if not job.marked:
            result = await self.workload.call(job)
            if result is not None:
                return result
        if job.id not in await self.marks.run(self.workload.db_mark, [job]):
            return None
        return await self.workload.call(job)


Story = Callable[..., Awaitable[None]]


def tell(story: Story, *, hosts: int = 1) -> None:
    """Run a story with so many hosts."""

    async def main() -> None:
        opened = [Host() for _ in range(hosts)]
        for host in opened:
            await host.open()
        try:
            await story(*opened)
        finally:
            for host in opened:
                await host.close()

    asyncio.run(main())


@dataclass
class Network:
    """The sandbox's X: its token endpoint, its judge, and accounts with OAuth 2.0 tokens."""

    judge: Judge
    secrets: set[str] = field(default_factory=set)  # what must be seen nowhere
    since: float = field(default_factory=lambda: timezone.now().timestamp())

    def account(self, *, expires_in: timedelta, **fields: Any) -> SocialConnection:
        """Save a connection whose access token ends in `expires_in`; its refresh token is fresh."""
        name = f"t-{secrets.token_hex(4)}"
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.judge.url}/x/2/users/me", headers={"Authorization": f"Bearer demo-{name}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            external_id = json.load(answer)["data"]["id"]
        return make_connection(
            platform="x",
            credentials=self.credentials(name, expires_in),
            external_id=external_id,
            username=name,
            expires_at=timezone.now() + expires_in,
            **fields,
        )

    def credentials(self, name: str, expires_in: timedelta) -> dict[str, str]:
        """Return what the sandbox accepts from `name`, under no other word than these."""
        self.secrets |= {f"demo-{name}", f"refresh-{name}", "sandbox-client-secret"}
        return {
            "access_token": f"demo-{name}",
            "refresh_token": f"refresh-{name}",
            "expires_at": (timezone.now() + expires_in).isoformat(),
        }

    def be_cruel(self, **switches: Any) -> None:
        """Set switches of the token endpoint (which knows no accounts)."""
        self.judge.ask("/_control", {"network": "x", "on": "token", **switches})

    def expire(self, token: str) -> None:
        """Make the network refuse an access token before its time."""
        self.judge.ask("/_control/tokens", {"network": "x", "token": token, "action": "expire"})

    def be_kind(self) -> None:
        self.judge.ask("/_control", method="DELETE")

    def token_calls(self) -> int:
        """Return how many calls the token endpoint has had in this test."""
        path = f"/_calls?network=x&operation=token&since={self.since}&limit=1000"
        return len(self.judge.ask(path)["calls"])
