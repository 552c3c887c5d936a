"""Every network, offline, the whole way: connect, compose, publish, find, count, delete.

And with every single request hit: its answer lost, or the worker dead. One live copy each time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as configured
from django.utils import timezone

from platforms.adapters.base import Capability
from platforms.registry import ADAPTERS, adapter_for
from tests.networks.cast import NETWORKS

if TYPE_CHECKING:
    from platforms.models import SocialConnection
    from tests.networks.stage import Play, Theatre

pytestmark = pytest.mark.django_db(transaction=True)

ALL_SAMPLES = [(slug, name) for slug, network in NETWORKS.items() for name in network.samples]


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def files(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the networks fetch files from a public address (the site's own is tested elsewhere)."""
    settings.MEDIA_ROOT = str(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    home = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(
        "scheduling.drafts.public_address", lambda asset: f"{home}/{asset.file.name}"
    )
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture
def theatre(
    sandbox_url: str, settings: Any, files: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Theatre]:
    from tests.journeys.stage import Judge
    from tests.networks.stage import Theatre, short_times, trust_sooner

    short_times(settings, sandbox_url)
    trust_sooner(monkeypatch)
    judge = Judge(sandbox_url)
    judge.ask("/_control", method="DELETE")
    yield Theatre(judge)
    judge.ask("/_control", method="DELETE")
    adapter_for.cache_clear()


def ask(play: Play, operation: str, *arguments: Any, **named: Any) -> Any:
    """Call one operation of the play's adapter with its account's credentials."""
    return ask_as(play.connection, operation, *arguments, **named)


def ask_as(connection: SocialConnection, operation: str, *arguments: Any, **named: Any) -> Any:
    """Call one operation of an account's adapter, with the credentials it has now."""
    from engine.http import HttpPool

    adapter = adapter_for(connection.platform)
    connection.refresh_from_db()
    credentials = connection.get_credentials()

    async def main() -> Any:
        pool = HttpPool()
        try:
            http = pool.http(
                base_url=adapter.base_url(credentials),
                auth=adapter.authorize(credentials),
                guard_private=adapter.user_given_host(),
                allow_private=configured.PRIVATE_HOSTS_ALLOWED,
            )
            return await getattr(adapter, operation)(http, *arguments, **named)
        finally:
            await pool.close()

    return asyncio.run(main())


def draft_of(play: Play) -> Any:
    from scheduling.drafts import Attachment
    from scheduling.drafts import draft_of as made

    rows = play.post.post_media.select_related("asset")
    return made(
        play.connection,
        segments=play.post.segments,
        first_comment=play.post.first_comment,
        options=play.post.options,
        attachments=[Attachment(row.asset, row.segment, row.alt_text) for row in rows],
    )


def test_every_network_has_samples() -> None:
    assert set(NETWORKS) == set(ADAPTERS)
    assert all(network.samples for network in NETWORKS.values())


@pytest.mark.parametrize(("slug", "name"), ALL_SAMPLES)
def test_a_post_goes_the_whole_way(theatre: Theatre, slug: str, name: str) -> None:
    from engine.models import RateLimitState

    adapter = adapter_for(slug)
    play = theatre.schedule(slug, NETWORKS[slug].samples[name])
    theatre.run([play])
    post = play.post
    gate = list(RateLimitState.objects.filter(platform=slug).values())
    assert (post.state, post.last_error) == ("published", ""), f"{vars(post)} {gate}"
    assert len(post.remote_ids) == play.sample.parts
    assert len(theatre.live(play)) == play.sample.parts
    assert post.permalink.startswith("http")
    if Capability.FIND in adapter.capabilities and play.network.can_find:
        since = post.scheduled_at - timedelta(minutes=1)
        found = ask(play, "find", draft_of(play), {}, segment=0, since=since)
        assert found is not None
        # Facebook names a film's post by the film, or with the Page's id before it.
        assert found.remote_ids[0].endswith(post.remote_ids[0])
    if Capability.METRICS in adapter.capabilities:
        counted = ask(play, "metrics", [post.remote_ids[0]])
        assert bool(counted) is play.sample.is_counted
        for one in counted:
            assert one.remote_id == post.remote_ids[0]
            assert one.values
            assert all(isinstance(value, int) for value in one.values.values())
    if Capability.DELETE in adapter.capabilities and play.network.can_delete:
        for remote_id in reversed(post.remote_ids):
            ask(play, "delete", remote_id)
        assert theatre.live(play) == []


@pytest.mark.parametrize(("slug", "name"), [("youtube", "video"), ("deviantart", "picture")])
def test_what_was_prepared_for_an_edited_post_is_taken_away(
    theatre: Theatre, slug: str, name: str
) -> None:
    from scheduling import leftovers, services

    play = theatre.schedule(slug, NETWORKS[slug].samples[name], ahead=timedelta(minutes=4))
    theatre.prepare(play)
    assert play.post.progress
    prepared = theatre.calls(play)
    services.edit_post(play.post.pk, actor="user:test", options=dict(play.sample.options))
    assert leftovers.clear() == 1
    removal = theatre.calls(play)[len(prepared) :]
    assert removal
    assert {call["status"] for call in removal} <= {200, 204}
    assert theatre.live(play) == []


def judge_all(theatre: Theatre, plays: list[Play], what: str) -> None:
    """Assert for each play: live once, and its row says so, or a person is asked."""
    from scheduling.questions import is_open

    wrong = []
    for play in plays:
        live, post = len(theatre.live(play)), play.post
        asks = is_open(post) and adapter_for(play.connection.platform).retry_safety.kind == "person"
        is_true = live == play.sample.parts and post.state == "published"
        if not is_true and not (asks and live <= play.sample.parts):
            wrong.append(f"{play.name}: {live} live, {post.state}, {post.last_error}")
    assert not wrong, f"{what}: " + "; ".join(wrong)


@pytest.fixture
def requests_of(theatre: Theatre) -> dict[tuple[str, str], int]:
    """Return how many requests each sample takes when all is well."""
    plays = {key: theatre.schedule(key[0], NETWORKS[key[0]].samples[key[1]]) for key in ALL_SAMPLES}
    counted = theatre.run(list(plays.values()))
    judge_all(theatre, list(plays.values()), "all is well")
    return {key: counted[play.post.pk] for key, play in plays.items()}


@pytest.mark.parametrize("fate", ["lost", "death"])
def test_whatever_request_fate_strikes_one_copy_goes_live(
    theatre: Theatre, requests_of: dict[tuple[str, str], int], fate: str
) -> None:
    """The answer is lost, or the worker dies: at each request of each sample in turn."""
    for number in range(max(requests_of.values())):
        keys = [key for key, count in requests_of.items() if number < count]
        plays = [theatre.schedule(slug, NETWORKS[slug].samples[name]) for slug, name in keys]
        theatre.run(plays, {play.post.pk: (fate, number) for play in plays})
        judge_all(theatre, plays, f"{fate} at request {number}")


# --- tokens that work once ------------------------------------------------------------------------
ROTATING = ("x", "tiktok", "deviantart", "bluesky")
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}


