"""A token refused in the middle of a question is renewed if that can be; nothing is sent twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.errors import ErrorCategory
from notifications.models import Delivery
from platforms import services
from platforms.adapters.base import Account, Capability, Published, RetrySafety, Safety
from platforms.models import ConnectionState, SocialConnection
from scheduling import sweeper
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.refreshing import find_expiring
from scheduling.states import PostState
from tests.factories import make_post, make_user
from tests.scheduling.desk import Desk, Scripted, refused

pytestmark = pytest.mark.django_db

S = PostState
C = ErrorCategory
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
REFUSALS = pytest.mark.parametrize("refusal", [C.TOKEN_EXPIRED, C.AUTH_ERROR])
TOKENS = {"token": "old-token", "refresh_token": "again"}
GONE = refused(C.AUTH_ERROR, provider_code="invalid_grant")


@pytest.fixture(autouse=True)
def refreshable(network: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = frozenset({Capability.REFRESH, Capability.FIND})
    monkeypatch.setattr(Scripted, "capabilities", capabilities)
    network.will(refresh={"token": "new-token"})


def processing(desk: Desk, **credentials: Any) -> ScheduledPost:
    return make_post(
        desk.account(credentials=credentials or TOKENS),
        state=S.PROCESSING,
        progress={"container": "c1"},
        sent_at=timezone.now(),
        due_at=timezone.now() - SECOND,
    )


def in_doubt(desk: Desk, network: Scripted, **credentials: Any) -> ScheduledPost:
    """Return a post whose call was made and never answered, to be looked into now."""
    network.will(publish=refused(C.OUTCOME_UNKNOWN))
    post = desk.work(make_post(desk.account(credentials=credentials or TOKENS)))
    ScheduledPost.objects.update(due_at=timezone.now() - SECOND, sent_at=timezone.now() - HOUR)
    PublishAttempt.objects.update(sent_at=timezone.now() - HOUR / 2, started_at=timezone.now())
    return post


def ask(desk: Desk, post: ScheduledPost) -> ScheduledPost:
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    return post


def reconnect(account: SocialConnection) -> None:
    services.connect(
        account.workspace,
        account.platform,
        {"token": "owner's"},
        Account(account.external_id, account.username),
        None,
    )


def account_state() -> str:
    return SocialConnection.objects.get().state


# --- polling ----------------------------------------------------------------------------------
@REFUSALS
def test_a_poll_goes_on_with_a_fresh_token(
    desk: Desk, network: Scripted, refusal: ErrorCategory
) -> None:
    network.will(check=[refused(refusal), Published(("1",))])
    post = ask(desk, processing(desk))
    assert (post.state, post.due_at <= timezone.now()) == (S.PROCESSING, True)
    assert network.calls == ["check", "refresh"]
    assert ask(desk, post).state == S.PUBLISHED


def test_a_poll_waits_as_long_as_the_token_cannot_be_had(desk: Desk, network: Scripted) -> None:
    network.will(check=refused(C.TOKEN_EXPIRED), refresh=refused(C.SERVER_ERROR))
    post = ask(desk, processing(desk))
    assert (post.state, account_state()) == (S.PROCESSING, ConnectionState.ACTIVE)
    assert post.due_at > timezone.now() + 3 * SECOND
    ScheduledPost.objects.update(due_at=timezone.now() - SECOND)
    post = ask(desk, post)
    assert network.calls == ["check", "refresh"]  # neither is asked again before its time
    assert "The network said no." in post.last_error


@pytest.mark.parametrize("has_refresh_token", [True, False])
def test_a_poll_of_a_dead_account_tells_once_and_goes_on_after_a_reconnect(
    desk: Desk, network: Scripted, has_refresh_token: bool
) -> None:
    network.will(check=[refused(C.AUTH_ERROR), Published(("1",))])
    network.will(refresh=GONE)
    post = processing(desk, **(TOKENS if has_refresh_token else {"token": "old-token"}))
    author = make_user(post.workspace, email="ada@example.org")
    ScheduledPost.objects.update(created_by=author)
    for _ in range(2):
        ask(desk, post)
        assert (post.state, account_state()) == (S.PROCESSING, ConnectionState.NEEDS_RECONNECT)
        assert "must be connected again" in post.last_error
        ScheduledPost.objects.update(due_at=timezone.now() - SECOND)
    assert Delivery.objects.count() == 1
    reconnect(post.connection)
    assert ask(desk, post).state == S.PUBLISHED


# --- unknown outcomes -------------------------------------------------------------------------
@REFUSALS
def test_a_doubt_is_cleared_up_with_a_fresh_token(
    desk: Desk, network: Scripted, refusal: ErrorCategory
) -> None:
    post = in_doubt(desk, network)
    network.will(find=[refused(refusal), Published(("1",))])
    post = ask(desk, post)
    assert (post.state, post.due_at <= timezone.now()) == (S.OUTCOME_UNKNOWN, True)
    assert network.calls[-2:] == ["find", "refresh"]
    assert ask(desk, post).state == S.PUBLISHED
    assert network.calls.count("publish") == 1


def test_a_doubt_about_a_dead_account_is_told_once_and_clears_itself_after_a_reconnect(
    desk: Desk, network: Scripted
) -> None:
    post = in_doubt(desk, network)
    author = make_user(post.workspace, email="ada@example.org")
    ScheduledPost.objects.update(created_by=author)
    network.will(find=[refused(C.TOKEN_EXPIRED), Published(("1",))])
    network.will(refresh=GONE)
    for _ in range(2):  # the network is not asked again with a dead token
        ask(desk, post)
        assert (post.state, account_state()) == (S.OUTCOME_UNKNOWN, ConnectionState.NEEDS_RECONNECT)
        assert sweeper.wake_doubts() == 0
        ScheduledPost.objects.update(due_at=timezone.now() - SECOND)
    ScheduledPost.objects.update(due_at=timezone.now() + 15 * MINUTE)
    told = Delivery.objects.order_by("notification__event")
    assert list(told.values_list("notification__event", flat=True)) == [
        "connection.needs_reconnect",
        "post.needs_person",
    ]
    reconnect(post.connection)
    assert sweeper.wake_doubts() == 1  # not a quarter of an hour later
    assert ask(desk, post).state == S.PUBLISHED


@REFUSALS
def test_a_repeat_under_its_key_keeps_the_doubt_and_gets_a_fresh_token(
    desk: Desk, network: Scripted, refusal: ErrorCategory
) -> None:
    network.retry_safety = RetrySafety(Safety.KEY, ttl=24 * HOUR)  # type: ignore[misc]
    post = in_doubt(desk, network)
    network.will(publish=[refused(refusal), Published(("1",))])
    assert desk.work(post).state == S.OUTCOME_UNKNOWN
    assert (post.due_at is not None, network.calls[-1]) == (True, "refresh")
    ScheduledPost.objects.update(due_at=timezone.now() - SECOND)
    assert desk.work(post).state == S.PUBLISHED
    assert len(set(network.keys)) == 1


# --- publishing -------------------------------------------------------------------------------
def test_a_refused_token_leaves_the_window_s_posts_to_the_refresher(
    desk: Desk, network: Scripted
) -> None:
    network.will(publish=refused(C.TOKEN_EXPIRED), refresh=refused(C.NETWORK_ERROR))
    account = desk.account(credentials=TOKENS)
    make_post(account)
    other = make_post(account, due_at=timezone.now() + MINUTE, state=S.QUEUED)
    desk.work(ScheduledPost.objects.exclude(pk=other.pk).get())
    account.refresh_from_db()
    assert account.expires_at <= timezone.now()
    assert find_expiring(10) == []  # put off, like everybody
    SocialConnection.objects.update(refresh_again_at=None)
    assert find_expiring(10) == [account.pk]


def test_a_crash_of_the_adapter_is_no_end_of_the_connection(desk: Desk, network: Scripted) -> None:
    network.will(refresh=RuntimeError("a bug with old-token in it"), publish=Published(("1",)))
    account = desk.account(credentials=TOKENS, expires_at=timezone.now() - MINUTE)
    post = make_post(account)
    desk.record(desk.call(desk.claim()[0]))
    post.refresh_from_db()
    account.refresh_from_db()
    assert (post.state, account.state) == (S.SCHEDULED, ConnectionState.ACTIVE)
    assert "Carillon itself failed here (RuntimeError)" in account.state_reason
    assert "old-token" not in account.state_reason + post.last_error
    assert account.refresh_unanswered_at is not None
