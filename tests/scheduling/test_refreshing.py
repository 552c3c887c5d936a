"""Fresh tokens at the sandbox's X: refresh tokens work once, and a replay burns the account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from engine.models import RateLimitState
from notifications.models import Delivery, Notification
from platforms import registry, services
from platforms.adapters.base import Account
from platforms.models import ConnectionState, SocialConnection
from platforms.tokens import PAUSE, begin_refresh
from scheduling import look_ahead, sweeper
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.refreshing import find_expiring, find_idle
from scheduling.states import PostState
from tests.factories import make_post, make_user
from tests.journeys.stage import Judge
from tests.scheduling.hosts import Host, Network, tell

pytestmark = pytest.mark.django_db(transaction=True)

S = PostState
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OVER = -MINUTE  # the access token ended a minute ago


@pytest.fixture
def network(sandbox_url: str, settings: Any, caplog: pytest.LogCaptureFixture) -> Iterator[Network]:
    """Give the sandbox's X; at the end, look for secrets wherever people look."""
    caplog.set_level("DEBUG")
    settings.PLATFORMS = {
        **settings.PLATFORMS,
        "x": {
            "api_base": f"{sandbox_url}/x",
            "token_url": f"{sandbox_url}/x/2/oauth2/token",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-client-secret",
        },
    }
    settings.CALL_DEADLINE = 1.5 * SECOND
    registry.adapter_for.cache_clear()
    network = Network(Judge(sandbox_url))
    network.be_kind()
    yield network
    network.be_kind()
    registry.adapter_for.cache_clear()
    for account in SocialConnection.objects.all():
        network.secrets |= set(account.get_credentials().values())
    shown = [caplog.text, *(str(record.__dict__) for record in caplog.records)]
    for rows in (ScheduledPost, SocialConnection, PublishAttempt, Notification):
        shown += [str(row) for row in rows.objects.defer("secret").values()]  # type: ignore[attr-defined]
    assert not [secret for secret in network.secrets if any(secret in text for text in shown)]


def state_of(account: SocialConnection) -> tuple[str, str]:
    account.refresh_from_db()
    return account.state, account.state_reason


def let_the_wait_end() -> None:
    """Pretend that the wait after a failed refresh is over: for account, gate and posts."""
    RateLimitState.objects.all().delete()
    SocialConnection.objects.update(refresh_again_at=None)
    ScheduledPost.objects.filter(state=S.SCHEDULED).update(due_at=timezone.now() - SECOND)


def reconnect(network: Network, account: SocialConnection) -> None:
    """Connect the account again, as its owner would."""
    name = f"{account.username}-again"
    services.connect(
        account.workspace,
        "x",
        network.credentials(name, HOUR),
        Account(account.external_id, account.username),
        None,
    )


# --- one refresher ----------------------------------------------------------------------------
def test_two_hosts_at_once_make_one_call_and_both_get_its_result(network: Network) -> None:
    account = network.account(expires_in=OVER)
    network.be_cruel(latency_ms=200)

    async def story(*hosts: Host) -> None:
        first = await asyncio.gather(*(host.renew(account) for host in hosts))
        assert [renewal.wait is None for renewal in first].count(True) == 1
        for host in hosts:
            renewed = await host.account(account)
            assert renewed.connection.version == 2
            assert renewed.expires_at > timezone.now() + HOUR

    tell(story, hosts=4)
    assert network.token_calls() == 1
    assert state_of(account) == ("active", "")


def test_many_posts_at_their_moment_make_one_call_and_none_of_them_fails(network: Network) -> None:
    account = network.account(expires_in=OVER)
    posts = [make_post(account, text=f"{n} from {account.username}") for n in range(8)]
    network.be_cruel(latency_ms=100)

    async def story(*hosts: Host) -> None:
        for _ in range(20):
            await asyncio.gather(*(host.work() for host in hosts))
            left = ScheduledPost.objects.exclude(state=S.PUBLISHED)
            if not await hosts[0].database.run(left.exists):
                return
            await asyncio.sleep(0.2)

    tell(story, hosts=2)
    assert {ScheduledPost.objects.get(pk=p.pk).state for p in posts} == {S.PUBLISHED}
    assert set(ScheduledPost.objects.values_list("attempts", flat=True)) == {1}
    assert network.token_calls() == 1