@pytest.mark.parametrize("slug", ROTATING)
def test_twenty_who_want_a_fresh_token_make_one_call(
    theatre: Theatre, settings: Any, slug: str
) -> None:
    from platforms.models import ConnectionState, SocialConnection
    from tests.scheduling.hosts import Host, tell

    if slug != "bluesky":
        settings.PLATFORMS = {
            **settings.PLATFORMS,
            slug: {**settings.PLATFORMS[slug], **CLIENT},
        }
    adapter_for.cache_clear()
    name = f"{slug[:4]}{secrets.token_hex(3)}"
    connection = theatre.connection(slug, name)
    old = connection.get_credentials()
    connection.set_credentials({**old, "refresh_token": f"refresh-{name}"})
    connection.expires_at = timezone.now() - timedelta(minutes=1)
    connection.save()
    since = time.time()

    async def story(*hosts: Host) -> None:
        wanted = [host.renew(connection) for host in hosts for _ in range(5)]
        await asyncio.gather(*wanted)

    tell(story, hosts=4)
    site = NETWORKS[slug].site
    calls = theatre.judge.ask(f"/_calls?network={site}&operation=token&since={since}")["calls"]
    assert [call["status"] for call in calls] == [200]
    kept = SocialConnection.objects.get(pk=connection.pk)
    assert (kept.state, kept.state_reason) == (ConnectionState.ACTIVE, "")
    assert kept.get_credentials()["access_token"] != old["access_token"]
    assert kept.expires_at is not None
    assert kept.expires_at > timezone.now()
    ask_as(kept, "validate")
