"""A slot's workload in this process against the sandbox, struck by fate on demand.

Everything is real but the slot's own loop: rows, claims, marks, gate, adapters, HTTP, the sandbox.
Waits are cut short by moving a post's next moment to now: whoever must not act yet says so again.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from django.core.files.base import ContentFile
from django.db.models.functions import Now
from django.utils import timezone

import engine.http
from engine.allowances import GatePolicy
from engine.models import RateLimitState
from engine.runner import Job
from media.models import Asset
from platforms import registry
from platforms.adapters import linkedin_uploads
from platforms.models import SocialConnection
from platforms.services import connect
from platforms.verification import verify_credentials
from scheduling import look_ahead, questions, services
from scheduling.drafts import Attachment
from scheduling.models import ScheduledPost
from scheduling.records import PostResult
from scheduling.states import PostState
from tests.factories import make_workspace
from tests.journeys.stage import Judge
from tests.networks.cast import NETWORKS, Network, Sample
from tests.scheduling.hosts import Host

S = PostState
OVER = frozenset({S.PUBLISHED, S.FAILED, S.DEAD_LETTER, S.BLOCKED, S.HELD, S.CANCELLED})
BEFORE, ANSWERED = "http.before", "http.answered"
DEATH, LOST = "death", "lost"  # what happens once the network has answered
Fate = tuple[str, int]  # which of them, at which request of the post, counted from 0

HURRY_EVERY_SECONDS = 0.2
_whose: contextvars.ContextVar[uuid.UUID | None] = contextvars.ContextVar("whose", default=None)
_numbers = itertools.count(1)


class Dies(BaseException):
    """The worker of a post ends here, without a word: no handler of ours may catch it."""


class MortalHost(Host):
    """A host whose work on single posts may end at any of their requests."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: Counter[uuid.UUID] = Counter()
        self.fates: dict[uuid.UUID, Fate] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count the requests of every post, and let fate strike where it was told to."""
        real = engine.http.reach

        def reach(step: str, kind: str = "") -> None:
            post = _whose.get()
            if post is not None and step == BEFORE:
                self.requests[post] += 1
            if post is not None and step == ANSWERED and post in self.fates:
                fate, number = self.fates[post]
                if self.requests[post] == number + 1:
                    del self.fates[post]
                    raise Dies if fate == DEATH else aiohttp.ServerDisconnectedError
            real(step, kind)

        engine.http.reach = reach  # type: ignore[assignment]
        try:
            yield
        finally:
            engine.http.reach = real  # type: ignore[assignment]

    async def work(self) -> None:
        """Claim what is due and do all it needs; who dies leaves its row as it is."""
        jobs = await self.database.run(self.workload.db_claim, 100)
        ended = await asyncio.gather(*map(self._work_on, jobs), return_exceptions=True)
        results: list[PostResult] = []
        for end in ended:
            if isinstance(end, BaseException) and not isinstance(end, Dies):
                raise end
            if isinstance(end, PostResult):
                results.append(end)
        await self.database.run(self.workload.db_record, results)

    async def _work_on(self, job: Job) -> PostResult | None:
        _whose.set(job.id)
        if job.marked and (held := self.workload.hold(job)) is not None:
            return held
        return await super()._work_on(job)


@dataclass
class Play:
    """A post on its way: where, what, and by whom (`account`: the sandbox's own name)."""

    account: str
    network: Network
    sample: Sample
    connection: SocialConnection
    post: ScheduledPost

    @property
    def name(self) -> str:
        return f"{self.connection.platform}: {self.account}"


@dataclass
class Theatre:
    """All networks of the sandbox, with short times."""

    judge: Judge
    workspace: Any = field(default_factory=make_workspace)
    _hurry_at: float = 0.0

    def connection(self, slug: str, name: str) -> SocialConnection:
        """Connect an account, as a person entering its credentials would."""
        entered = NETWORKS[slug].credentials(self.judge.url, name)
        account, kept = verify_credentials(slug, entered)
        return connect(self.workspace, slug, kept, account, None)

    def schedule(self, slug: str, sample: Sample) -> Play:
        """Schedule a sample, due now, on a fresh account."""
        name = f"{slug[:4]}{secrets.token_hex(3)}"  # a name that every network allows
        connection = self.connection(slug, name)
        number = next(_numbers)
        attachments = []
        for file in sample.files:
            asset = Asset(
                workspace=self.workspace,
                kind=file.kind,
                mime_type=file.mime_type,
                size_bytes=len(file.content),
            )
            asset.file.save(file.name, ContentFile(file.content), save=True)
            attachments.append(Attachment(asset, 0, file.alt_text))
        post, _ = services.schedule_post(
            workspace=self.workspace,
            connection=connection,
            segments=[{"text": text and f"{text} ({number})"} for text in sample.texts],
            first_comment=sample.first_comment and f"{sample.first_comment} ({number})",
            options=dict(sample.options),
            attachments=attachments,
            scheduled_at=timezone.now(),
            actor="user:test",
        )
        return Play(name, NETWORKS[slug], sample, connection, post)

    def run(
        self, plays: list[Play], fates: Mapping[uuid.UUID, Fate] | None = None
    ) -> Counter[uuid.UUID]:
        """Work until every post has come to an end or asks a person; returns their requests."""
        host_requests: Counter[uuid.UUID] = Counter()

        async def story() -> None:
            host = MortalHost()
            host.fates.update(fates or {})
            await host.open()
            try:
                with host.watching():
                    for _ in range(800):
                        if await host.database.run(self._all_over, plays):
                            break
                        await host.database.run(self._hurry, plays)
                        await host.tick()
                        await host.work()
                        await asyncio.sleep(0.02)
                    host_requests.update(host.requests)
            finally:
                await host.close()

        asyncio.run(story())
        for play in plays:
            play.post.refresh_from_db()
        return host_requests

    def _all_over(self, plays: list[Play]) -> bool:
        posts = ScheduledPost.objects.filter(pk__in=[play.post.pk for play in plays])
        return all(post.state in OVER or questions.is_open(post) for post in posts)

    def _hurry(self, plays: list[Play]) -> None:
        """Let the next moments come; not so often that polls are all there is to strike."""
        if time.monotonic() < self._hurry_at:
            return
        self._hurry_at = time.monotonic() + HURRY_EVERY_SECONDS
        look_ahead.queue_due_posts()
        ScheduledPost.objects.filter(
            pk__in=[play.post.pk for play in plays], due_at__gt=Now(), lease_slot=None
        ).update(due_at=Now())
        RateLimitState.objects.filter(blocked_until__gt=Now()).update(blocked_until=Now())

    def live(self, play: Play) -> list[dict[str, Any]]:
        """Return the living posts of the play's account, as its network has them."""
        return self.judge.posts(play.network.site, play.account)


def short_times(settings: Any, url: str) -> None:
    """Point every network at the sandbox, and let nothing take long."""
    settings.PLATFORMS = {
        **settings.PLATFORMS,
        **{slug: dict(network.config(url)) for slug, network in NETWORKS.items()},
    }
    settings.PRIVATE_HOSTS_ALLOWED = ["127.0.0.0/8"]
    settings.CALL_DEADLINE = timedelta(seconds=5)
    settings.PUBLISH_LEASE = timedelta(seconds=0.4)
    settings.RECONCILE_GRACE = timedelta(seconds=0.1)
    settings.RETRY_BASE_DELAY = timedelta(seconds=0.01)
    settings.GATE_POLICY = GatePolicy(
        spacing_base=timedelta(seconds=0.01), spacing_cap=timedelta(seconds=0.01)
    )
    registry.adapter_for.cache_clear()


def trust_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every network's lists be believed at once: the sandbox's show everything."""
    soon = timedelta(seconds=0.1)
    # Members may not ask LinkedIn how far it is with a file; it is given some time instead.
    some = timedelta(seconds=1.5)
    monkeypatch.setattr(linkedin_uploads, "GRACE", {"images": some, "videos": some})

    def sooner(safety: Any) -> Any:
        return replace(safety, find_lag=soon, min_wait=timedelta())

    for kind in registry.ADAPTERS.values():
        monkeypatch.setattr(kind, "retry_safety", sooner(kind.retry_safety))
        real = kind.safety

        def safety(self: Any, draft: Any, progress: Any, _real: Callable[..., Any] = real) -> Any:
            return sooner(_real(self, draft, progress))

        monkeypatch.setattr(kind, "safety", safety)