def test_a_post_waits_shortly_while_another_host_refreshes(network: Network) -> None:
    account = network.account(expires_in=OVER)
    begin_refresh(account.pk, account.version)  # elsewhere
    post = make_post(account)
    tell(Host.work)
    post.refresh_from_db()
    assert (post.state, post.attempts) == (S.SCHEDULED, 0)
    assert "Waiting for a fresh access token" in post.last_error
    assert post.due_at < timezone.now() + 2 * SECOND
    assert network.token_calls() == 0


# --- ahead of the moment ----------------------------------------------------------------------
def test_the_look_ahead_refreshes_once_for_all_posts_of_an_account(network: Network) -> None:
    account = network.account(expires_in=6 * MINUTE)  # would do for the claim, not for the post
    moment = timezone.now() + 4 * MINUTE
    posts = [make_post(account, due_at=moment) for _ in range(5)]
    look_ahead.queue_due_posts()
    idle = network.account(expires_in=6 * MINUTE)
    later = network.account(expires_in=6 * MINUTE)
    make_post(later, due_at=timezone.now() + HOUR)

    async def story(*hosts: Host) -> None:
        await asyncio.gather(*(host.tick() for host in hosts))

    tell(story, hosts=2)
    account.refresh_from_db()
    assert account.expires_at > moment + HOUR
    assert network.token_calls() == 1
    for post in posts:
        post.refresh_from_db()
        assert (post.state, post.due_at, post.attempts) == (S.QUEUED, moment, 0)
    assert {state_of(idle), state_of(later)} == {("active", "")}
    assert find_expiring(10) == []


def test_who_cannot_be_refreshed_does_not_stand_in_the_way_of_others(network: Network) -> None:
    old = network.account(expires_in=OVER)
    old.set_credentials({"access_token": "demo-old"})
    old.save()
    fine = network.account(expires_in=OVER)
    for account in (old, fine):
        make_post(account, due_at=timezone.now() + 4 * MINUTE)
    assert find_expiring(1) == [old.pk]
    tell(Host.tick)
    assert find_expiring(10) == []
    assert (network.token_calls(), state_of(old)) == (1, ("active", ""))


def test_a_slot_that_ends_lets_its_refresh_finish(network: Network) -> None:
    account = network.account(expires_in=OVER)
    make_post(account, due_at=timezone.now() + 4 * MINUTE)
    network.be_cruel(latency_ms=300)

    async def story(host: Host) -> None:
        await host.database.run(host.workload.db_tick)
        await asyncio.sleep(0.05)  # the call is under way

    tell(story)
    account.refresh_from_db()
    assert account.version == 2
    assert account.expires_at > timezone.now() + HOUR


def test_a_token_good_for_its_call_delays_no_post(network: Network) -> None:
    post = make_post(network.account(expires_in=2 * MINUTE))
    tell(Host.work)
    post.refresh_from_db()
    assert (post.state, network.token_calls()) == (S.PUBLISHED, 0)


# --- lost answers -----------------------------------------------------------------------------
def test_a_lost_answer_whose_token_was_used_up_is_named_as_what_it_is(network: Network) -> None:
    account = network.account(expires_in=OVER)
    author = make_user(account.workspace, email="ada@example.org")
    post = make_post(account, created_by=author)
    network.be_cruel(accept_then_drop=1)
    tell(Host.work)
    state, reason = state_of(account)
    assert (state, "could not be refreshed yet" in reason) == ("active", True)
    lost_at = account.refresh_unanswered_at
    assert lost_at is not None
    let_the_wait_end()
    tell(Host.work)
    state, reason = state_of(account)
    named = (
        f"The answer to a token refresh was lost at {lost_at:%Y-%m-%d %H:%M} UTC, and X no longer "
        "accepts the old token: connect the account again."
    )
    assert (state, reason) == ("needs_reconnect", named)
    post.refresh_from_db()
    assert post.state == S.BLOCKED
    assert named in post.last_error
    assert named in Notification.objects.get().context["mail"]["reason"]
    assert network.token_calls() == 2


