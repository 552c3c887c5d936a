"""What is looked at a day ahead, how often anybody is asked, and who is told what about it."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.models import User, Workspace
from engine.models import Installation, RateLimitState
from media.models import Asset, AssetKind
from notifications.models import Notification
from platforms.adapters.base import Bucket
from platforms.adapters.x import X
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import adapter_for
from platforms.services import pause, resume
from scheduling import preflight, services
from scheduling.accounts import AccountCache, ConnectedAccount
from scheduling.models import AccountCheck, PostMedia, ScheduledPost
from scheduling.preflight_checks import (
    PlannedPost,
    calls_of,
    missing_scopes,
    quota_warnings,
    token_warnings,
)
from scheduling.schedules import SCHEDULES
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user
from tests.journeys.stage import Judge

pytestmark = pytest.mark.django_db

S = PostState
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NINE = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


@pytest.fixture
def judge(sandbox_url: str, settings: Any) -> Iterator[Judge]:
    """Give the sandbox, kind to everybody, as the network "sandbox"."""
    settings.PLATFORMS = {**settings.PLATFORMS, "sandbox": {"api_base": sandbox_url}}
    adapter_for.cache_clear()
    judge = Judge(sandbox_url)
    judge.ask("/_control", method="DELETE")
    yield judge
    judge.ask("/_control", method="DELETE")
    adapter_for.cache_clear()


@pytest.fixture
def account(judge: Judge, workspace: Workspace) -> SocialConnection:
    """Give a connection to a fresh account of the sandbox."""
    name = f"pre-{secrets.token_hex(4)}"
    return make_connection(workspace, credentials={"access_token": f"demo-{name}"}, username=name)


@pytest.fixture
def author(workspace: Workspace) -> User:
    return make_user(workspace, email="ada@example.org")


def planned(
    account: SocialConnection, ahead: timedelta = 20 * HOUR, **fields: Any
) -> ScheduledPost:
    return make_post(account, due_at=timezone.now() + ahead, **fields)


def codes(post: ScheduledPost) -> list[str]:
    post.refresh_from_db()
    return [warning["code"] for warning in post.warnings or ()]


def questions(judge: Judge, account: SocialConnection) -> int:
    return len(judge.calls("sandbox", account.username))


def later() -> None:
    """Let the pause after a look that could not finish be over."""
    AccountCheck.objects.update(look_after=timezone.now() - MINUTE)


# --- when posts are looked at -----------------------------------------------------------------
def test_a_post_in_order_is_looked_at_once_and_not_touched(account: SocialConnection) -> None:
    post = planned(account, fencing_token=7)
    before = {**ScheduledPost.objects.values().get()}
    assert preflight.look_a_day_ahead() == 1
    assert preflight.look_a_day_ahead() == 0
    after = {**ScheduledPost.objects.values().get()}
    assert after.pop("preflight_at") is not None
    assert before.pop("preflight_at") is None
    assert after == before
    assert post.current_warnings == []


def test_the_periodic_task_looks(account: SocialConnection) -> None:
    post = planned(account)
    (schedule,) = [item for item in SCHEDULES if item.name == "preflight"]
    import_string(schedule.function)()
    post.refresh_from_db()
    assert post.preflight_at is not None


@pytest.mark.parametrize(
    ("state", "ahead", "is_seen"),
    [
        (S.SCHEDULED, 23 * HOUR, True),
        (S.QUEUED, MINUTE, True),
        (S.SCHEDULED, 25 * HOUR, False),
        (S.SCHEDULED, -MINUTE, False),
        (S.OUTCOME_UNKNOWN, HOUR, False),
    ],
)
def test_waiting_posts_of_the_coming_day_are_looked_at(
    account: SocialConnection, state: str, ahead: timedelta, is_seen: bool
) -> None:
    post = planned(account, ahead, state=state)
    preflight.look_a_day_ahead()
    post.refresh_from_db()
    assert (post.preflight_at is not None) is is_seen


def test_a_post_in_a_slot_s_hands_is_left_alone(account: SocialConnection) -> None:
    planned(account, lease_slot=1, lease_expires_at=timezone.now() + HOUR)
    assert preflight.look_a_day_ahead() == 0


@pytest.mark.parametrize("how", ["hours", "paused"])
def test_it_can_be_switched_off_and_stops_with_the_installation(
    account: SocialConnection, judge: Judge, settings: Any, how: str
) -> None:
    planned(account)
    if how == "hours":
        settings.PREFLIGHT_AHEAD = timedelta(0)
    else:
        Installation.objects.update_or_create(pk=1, defaults={"paused": True})
    assert preflight.look_a_day_ahead() == 0
    assert questions(judge, account) == 0


def test_an_edited_post_is_looked_at_again_and_its_old_warnings_go(
    account: SocialConnection,
) -> None:
    account.limits = {"text_chars": 5}
    account.save()
    post = planned(account, text="much too long")
    preflight.look_a_day_ahead()
    assert codes(post) == ["text_too_long"]
    services.edit_post(post.pk, actor="user:ada", segments=[{"text": "short"}], late_policy="hold")
    post.refresh_from_db()
    assert (post.warnings, post.preflight_at) == (None, None)
    assert preflight.look_a_day_ahead() == 1
    assert codes(post) == []


def test_an_account_its_owner_changed_has_all_its_posts_looked_at_again(
    account: SocialConnection, judge: Judge
) -> None:
    pause(account, actor="user:ada")
    posts = [planned(account) for _ in range(3)]
    preflight.look_a_day_ahead()
    assert [codes(post) for post in posts] == [["connection_paused"]] * 3
    assert questions(judge, account) == 0
    resume(account, actor="user:ada")
    assert preflight.look_a_day_ahead() == 3
    assert [codes(post) for post in posts] == [[], [], []]
    assert questions(judge, account) == 1


def test_a_round_leaves_the_accounts_that_another_round_holds(account: SocialConnection) -> None:
    planned(account)
    elsewhere = planned(make_connection(account.workspace))
    assert preflight._lease(account.pk)
    assert not preflight._lease(account.pk)
    assert preflight.look_once() == 1
    elsewhere.refresh_from_db()
    assert elsewhere.preflight_at is not None
    later()
    assert preflight.look_once() == 1


@pytest.mark.parametrize("meanwhile", ["edit", "claim", "cancel"])
def test_a_verdict_about_a_post_that_changed_meanwhile_is_dropped(
    account: SocialConnection, author: User, meanwhile: str
) -> None:
    pause(account, actor="user:ada")
    post = planned(account, created_by=author)
    (look,) = preflight._take()
    if meanwhile == "edit":
        services.edit_post(post.pk, actor="user:ada", segments=[{"text": "another"}])
    elif meanwhile == "cancel":
        services.cancel_post(post.pk, actor="user:ada")
    else:
        ScheduledPost.objects.update(lease_slot=1, lease_expires_at=timezone.now() + HOUR)
    preflight._finish(look, {})
    post.refresh_from_db()
    assert (post.warnings, post.preflight_at) == (None, None)
    assert not Notification.objects.filter(event=preflight.EVENT).exists()


# --- the account is asked ---------------------------------------------------------------------
def test_an_account_is_asked_once_for_all_its_posts(
    account: SocialConnection, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "POSTS_PER_ACCOUNT", 20)
    for _ in range(50):
        planned(account)
    assert preflight.look_a_day_ahead() == 50
    planned(account)
    assert preflight.look_a_day_ahead() == 1
    assert questions(judge, account) == 1
    AccountCheck.objects.update(asked_at=timezone.now() - preflight.ASK_AGAIN)
    planned(account)
    preflight.look_a_day_ahead()
    assert questions(judge, account) == 2


def test_a_refused_token_is_told_and_remembered(account: SocialConnection) -> None:
    account.set_credentials({"access_token": "revoked-ada"})
    account.save()
    first = planned(account)
    preflight.look_a_day_ahead()
    second = planned(account)
    preflight.look_a_day_ahead()
    for post in (first, second):
        assert codes(post) == ["account_refused"]
        assert "Connect the account again." in post.warnings[0]["message"]
        assert "revoked-ada" not in str(post.warnings)
    account.refresh_from_db()
    assert account.state == ConnectionState.ACTIVE  # looking changes no state


def test_a_network_that_is_away_is_asked_again_and_nobody_is_mailed(
    account: SocialConnection, judge: Judge, author: User
) -> None:
    judge.be_cruel("sandbox", account.username, on="account", fail={"status": 503})
    post = planned(account, created_by=author)
    preflight.look_a_day_ahead()
    assert codes(post) == ["account_silent"]
    assert post.preflight_at is None
    assert preflight.look_a_day_ahead() == 0  # not before a pause
    later()
    assert preflight.look_a_day_ahead() == 1
    assert codes(post) == []
    assert post.preflight_at is not None
    assert not Notification.objects.exists()


def test_a_closed_gate_is_respected(account: SocialConnection, judge: Judge) -> None:
    RateLimitState.objects.create(
        scope="connection",
        key=str(account.pk),
        bucket="all",
        platform="sandbox",
        blocked_until=timezone.now() + HOUR,
    )
    post = planned(account)
    preflight.look_a_day_ahead()
    assert (codes(post), post.preflight_at) == ([], None)
    assert questions(judge, account) == 0


@pytest.mark.django_db(transaction=True)  # it is written on a thread of its own
def test_what_the_answer_teaches_reaches_the_gate(account: SocialConnection, judge: Judge) -> None:
    refusal = {"status": 429, "retry_after": 90}
    judge.be_cruel("sandbox", account.username, on="account", fail=refusal)
    planned(account)
    preflight.look_a_day_ahead()
    row = RateLimitState.objects.get(key=str(account.pk), bucket="all")
    assert row.blocked_until is not None
    assert row.blocked_until > timezone.now() + MINUTE


def test_an_outworn_token_that_can_be_renewed_is_not_asked_with(
    account: SocialConnection, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(adapter_for("sandbox")), "capabilities", X.capabilities)
    account.set_credentials({"access_token": "demo-x", "refresh_token": "again"})
    account.expires_at = timezone.now() - MINUTE
    account.save()
    post = planned(account)
    preflight.look_a_day_ahead()
    assert (codes(post), questions(judge, account)) == ([], 0)
    assert post.preflight_at is None  # once it is renewed


def test_credentials_that_no_key_opens(account: SocialConnection) -> None:
    SocialConnection.objects.filter(pk=account.pk).update(secret=b"not a token")
    post = planned(account)
    preflight.look_a_day_ahead()
    assert codes(post) == ["credentials_unreadable"]
    assert post.preflight_at is None  # keys come back without a change of the row


@pytest.mark.parametrize("state", [ConnectionState.NEEDS_RECONNECT, ConnectionState.REVOKED])
def test_an_account_that_cannot_send(account: SocialConnection, judge: Judge, state: str) -> None:
    SocialConnection.objects.filter(pk=account.pk).update(state=state, state_reason="Revoked.")
    post = planned(account)
    preflight.look_a_day_ahead()
    assert codes(post) == [f"connection_{state}"]
    assert questions(judge, account) == 0


# --- tokens, permissions ----------------------------------------------------------------------
def opened(connection: SocialConnection) -> ConnectedAccount:
    cache = AccountCache()
    cache.load([connection.pk])
    return cache.get(connection.pk)


@pytest.mark.parametrize(
    ("access", "refresh", "has_refresh_token", "is_warned"),
    [
        (None, None, False, False),
        (DAY, None, False, False),
        (-DAY, None, False, True),
        (-DAY, None, True, False),
        (-DAY, DAY, True, False),
        (-DAY, -HOUR, True, True),
        (DAY, -DAY, True, False),
    ],
)
def test_an_access_that_ends_before_the_moment(
    workspace: Workspace,
    access: timedelta | None,
    refresh: timedelta | None,
    has_refresh_token: bool,
    is_warned: bool,
) -> None:
    credentials = {"access_token": "demo-ada"}
    if has_refresh_token:
        credentials["refresh_token"] = "again"
    connection = make_connection(
        workspace,
        platform="x",
        credentials=credentials,
        expires_at=None if access is None else NINE + access,
        refresh_expires_at=None if refresh is None else NINE + refresh,
    )
    found = list(token_warnings(opened(connection), NINE))
    assert bool(found) is is_warned
    if is_warned:
        ends = NINE + (refresh or access or timedelta())
        assert f"{ends:%d}".lstrip("0") in found[0].message
        assert "connect the account again" in found[0].message


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ([], []),
        (["read", "write"], []),
        (["write:statuses"], []),
        (["read", "write:media"], ["write:statuses"]),
        (["writers"], ["write:statuses"]),
    ],
)
def test_permissions_are_compared_when_both_sides_are_known(
    granted: list[str], missing: list[str]
) -> None:
    assert missing_scopes({"write:statuses"}, granted) == missing


def test_a_missing_permission_is_named(judge: Judge, workspace: Workspace) -> None:
    connection = make_connection(
        workspace,
        platform="mastodon",
        credentials={
            "access_token": "demo-ada",
            "instance_url": f"{judge.url}/mastodon/one",
        },
        scopes=["read"],
    )
    post = planned(connection)
    preflight.look_a_day_ahead()
    assert codes(post) == ["scope_missing"]
    assert "write:statuses" in post.warnings[0]["message"]


# --- allowances -------------------------------------------------------------------------------
def crowd(count: int, over: timedelta, *, calls: int = 1) -> list[PlannedPost]:
    return [PlannedPost(uuid.UUID(int=n), NINE + n * over / count, 0, calls) for n in range(count)]


def test_posts_beyond_an_allowance_are_told_how_late_they_will_be() -> None:
    posts = crowd(150, 15 * MINUTE)
    found = quota_warnings(posts, X.buckets)
    assert set(found) == {post.id for post in posts[100:]}
    assert found[posts[100].id].message.startswith(
        "Only 100 posts per 15 minutes are allowed here: this one will go out about 5 min late."
    )


def test_all_at_one_instant_wait_for_whole_windows() -> None:
    posts = crowd(250, timedelta(0))
    found = quota_warnings(posts, [Bucket("publish", "connection", 100, 15 * MINUTE)])
    assert "about 15 min late" in found[posts[199].id].message
    assert "about 30 min late" in found[posts[200].id].message


def test_a_longer_window_counts_too_and_is_the_one_named() -> None:
    posts = crowd(400, 2 * HOUR)
    found = quota_warnings(posts, X.buckets)
    assert posts[299].id not in found
    assert "Only 300 posts per 3 hours" in found[posts[300].id].message


def test_every_part_of_a_thread_takes_from_the_allowance() -> None:
    assert calls_of([{"text": "a"}, {"text": "b"}], "first comment") == 3
    posts = crowd(50, 14 * MINUTE, calls=3)
    found = quota_warnings(posts, X.buckets)
    assert {post.id for post in posts[34:]} == set(found)


def test_urgent_posts_of_one_instant_come_first() -> None:
    posts = crowd(101, timedelta(0))
    urgent = PlannedPost(uuid.UUID(int=999), NINE, 9, 1)
    found = quota_warnings([*posts, urgent], [Bucket("publish", "connection", 100, HOUR)])
    assert urgent.id not in found
    assert len(found) == 2


def test_within_the_allowance_nobody_is_warned() -> None:
    assert quota_warnings(crowd(100, 15 * MINUTE), X.buckets) == {}
    assert quota_warnings(crowd(5000, HOUR), ()) == {}


def test_the_plan_of_the_whole_account_is_weighed(
    account: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket("publish", "connection", 3, HOUR)
    monkeypatch.setattr(type(adapter_for("sandbox")), "buckets", (bucket,))
    posts = [planned(account, 20 * HOUR + n * MINUTE) for n in range(5)]
    planned(make_connection(account.workspace), 20 * HOUR)
    preflight.look_a_day_ahead()
    assert [codes(post) for post in posts] == [[], [], [], ["quota_exceeded"], ["quota_exceeded"]]


# --- files and limits -------------------------------------------------------------------------
def with_file(account: SocialConnection, **fields: Any) -> tuple[ScheduledPost, Asset]:
    asset = Asset(workspace=account.workspace, mime_type="image/png", **fields)
    if not asset.source_url:
        asset.file.save("cat.png", ContentFile(PNG), save=False)
        asset.size_bytes = asset.size_bytes or len(PNG)
    asset.save()
    post = planned(account, media_count=1, needs_preparation=True)
    PostMedia.objects.create(post=post, asset=asset)
    return post, asset


def test_a_stored_file_in_order(account: SocialConnection) -> None:
    post, _ = with_file(account)
    preflight.look_a_day_ahead()
    assert (codes(post), post.preflight_at is not None) == ([], True)


def test_a_stored_file_that_is_gone(account: SocialConnection) -> None:
    post, asset = with_file(account)
    asset.file.storage.delete(asset.file.name)
    preflight.look_a_day_ahead()
    assert codes(post) == ["media_missing"]


def test_a_stored_file_of_another_size(account: SocialConnection) -> None:
    post, _ = with_file(account, size_bytes=5)
    preflight.look_a_day_ahead()
    assert codes(post) == ["media_changed"]


class Files(BaseHTTPRequestHandler):
    """Serves what its path says: /<status>/<type>/<size>, and counts."""

    seen: list[str] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        status, kind, size = self.path.partition("?")[0].strip("/").split("/")
        self.send_response(int(status))
        self.send_header("Content-Type", f"image/{kind}")
        self.send_header("Content-Length", size)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def files() -> Iterator[str]:
    """Give the address of a server of files."""
    Files.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "found", "is_final"),
    [
        ("/200/png/1000", [], True),
        ("/404/png/0", ["media_unreadable"], True),
        ("/503/png/0", ["media_silent"], False),
        ("/200/png/900000000", ["media_unreadable"], True),  # more than MEDIA_MAX_BYTES
        ("/200/png/6000000", ["image_too_large"], True),  # more than the network takes
        ("/200/tiff/1000", ["media_unsupported"], True),
    ],
)
def test_a_file_behind_an_address(
    account: SocialConnection, files: str, path: str, found: list[str], is_final: bool
) -> None:
    post, asset = with_file(account, source_url=f"{files}{path}?signature=secret")
    preflight.look_a_day_ahead()
    assert codes(post) == found
    assert (post.preflight_at is not None) is is_final
    assert "secret" not in str(post.warnings)
    asset.refresh_from_db()
    assert (asset.file.name, asset.size_bytes) == ("", 0)  # looking keeps nothing


def test_an_address_of_many_posts_is_looked_at_once(account: SocialConnection, files: str) -> None:
    _, asset = with_file(account, source_url=f"{files}/200/png/1000")
    for _ in range(4):
        PostMedia.objects.create(post=planned(account, media_count=1), asset=asset)
    assert preflight.look_a_day_ahead() == 5
    assert len(Files.seen) == 1


def test_a_private_address_is_refused(account: SocialConnection, files: str, settings: Any) -> None:
    settings.PRIVATE_HOSTS_ALLOWED = []
    post, _ = with_file(account, source_url=f"{files.replace('http', 'https')}/200/png/1")
    preflight.look_a_day_ahead()
    assert codes(post) == ["media_unreadable"]
    assert Files.seen == []


def test_a_video_where_none_is_taken(account: SocialConnection) -> None:
    post, _ = with_file(account, kind=AssetKind.VIDEO)
    preflight.look_a_day_ahead()
    assert codes(post) == ["media_unsupported"]


# --- who is told ------------------------------------------------------------------------------
def told() -> list[Notification]:
    return list(Notification.objects.filter(event=preflight.EVENT).order_by("created_at"))


def test_an_account_s_incident_is_one_mail_for_all_its_posts(
    account: SocialConnection, author: User
) -> None:
    SocialConnection.objects.filter(pk=account.pk).update(state=ConnectionState.NEEDS_RECONNECT)
    posts = [planned(account, created_by=author) for _ in range(30)]
    preflight.look_a_day_ahead()
    (mail,) = told()
    assert mail.user_id == author.pk
    assert "must be connected again" in mail.context["mail"]["reason"]
    services.edit_post(posts[0].pk, actor="user:ada", segments=[{"text": "other"}])
    planned(account, created_by=author)
    preflight.look_a_day_ahead()
    assert len(told()) == 1
    colleague = make_user(account.workspace, email="bob@example.org")
    planned(account, created_by=colleague)
    preflight.look_a_day_ahead()
    assert [mail.user_id for mail in told()] == [author.pk, colleague.pk]


def test_posts_that_do_not_fit_into_an_allowance_are_one_mail(
    account: SocialConnection, author: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket("publish", "connection", 1, HOUR)
    monkeypatch.setattr(type(adapter_for("sandbox")), "buckets", (bucket,))
    for _ in range(10):
        planned(account, created_by=author)
    preflight.look_a_day_ahead()
    assert len(told()) == 1


def test_a_post_s_own_warning_is_told_once_for_each_version_of_it(
    account: SocialConnection, author: User
) -> None:
    account.limits = {"text_chars": 5}
    account.save()
    posts = [planned(account, created_by=author, text="much too long") for _ in range(2)]
    preflight.look_a_day_ahead()
    assert len(told()) == 2
    ScheduledPost.objects.update(preflight_at=None)
    preflight.look_a_day_ahead()
    assert len(told()) == 2
    ScheduledPost.objects.filter(pk=posts[0].pk).update(preflight_at=None, content_version=2)
    preflight.look_a_day_ahead()
    assert len(told()) == 3


def test_many_posts_with_the_same_in_their_way_are_one_mail(
    account: SocialConnection, author: User
) -> None:
    account.limits = {"text_chars": 5}
    account.save()
    for _ in range(20):
        planned(account, created_by=author, text="much too long")
    preflight.look_a_day_ahead()
    (mail,) = told()
    assert "The same goes for 19 more posts of this account." in mail.context["mail"]["reason"]


def test_nobody_is_called_back_about_what_may_still_be_mended(
    account: SocialConnection, author: User
) -> None:
    pause(account, actor="user:ada")
    planned(account, created_by=author, callback_url="https://customer.example/hook")
    preflight.look_a_day_ahead()
    (mail,) = told()
    assert [d.channel for d in mail.deliveries.all()] == ["email"]
