"""Adapters against the sandbox's imitations, which were written from the reference pages alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import sandbox
from engine.errors import ErrorCategory as C
from engine.errors import ServiceError
from engine.http import Http, HttpPool
from platforms.adapters.base import (
    Account,
    Adapter,
    Capability,
    Draft,
    Processing,
    Progress,
    Published,
    Ready,
    Segment,
)
from platforms.adapters.mastodon import Mastodon
from platforms.adapters.sandbox import Sandbox, SandboxConfig
from platforms.adapters.x import X
from platforms.adapters.x_client import XConfig
from tests.contract.cases import image

OAUTH1 = {"oauth_token": "ada-token", "oauth_token_secret": "ada-secret"}
OAUTH2 = {"access_token": "demo-ada"}
ODD_TEXT = "Hi & <b>you</b> 👨‍👩‍👧‍👦 é https://example.org/a?b=1&c=2 #tag\n\nexample.com/ end"


@dataclass(frozen=True)
class Network:
    """A network of the sandbox: its name there, and how to reach it."""

    site: str
    make: Callable[[str], Adapter]
    credentials: Callable[[str], Mapping[str, Any]]


def make_x(url: str) -> X:
    return X(
        XConfig(
            api_base=f"{url}/x",
            token_url=f"{url}/x/2/oauth2/token",
            consumer_key="sandbox-consumer",
            consumer_secret="sandbox-consumer-secret",
            client_id="sandbox-client",
            client_secret="sandbox-client-secret",
        )
    )


def mastodon_at(name: str) -> Network:
    return Network(
        f"mastodon/{name}",
        lambda url: Mastodon(),
        lambda url: {"instance_url": f"{url}/mastodon/{name}", **OAUTH2},
    )


NETWORKS = {
    "x-oauth2": Network("x", make_x, lambda url: OAUTH2),
    "mastodon": mastodon_at("one"),
    "sandbox": Network("sandbox", lambda url: Sandbox(SandboxConfig(url)), lambda url: OAUTH2),
}


@dataclass
class Stage:
    """One account of one network in a running sandbox."""

    adapter: Adapter
    http: Http
    account: Account
    running: sandbox.Running
    site: str
    since: datetime

    def draft(self, *texts: str, **more: Any) -> Draft:
        segments = tuple(Segment(text) for text in texts)
        fields = {"segments": segments, "account": self.account, "limits": self.account.limits}
        found = Draft(**{**fields, **more})
        assert self.adapter.violations(found) == []
        return found

    async def publish(
        self, draft: Draft, progress: Progress | None = None, run: int = 1
    ) -> Published:
        """Prepare and publish to the end, as the engine does."""
        progress = progress or {}
        while not isinstance(step := await self.adapter.prepare(self.http, draft, progress), Ready):
            progress = step.progress
        progress = step.progress
        while True:
            key = f"post:1:{run}:{len(progress.get('published', ()))}"
            done = await self.adapter.publish(self.http, draft, progress, key=key)
            if isinstance(done, Published):
                return done
            progress = done.progress

    async def find(
        self, draft: Draft, segment: int = 0, done: tuple[str, ...] = ()
    ) -> Published | None:
        progress = {"published": list(done)}
        return await self.adapter.find(
            self.http, draft, progress, segment=segment, since=self.since
        )

    def switch(self, **faults: Any) -> None:
        self.running.world.switches.set({"network": self.site, **faults})

    def living(self) -> list[str]:
        """Return the texts that are live, oldest first."""
        site = self.running.world.site(self.site)
        return [post.text for post in site.posts.values() if post.deleted_at is None]


def tell(name: str | Network, story: Callable[[Stage], Awaitable[Any]]) -> Any:
    network = NETWORKS[name] if isinstance(name, str) else name

    async def main() -> Any:
        running = await sandbox.start()
        pool = HttpPool()
        try:
            adapter, credentials = network.make(running.url), network.credentials(running.url)
            http = pool.http(
                base_url=adapter.base_url(credentials),
                auth=adapter.authorize(credentials),
                on_response=adapter.rate_hints,
                guard_private=adapter.user_given_host(),
                allow_private=["127.0.0.1"],
                deadline=timedelta(seconds=5),
            )
            since = datetime.now(UTC) - timedelta(minutes=2)
            account = await adapter.validate(http)
            await story(Stage(adapter, http, account, running, network.site, since))
        finally:
            await pool.close()
            await running.aclose()

    return asyncio.run(main())


every_network = pytest.mark.parametrize("name", sorted(NETWORKS))


@every_network
def test_a_text_is_published_found_and_deleted(name: str) -> None:
    async def story(stage: Stage) -> None:
        assert stage.account.username == "ada"
        draft = stage.draft(ODD_TEXT)
        done = await stage.publish(draft)
        assert stage.living() == [ODD_TEXT]
        found = await stage.find(draft)
        assert found is not None
        assert found.remote_ids == done.remote_ids
        assert found.permalink == done.permalink
        assert await stage.find(stage.draft("something else")) is None
        taken = {"taken": list(done.remote_ids)}  # it belongs to another post of the same text
        asked = {"segment": 0, "since": stage.since}
        assert await stage.adapter.find(stage.http, draft, taken, **asked) is None
        assert stage.adapter.remote_id_in(done.permalink, stage.account) == done.remote_ids[0]
        await stage.adapter.delete(stage.http, done.remote_ids[0])
        await stage.adapter.delete(stage.http, done.remote_ids[0])
        assert stage.living() == []

    tell(name, story)


@every_network
def test_a_thread_with_images_and_a_first_comment(name: str) -> None:
    async def story(stage: Stage) -> None:
        pictured = Segment(ODD_TEXT, (image(alt_text="a dot"), image()))
        draft = stage.draft(segments=(pictured, Segment("second")), first_comment="the comment")
        done = await stage.publish(draft)
        assert stage.living() == [ODD_TEXT, "second", "the comment"]
        posts = stage.running.world.site(stage.site).posts
        chain = [posts[remote_id] for remote_id in done.remote_ids]
        assert [post.parent for post in chain] == [None, *chain[:-1]]
        assert [item.alt_text for item in chain[0].media] == ["a dot", ""]
        for segment in range(3):
            found = await stage.find(draft, segment, done.remote_ids[:segment])
            assert found is not None
            assert found.remote_ids == done.remote_ids[segment : segment + 1]
            assert found.progress["published"] == list(done.remote_ids[: segment + 1])

    tell(name, story)


@every_network
def test_what_was_accepted_and_dropped_is_found_and_not_doubled(name: str) -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft("one", "two")
        stage.switch(accept_then_drop=1)
        with pytest.raises(ServiceError) as caught:
            await stage.publish(draft)
        assert caught.value.category is C.OUTCOME_UNKNOWN
        found = await stage.find(draft)
        assert found is not None
        done = await stage.publish(draft, found.progress)
        assert stage.living() == ["one", "two"]
        assert done.remote_ids[0] == found.remote_ids[0]

    tell(name, story)


@pytest.mark.parametrize("fault", [{"drop_before": 1}, {"reset": 1}])
@every_network
def test_what_never_arrived_is_not_found(name: str, fault: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        stage.switch(**fault)
        with pytest.raises(ServiceError) as caught:
            await stage.publish(stage.draft("one"))
        assert caught.value.category is C.OUTCOME_UNKNOWN
        assert await stage.find(stage.draft("one")) is None

    tell(name, story)


@every_network
def test_the_networks_cruelties_have_their_categories(name: str) -> None:
    async def story(stage: Stage) -> None:
        for fault, category in (
            ({"fail": {"status": 429, "retry_after": 7}}, C.RATE_LIMIT),
            ({"fail": {"status": 503}}, C.OUTCOME_UNKNOWN),
            ({"garbage": 1}, C.OUTCOME_UNKNOWN),
            ({"truncated": 1}, C.OUTCOME_UNKNOWN),
        ):
            stage.switch(**fault)
            with pytest.raises(ServiceError) as caught:
                await stage.publish(stage.draft(f"text for {fault}"))
            assert caught.value.category is category
            if category is C.RATE_LIMIT:
                assert caught.value.retry_after is not None
                assert caught.value.retry_after >= timedelta(seconds=6)

    tell(name, story)


@pytest.mark.parametrize("name", ["mastodon", "sandbox"])
def test_a_repeat_under_the_same_key_leaves_one_copy(name: str) -> None:
    async def story(stage: Stage) -> None:
        assert Capability.IDEMPOTENCY_KEY in stage.adapter.capabilities
        draft = stage.draft("once")
        stage.switch(accept_then_drop=1)
        with pytest.raises(ServiceError):
            await stage.publish(draft)
        again = await stage.publish(draft)
        assert stage.living() == ["once"]
        found = await stage.find(draft)
        assert found is not None
        assert again.remote_ids == found.remote_ids
        await stage.publish(draft, run=2)
        assert stage.living() == ["once", "once"]

    tell(name, story)


def test_a_server_that_ignores_keys_still_lets_us_find_the_post() -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft("once")
        done = await stage.publish(draft)
        found = await stage.find(draft)
        assert found is not None
        assert found.remote_ids == done.remote_ids

    tell(mastodon_at("forgetful"), story)


def test_xs_duplicate_detector_is_understood() -> None:
    async def story(stage: Stage) -> None:
        await stage.publish(stage.draft("once"))
        with pytest.raises(ServiceError) as caught:
            await stage.publish(stage.draft("once"))
        assert caught.value.category is C.DUPLICATE

    tell("x-oauth2", story)


def test_oauth1_signatures_are_accepted_with_and_without_a_query() -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft("signed")
        done = await stage.publish(draft)
        found = await stage.find(draft)
        assert found is not None
        assert found.remote_ids == done.remote_ids
        metrics = await stage.adapter.metrics(stage.http, done.remote_ids)
        assert metrics[0].values["likes"] == 0

    tell(Network("x", make_x, lambda url: OAUTH1), story)


@every_network
def test_a_refused_token_is_an_error_of_the_account(name: str) -> None:
    network = NETWORKS[name]
    wrong = Network(
        network.site,
        network.make,
        lambda url: {**network.credentials(url), "access_token": "nobody's"},
    )

    async def story(stage: Stage) -> None:
        raise AssertionError("the token was accepted")

    with pytest.raises(ServiceError) as caught:
        tell(wrong, story)
    assert caught.value.category in {C.AUTH_ERROR, C.TOKEN_EXPIRED}


def test_a_refreshed_pair_works_and_a_used_one_is_over() -> None:
    async def story(stage: Stage) -> None:
        old = {**OAUTH2, "refresh_token": "refresh-ada"}
        fresh = await stage.adapter.refresh(stage.http, old)
        assert fresh["access_token"] != old["access_token"]
        with pytest.raises(ServiceError) as caught:
            await stage.adapter.refresh(stage.http, old)
        assert caught.value.category is C.AUTH_ERROR
        assert caught.value.provider_code == "invalid_grant"

    tell("x-oauth2", story)


def test_a_slow_post_is_polled_until_it_is_published() -> None:
    async def story(stage: Stage) -> None:
        draft = stage.draft("a #slow one", "a quick one")
        step = await stage.adapter.publish(stage.http, draft, {}, key="post:1:1:0")
        assert isinstance(step, Processing)
        found = await stage.find(draft)
        assert found is not None
        assert await stage.adapter.check(stage.http, draft, step.progress) == step
        site = stage.running.world.site(stage.site)
        clock = stage.running.world.now
        stage.running.world.now = lambda: clock() + 10
        ready = await stage.adapter.check(stage.http, draft, step.progress)
        assert isinstance(ready, Ready)
        done = await stage.publish(draft, ready.progress)
        assert done.remote_ids == tuple(site.posts)
        assert await stage.adapter.check(stage.http, draft, done.progress) == done

    tell("sandbox", story)