@pytest.mark.parametrize("fault", ["accept_then_drop", "truncated", "garbage"])
def test_whatever_loses_the_new_pair_is_remembered(network: Network, fault: str) -> None:
    account = network.account(expires_in=OVER)
    network.be_cruel(**{fault: 1})

    async def story(host: Host) -> None:
        assert (await host.renew(account)).wait is not None

    tell(story)
    assert state_of(account)[0] == "active"
    assert account.refresh_unanswered_at is not None


def test_a_lost_answer_whose_token_still_works_is_forgotten(network: Network) -> None:
    account = network.account(expires_in=OVER)
    post = make_post(account)
    network.be_cruel(drop_before=1)
    tell(Host.work)
    assert state_of(account)[0] == "active"
    assert account.refresh_unanswered_at is not None
    let_the_wait_end()
    tell(Host.work)
    post.refresh_from_db()
    assert post.state == S.PUBLISHED
    assert state_of(account) == ("active", "")
    assert account.refresh_unanswered_at is None


def test_what_was_certainly_not_sent_is_no_lost_answer(network: Network, settings: Any) -> None:
    settings.PLATFORMS["x"]["token_url"] = "http://127.0.0.1:9/token"  # nobody listens
    registry.adapter_for.cache_clear()
    account = network.account(expires_in=OVER)
    make_post(account)
    tell(Host.work)
    assert state_of(account)[0] == "active"
    assert account.refresh_unanswered_at is None


# --- what passes by itself --------------------------------------------------------------------
@pytest.mark.parametrize(
    "switches",
    [
        {"fail": {"status": 503, "times": None}},
        {"fail": {"status": 429, "retry_after": 30, "times": None}},
        {"fail": {"status": 401, "times": None}},  # the application is refused, not the account
        {"fail": {"status": 403, "times": None}},
        {"hang": True},
        {"reset": True},
    ],
    ids=["503", "429", "401", "403", "hang", "reset"],
)
def test_no_trouble_of_the_token_endpoint_ends_a_connection(
    network: Network, switches: dict[str, Any]
) -> None:
    account = network.account(expires_in=OVER)
    post = make_post(account)
    network.be_cruel(**switches)
    for calls in (1, 2, 3):
        tell(Host.work)
        post.refresh_from_db()
        assert (post.state, post.attempts) == (S.SCHEDULED, 0)
        assert post.due_at > timezone.now() + (25 if "429" in str(switches) else 2) * SECOND
        assert state_of(account)[0] == "active"
        assert network.token_calls() == calls
        let_the_wait_end()
    network.be_kind()
    tell(Host.work)
    post.refresh_from_db()
    assert post.state == S.PUBLISHED
    assert state_of(account) == ("active", "")
    assert not Notification.objects.exists()


def test_many_posts_of_an_account_share_the_wait_after_a_failed_refresh(network: Network) -> None:
    account = network.account(expires_in=OVER)
    for _ in range(5):
        make_post(account)
    network.be_cruel(fail={"status": 503, "times": None})

    async def story(*hosts: Host) -> None:
        for host in hosts:
            await host.work()
        await asyncio.sleep(0.6)  # those that met a refresh under way look again
        for host in hosts:
            await host.work()

    tell(story, hosts=2)
    assert network.token_calls() == 1
    assert ScheduledPost.objects.filter(due_at__gt=timezone.now() + 2 * SECOND).count() == 5


def test_a_token_that_the_network_refused_is_renewed_however_long_that_takes(
    network: Network,
) -> None:
    account = network.account(expires_in=HOUR)
    post = make_post(account)
    network.expire(account.get_credentials()["access_token"])
    network.be_cruel(fail={"status": 503, "times": None})
    for _ in range(4):
        tell(Host.work)
        post.refresh_from_db()
        assert (post.state, post.attempts) == (S.SCHEDULED, 1)  # only the call that was refused
        assert state_of(account)[0] == "active"
        let_the_wait_end()
    network.be_kind()
    tell(Host.work)
    post.refresh_from_db()
    assert (post.state, post.attempts) == (S.PUBLISHED, 2)


def test_a_fresh_token_that_is_refused_is_the_network_s_trouble(network: Network) -> None:
    account = network.account(expires_in=HOUR)
    post = make_post(account)
    for _ in range(2):
        network.expire(SocialConnection.objects.get().get_credentials()["access_token"])
        tell(Host.work)
        ScheduledPost.objects.update(due_at=F("due_at") - MINUTE)
    post.refresh_from_db()
    assert (post.state, post.attempts) == (S.SCHEDULED, 2)
    assert state_of(account)[0] == "active"
    assert network.token_calls() == 1  # the second one waits
    account.refresh_from_db()
    assert timezone.now() < account.refresh_again_at <= timezone.now() + PAUSE


def test_a_post_is_held_when_its_token_cannot_be_had_until_it_is_too_late(network: Network) -> None:
    account = network.account(expires_in=OVER)
    author = make_user(account.workspace, email="ada@example.org")
    post = make_post(account, created_by=author, late_limit_minutes=10)
    network.be_cruel(fail={"status": 503, "times": None})
    tell(Host.work)
    let_the_wait_end()
    past = timezone.now() - 11 * MINUTE
    SocialConnection.objects.update(refresh_failing_since=past)
    ScheduledPost.objects.update(scheduled_at=past)
    tell(Host.work)
    post.refresh_from_db()
    assert (post.state, post.due_at) == (S.HELD, None)
    assert "could not be refreshed yet" in post.last_error
    assert Delivery.objects.get().target == "ada@example.org"


def test_the_new_pair_survives_a_database_that_goes_away(network: Network) -> None:
    account = network.account(expires_in=OVER)
    network.be_cruel(latency_ms=300)

    async def story(host: Host, other: Host) -> None:
        session = await host.database.run(session_id)
        refreshing = asyncio.create_task(host.renew(account))
        await asyncio.sleep(0.15)  # the call is under way
        await other.database.run(end_session, session)
        assert (await refreshing).wait is None

    tell(story, hosts=2)
    account.refresh_from_db()
    assert account.version == 2
    assert network.token_calls() == 1


def session_id() -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def end_session(pid: int) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


# --- the end of a connection ------------------------------------------------------------------
def burn(account: SocialConnection) -> None:
    """Leave a refresh token that the network does not accept."""
    account.set_credentials({**account.get_credentials(), "refresh_token": "used-up"})
    account.save()


def test_an_invalid_grant_is_told_once_and_the_posts_wait_for_a_reconnect(network: Network) -> None:
    account = network.account(expires_in=OVER)
    burn(account)
    authors = [make_user(account.workspace, email=f"{name}@example.org") for name in ("ada", "bob")]
    now = timezone.now()
    near = [
        make_post(account, created_by=author, due_at=now + minutes * MINUTE, text=f"{minutes}")
        for minutes in range(5)
        for author in authors
    ]
    far = make_post(account, created_by=authors[0], due_at=now + HOUR)
    look_ahead.queue_due_posts()

    async def story(*hosts: Host) -> None:
        await asyncio.gather(*(host.tick() for host in hosts))
        for host in hosts:
            await host.work()

    tell(story, hosts=2)
    reason = "X no longer accepts the refresh token. Connect the account again."
    assert state_of(account) == ("needs_reconnect", reason)
    assert network.token_calls() == 1
    for post in near:
        post.refresh_from_db()
        assert (post.state, post.due_at, post.lease_slot) == (S.BLOCKED, None, None)
        assert post.last_error == f"{account} must be connected again. {reason}"
    far.refresh_from_db()
    assert far.state == S.SCHEDULED
    ScheduledPost.objects.filter(pk=far.pk).update(due_at=now)
    tell(Host.work)
    far.refresh_from_db()
    assert far.state == S.BLOCKED
    mailed = Delivery.objects.values_list("target", flat=True)
    assert sorted(mailed) == ["ada@example.org", "bob@example.org"]

    reconnect(network, account)
    late = near[0]
    ScheduledPost.objects.filter(pk=late.pk).update(scheduled_at=now - 3 * HOUR)
    assert sweeper.unblock() == len(near) + 1
    tell(Host.work)
    states = {p.pk: p.state for p in ScheduledPost.objects.all()}
    assert states[late.pk] == S.HELD
    assert states[near[1].pk] == S.PUBLISHED  # due at once
    assert states[near[-1].pk] == S.SCHEDULED  # not before its moment


def test_each_callback_hears_once_of_each_post_that_goes_on(network: Network) -> None:
    account = network.account(expires_in=OVER)
    burn(account)
    hook = "https://customer.example/hook"
    for number in range(3):
        make_post(account, callback_url=hook, text=str(number))
    tell(Host.work)
    events = Delivery.objects.order_by("id").values_list("notification__event", flat=True)
    assert list(events) == ["post.blocked"] * 3
    reconnect(network, account)
    sweeper.unblock()
    tell(Host.work)
    assert list(events.all()) == [*["post.blocked"] * 3, *["post.published"] * 3]


def test_a_reconnect_while_a_refresh_is_under_way_wins(network: Network) -> None:
    account = network.account(expires_in=OVER)
    post = make_post(account)
    network.be_cruel(latency_ms=300)

    async def story(host: Host, other: Host) -> None:
        working = asyncio.create_task(host.work())
        await asyncio.sleep(0.15)  # the call is under way
        await other.database.run(reconnect, network, account)
        await working

    tell(story, hosts=2)
    account.refresh_from_db()
    assert account.get_credentials()["access_token"] == f"demo-{account.username}-again"
    assert (account.state, account.version) == (ConnectionState.ACTIVE, 2)
    post.refresh_from_db()
    assert post.state == S.PUBLISHED


def test_a_refusal_of_an_old_grant_does_not_end_the_new_one(network: Network) -> None:
    account = network.account(expires_in=OVER)
    burn(account)
    network.be_cruel(latency_ms=300)

    async def story(host: Host, other: Host) -> None:
        refreshing = asyncio.create_task(host.renew(account))
        await asyncio.sleep(0.15)  # the call is under way
        await other.database.run(reconnect, network, account)
        assert not (await refreshing).is_over

    tell(story, hosts=2)
    assert state_of(account) == ("active", "")


def test_the_author_s_mail_is_not_repeated_by_posts_in_flight(network: Network) -> None:
    account = network.account(expires_in=HOUR)
    burn(account)
    network.expire(account.get_credentials()["access_token"])
    author: User = make_user(account.workspace, email="ada@example.org")
    for number in range(4):
        make_post(account, created_by=author, text=str(number))
    tell(Host.work)  # all four calls are refused
    assert state_of(account)[0] == "needs_reconnect"
    assert set(ScheduledPost.objects.values_list("state", flat=True)) == {S.BLOCKED}
    assert list(Delivery.objects.values_list("target", flat=True)) == ["ada@example.org"]
    assert network.token_calls() == 1


# --- accounts that seldom post ------------------------------------------------------------------
def test_tokens_that_end_for_want_of_posts_are_kept_alive(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = network.account(expires_in=29 * 24 * HOUR)
    network.account(expires_in=31 * 24 * HOUR)
    assert find_idle(10) == []  # nobody asked for it
    monkeypatch.setattr(registry.ADAPTERS["x"], "keep_alive", 30 * 24 * HOUR)
    assert find_idle(10) == [soon.pk]
    begin_refresh(soon.pk, soon.version)
    assert find_idle(10) == []  # somebody is at it
    SocialConnection.objects.update(refresh_lease_until=None)
    assert find_idle(10) == [soon.pk]
    tell(Host.tick)
    assert network.token_calls() == 1
    assert find_idle(10) == []
