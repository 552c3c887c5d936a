"""What people can do with posts, what each act leaves behind, and why it is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.models import AuditEvent
from engine.states import IllegalTransition
from media.models import Asset
from notifications.models import Notification
from platforms.models import ConnectionState, SocialConnection
from scheduling import services
from scheduling.drafts import Attachment
from scheduling.models import LatePolicy, PostTransition, ScheduledPost
from scheduling.rules import Invalid, late_limit_of
from scheduling.states import CANCELLABLE, EDITABLE, REQUEUEABLE, PostState
from tests.factories import make_connection, make_post, make_workspace

pytestmark = pytest.mark.django_db

S = PostState
ADA = "user:ada"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OVER = settings.PUBLISH_LEASE + settings.RECONCILE_GRACE


def schedule(connection: SocialConnection, **fields: Any) -> tuple[ScheduledPost, bool]:
    return services.schedule_post(
        **{
            "workspace": connection.workspace,
            "connection": connection,
            "segments": [{"text": "hello"}],
            "scheduled_at": timezone.now() + HOUR,
            "actor": ADA,
            **fields,
        }
    )


def codes(refused: pytest.ExceptionInfo[Invalid]) -> set[tuple[str, str]]:
    return {(error.field, error.code) for error in refused.value.errors}


def image(connection: SocialConnection, name: str = "cat.png") -> Attachment:
    asset = Asset(workspace=connection.workspace, mime_type="image/png", size_bytes=4)
    asset.file.save(name, ContentFile(b"\x89PNG"), save=True)
    return Attachment(asset, alt_text="a cat")


def in_state(connection: SocialConnection, state: str, **fields: Any) -> ScheduledPost:
    """Save a post in `state`, held by a slot if that state has one."""
    if state == S.PUBLISHING:
        fields = {"lease_slot": 1, "lease_expires_at": timezone.now() + MINUTE, **fields}
    return make_post(connection, state=state, **fields)


def audited(post: ScheduledPost, action: str) -> AuditEvent:
    event = AuditEvent.objects.get(target=f"post:{post.pk}", action=action)
    assert (event.actor, event.workspace_id) == (ADA, post.workspace_id)
    return event


def moved(post: ScheduledPost, source: str, target: str) -> PostTransition:
    move = PostTransition.objects.get(post=post)
    assert (move.source, move.target, move.actor) == (source, target, ADA)
    assert move.fencing_token == post.fencing_token
    return move


# --- schedule -----------------------------------------------------------------------------------
def test_a_scheduled_post_is_due_at_its_moment(connection: SocialConnection) -> None:
    moment = timezone.now() + HOUR
    post, created = schedule(connection, scheduled_at=moment, time_zone="Europe/Berlin", priority=3)
    assert created
    post.refresh_from_db()
    assert (post.state, post.due_at, post.scheduled_at) == (S.SCHEDULED, moment, moment)
    assert (post.time_zone, post.priority, post.platform) == ("Europe/Berlin", 3, "sandbox")
    assert post.max_attempts == settings.PUBLISHER_MAX_ATTEMPTS
    assert post.correlation_id
    assert not post.needs_preparation
    audited(post, "post.scheduled")


def test_a_draft_waits_for_its_author(connection: SocialConnection) -> None:
    post, _ = schedule(connection, as_draft=True, scheduled_at=timezone.now() - 9 * HOUR)
    assert (post.state, post.due_at) == (S.DRAFT, None)
    audited(post, "post.drafted")


def test_images_are_attached_in_their_order_and_wait_for_preparation(
    connection: SocialConnection,
) -> None:
    files = [image(connection, f"{n}.png") for n in range(3)]
    post, _ = schedule(connection, attachments=files)
    assert (post.media_count, post.needs_preparation) == (3, True)
    places = [(row.position, row.asset_id, row.alt_text) for row in post.post_media.all()]
    assert places == [(n, file.asset.pk, "a cat") for n, file in enumerate(files)]


BAD: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"scheduled_at": datetime(2027, 1, 1)}, ("scheduled_at", "naive_datetime")),  # noqa: DTZ001
    ({"scheduled_at": datetime(2020, 1, 1, tzinfo=UTC)}, ("scheduled_at", "too_late")),
    ({"time_zone": "Mars/Olympus"}, ("time_zone", "unknown_zone")),
    ({"time_zone": "../etc/passwd"}, ("time_zone", "unknown_zone")),
    ({"time_zone": "Europe"}, ("time_zone", "unknown_zone")),
    ({"time_zone": ""}, ("time_zone", "unknown_zone")),
    ({"segments": []}, ("segments", "required")),
    ({"segments": [{"text": "x" * 501}]}, ("segments[0].text", "text_too_long")),
    ({"priority": 10}, ("priority", "out_of_range")),
    ({"priority": -1}, ("priority", "out_of_range")),
    ({"late_policy": "never"}, ("late_policy", "unknown")),
    ({"callback_url": "javascript:alert(1)"}, ("callback_url", "not_a_url")),
    ({"callback_url": "http://x.example/cb"}, ("callback_url", "refused_address")),
    ({"callback_url": "https://10.0.0.1/cb"}, ("callback_url", "refused_address")),
    ({"callback_url": "https://me:pw@x.example/cb"}, ("callback_url", "refused_address")),
    ({"callback_url": "https://"}, ("callback_url", "refused_address")),
]


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3/cb", "http://app.internal/api/v1/scheduling/callback/"]
)
def test_the_operators_own_addresses_may_be_called_back(
    connection: SocialConnection, settings: Any, url: str
) -> None:
    settings.PRIVATE_HOSTS_ALLOWED = ["10.0.0.0/8"]
    settings.DJANGO_API_URL = "http://app.internal"
    post, _ = schedule(connection, callback_url=url)
    assert post.callback_url == url


@pytest.mark.parametrize(("fields", "error"), BAD)
def test_what_breaks_a_rule_is_refused_by_field_and_code(
    connection: SocialConnection, fields: dict[str, Any], error: tuple[str, str]
) -> None:
    with pytest.raises(Invalid) as refused:
        schedule(connection, **fields)
    assert codes(refused) == {error}
    assert all(each.message for each in refused.value.errors)
    assert not ScheduledPost.objects.exists()
    assert not AuditEvent.objects.exists()


def test_all_errors_come_at_once(connection: SocialConnection) -> None:
    with pytest.raises(Invalid) as refused:
        schedule(connection, time_zone="Mars", priority=99, segments=[])
    assert codes(refused) == {
        ("time_zone", "unknown_zone"),
        ("priority", "out_of_range"),
        ("segments", "required"),
    }


def test_a_moment_just_passed_is_within_the_late_limit(connection: SocialConnection) -> None:
    passed = timezone.now() - HOUR
    assert schedule(connection, scheduled_at=passed)[0].due_at == passed
    with pytest.raises(Invalid):
        schedule(connection, scheduled_at=passed, late_limit_minutes=30)
    connection.workspace.late_limit_minutes = 59
    with pytest.raises(Invalid):
        schedule(connection, scheduled_at=passed)
    schedule(connection, scheduled_at=passed, late_policy=LatePolicy.PUBLISH)
    schedule(connection, scheduled_at=passed, late_limit_minutes=90)  # the post's own comes first


def test_another_workspace_s_account_is_unknown(connection: SocialConnection) -> None:
    with pytest.raises(Invalid) as refused:
        schedule(connection, workspace=make_workspace())
    assert codes(refused) == {("connection", "unknown")}


def test_a_disconnected_account_takes_no_posts(connection: SocialConnection) -> None:
    connection.state = ConnectionState.REVOKED
    with pytest.raises(Invalid) as refused:
        schedule(connection)
    assert codes(refused) == {("connection", "revoked")}


def test_the_same_external_id_is_the_same_post(connection: SocialConnection) -> None:
    first, created = schedule(connection, external_id="ours-1")
    again, created_again = schedule(connection, external_id="ours-1")
    assert (created, created_again) == (True, False)
    assert again.pk == first.pk
    with pytest.raises(Invalid) as refused:
        schedule(connection, external_id="ours-1", segments=[{"text": "other"}])
    assert [(e.field, e.code) for e in refused.value.errors] == [
        ("external_id", "external_id_taken")
    ]
    assert schedule(make_connection(), external_id="ours-1")[1]
    assert schedule(connection)[1]
    assert schedule(connection, external_id="")[1]


def test_a_cancelled_post_frees_its_external_id(connection: SocialConnection) -> None:
    first, _ = schedule(connection, external_id="ours-1")
    services.cancel_post(first.pk, actor=ADA)
    second, created = schedule(connection, external_id="ours-1")
    assert created
    assert second.pk != first.pk


# --- a slot holds it: people win until the mark ---------------------------------------------------
def lease(post: ScheduledPost) -> None:
    ScheduledPost.objects.filter(pk=post.pk).update(
        lease_slot=1, lease_expires_at=timezone.now() + MINUTE, fencing_token=7
    )


ACTS: dict[str, Callable[[uuid.UUID], ScheduledPost]] = {
    "edit": lambda pk: services.edit_post(pk, actor=ADA, segments=[{"text": "new"}]),
    "cancel": lambda pk: services.cancel_post(pk, actor=ADA),
    "publish_now": lambda pk: services.publish_now(pk, actor=ADA),
}


@pytest.mark.parametrize("act", ACTS)
def test_every_act_takes_the_post_from_its_slot(connection: SocialConnection, act: str) -> None:
    post = make_post(connection, state=S.QUEUED, due_at=timezone.now() + HOUR)
    lease(post)
    post = ACTS[act](post.pk)
    post.refresh_from_db()
    assert (post.fencing_token, post.lease_slot, post.lease_expires_at) == (8, None, None)


ALLOWED = {
    "edit": EDITABLE,
    "cancel": CANCELLABLE | {S.FAILED, S.DEAD_LETTER},
    "requeue": REQUEUEABLE,
    "publish_now": {S.DRAFT, S.SCHEDULED, S.QUEUED, S.HELD},
    "resolve": {S.OUTCOME_UNKNOWN},
    "reconcile": {S.OUTCOME_UNKNOWN},
    "schedule_draft": {S.DRAFT},
}
ALL_ACTS: dict[str, Callable[[uuid.UUID], ScheduledPost]] = {
    **ACTS,
    "requeue": lambda pk: services.requeue_post(pk, actor=ADA),
    "resolve": lambda pk: services.resolve_outcome(pk, actor=ADA, live=True),
    "reconcile": lambda pk: services.reconcile_now(pk, actor=ADA),
    "schedule_draft": lambda pk: services.schedule_draft(
        pk, actor=ADA, scheduled_at=timezone.now() + HOUR
    ),
}


@pytest.mark.parametrize(
    ("act", "state"), [(act, s) for act, allowed in ALLOWED.items() for s in set(S) - set(allowed)]
)
def test_an_act_out_of_place_is_refused_and_changes_nothing(
    connection: SocialConnection, act: str, state: str
) -> None:
    post = in_state(connection, state)
    before = ScheduledPost.objects.values().get(pk=post.pk)
    with pytest.raises(IllegalTransition, match=r"\.$|not allowed"):
        ALL_ACTS[act](post.pk)
    assert ScheduledPost.objects.values().get(pk=post.pk) == before
    assert not PostTransition.objects.exists()
    assert not AuditEvent.objects.exists()


# --- edit ---------------------------------------------------------------------------------------
def test_an_edit_is_a_new_version_that_starts_from_nothing(connection: SocialConnection) -> None:
    post = make_post(
        connection,
        state=S.QUEUED,
        due_at=timezone.now() + MINUTE,
        progress={"media": {"0.0": "m1"}},
        progress_expires_at=timezone.now() + HOUR,
    )
    moment = timezone.now() + 2 * HOUR
    services.edit_post(
        post.pk, actor=ADA, segments=[{"text": "a"}, {"text": "b"}], scheduled_at=moment
    )
    post.refresh_from_db()
    assert (post.content_version, post.progress, post.progress_expires_at) == (2, {}, None)
    assert (post.state, post.due_at, post.scheduled_at) == (S.SCHEDULED, moment, moment)
    assert post.segments == [{"text": "a"}, {"text": "b"}]
    moved(post, S.QUEUED, S.SCHEDULED)
    assert audited(post, "post.edited").detail == {"fields": ["scheduled_at", "segments"]}


@pytest.mark.parametrize("state", [S.DRAFT, S.AWAITING_APPROVAL, S.BLOCKED])
def test_an_edit_leaves_a_post_where_somebody_else_decides(
    connection: SocialConnection, state: str
) -> None:
    post = services.edit_post(
        make_post(connection, state=state).pk, actor=ADA, segments=[{"text": "new"}]
    )
    assert (post.state, post.due_at, post.content_version) == (state, None, 2)


@pytest.mark.parametrize("state", [S.HELD, S.FAILED])
def test_an_edit_with_a_new_moment_sends_a_stopped_post_on(
    connection: SocialConnection, state: str
) -> None:
    post = make_post(connection, state=state, due_at=timezone.now() - 9 * HOUR)
    moment = timezone.now() + HOUR
    post = services.edit_post(post.pk, actor=ADA, scheduled_at=moment)
    assert (post.state, post.due_at) == (S.SCHEDULED, moment)


@pytest.mark.parametrize("state", [S.HELD, S.FAILED, S.QUEUED, S.SCHEDULED])
def test_an_edit_may_not_leave_the_moment_too_far_in_the_past(
    connection: SocialConnection, state: str
) -> None:
    post = make_post(connection, state=state, due_at=timezone.now() - 9 * HOUR)
    with pytest.raises(Invalid) as refused:
        services.edit_post(post.pk, actor=ADA, segments=[{"text": "new"}])
    assert codes(refused) == {("scheduled_at", "too_late")}


def test_an_edit_that_breaks_a_rule_changes_nothing(connection: SocialConnection) -> None:
    post = make_post(connection)
    before = ScheduledPost.objects.values().get(pk=post.pk)
    with pytest.raises(Invalid) as refused:
        services.edit_post(post.pk, actor=ADA, segments=[{"text": "x" * 501}])
    assert codes(refused) == {("segments[0].text", "text_too_long")}
    assert ScheduledPost.objects.values().get(pk=post.pk) == before


def test_a_partly_live_thread_cannot_be_edited(connection: SocialConnection) -> None:
    post = make_post(connection, progress={"published": ["1"]})
    with pytest.raises(IllegalTransition, match="live already"):
        services.edit_post(post.pk, actor=ADA, segments=[{"text": "new"}])


def test_an_edit_of_an_old_version_is_refused(connection: SocialConnection) -> None:
    post = make_post(connection, content_version=3)
    with pytest.raises(IllegalTransition, match=r"version 3, you edited version 2"):
        services.edit_post(post.pk, actor=ADA, expected_version=2, segments=[{"text": "new"}])
    assert (
        services.edit_post(post.pk, actor=ADA, expected_version=3, priority=1).content_version == 4
    )


def test_an_edit_replaces_the_files_only_if_it_names_them(connection: SocialConnection) -> None:
    post, _ = schedule(connection, attachments=[image(connection)])
    services.edit_post(post.pk, actor=ADA, priority=1)
    assert post.post_media.count() == 1
    other = image(connection, "dog.png")
    services.edit_post(post.pk, actor=ADA, attachments=[other])
    assert [row.asset_id for row in post.post_media.all()] == [other.asset.pk]
    post = services.edit_post(post.pk, actor=ADA, attachments=[])
    assert (post.media_count, post.needs_preparation) == (0, False)
    assert not post.post_media.exists()


# --- drafts -------------------------------------------------------------------------------------
def test_a_draft_gets_its_moment(connection: SocialConnection) -> None:
    post, _ = schedule(connection, as_draft=True)
    moment = timezone.now() + HOUR
    post = services.schedule_draft(post.pk, actor=ADA, scheduled_at=moment, priority=2)
    post.refresh_from_db()
    assert (post.state, post.due_at, post.priority) == (S.SCHEDULED, moment, 2)
    moved(post, S.DRAFT, S.SCHEDULED)
    audited(post, "post.scheduled")


def test_a_draft_that_breaks_a_rule_stays_one(connection: SocialConnection) -> None:
    post = make_post(connection, state=S.DRAFT)
    with pytest.raises(Invalid) as refused:
        services.schedule_draft(post.pk, actor=ADA, scheduled_at=timezone.now() - 9 * HOUR)
    assert codes(refused) == {("scheduled_at", "too_late")}
    SocialConnection.objects.update(state=ConnectionState.REVOKED)
    with pytest.raises(Invalid) as refused:
        services.schedule_draft(post.pk, actor=ADA, scheduled_at=timezone.now() + HOUR)
    assert codes(refused) == {("connection", "revoked")}
    post.refresh_from_db()
    assert post.state == S.DRAFT


# --- cancel -------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", sorted(ALLOWED["cancel"]))
def test_cancelling_ends_a_post(connection: SocialConnection, state: str) -> None:
    post = make_post(connection, state=state, callback_url="https://x.example/cb")
    post = services.cancel_post(post.pk, actor=ADA, reason="typo")
    post.refresh_from_db()
    assert (post.state, post.due_at) == (S.CANCELLED, None)
    assert moved(post, state, S.CANCELLED).reason == "typo"
    assert audited(post, "post.cancelled").reason == "typo"
    assert Notification.objects.get().event == "post.cancelled"


def test_a_second_cancel_says_so(connection: SocialConnection) -> None:
    post = make_post(connection, state=S.CANCELLED)
    with pytest.raises(IllegalTransition, match="it was cancelled before"):
        services.cancel_post(post.pk, actor=ADA)


# --- requeue ------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", sorted(REQUEUEABLE))
def test_a_requeue_is_a_new_run_with_its_history_kept(
    connection: SocialConnection, state: str
) -> None:
    post = make_post(
        connection,
        state=state,
        segments=[{"text": "one"}, {"text": "two"}],
        attempts=5,
        max_attempts=7,
        progress={"published": ["1"], "media": {"1.0": "m1"}},
        progress_expires_at=timezone.now(),
        last_category="server_error",
        last_error="no",
    )
    post = services.requeue_post(post.pk, actor=ADA, reason="the network is back")
    post.refresh_from_db()
    assert (post.state, post.publish_run, post.content_version) == (S.SCHEDULED, 2, 1)
    assert (post.attempts, post.max_attempts) == (5, 5 + settings.PUBLISHER_MAX_ATTEMPTS)
    assert post.progress == {"published": ["1"]}  # what is live is not published again
    assert post.progress_expires_at is None
    assert (post.last_category, post.last_error) == ("", "")
    assert (post.late_policy, post.late_waived) == (LatePolicy.HOLD, True)  # a person wants it now
    assert abs(post.due_at - timezone.now()) < 5 * SECOND
    moved(post, state, S.SCHEDULED)
    assert audited(post, "post.requeued").reason == "the network is back"


def test_a_requeue_before_its_moment_waits_for_it(connection: SocialConnection) -> None:
    moment = timezone.now() + HOUR
    post = make_post(connection, state=S.CANCELLED, due_at=moment)
    post = services.requeue_post(post.pk, actor=ADA)
    assert (post.due_at, post.late_waived) == (moment, False)  # nobody knows how late it will be


def test_a_cancelled_post_whose_external_id_was_given_away_cannot_come_back(
    connection: SocialConnection,
) -> None:
    old, _ = schedule(connection, external_id="ours-1")
    services.cancel_post(old.pk, actor=ADA)
    schedule(connection, external_id="ours-1")
    with pytest.raises(IllegalTransition, match="ours-1"):
        services.requeue_post(old.pk, actor=ADA)
    old.refresh_from_db()
    assert old.state == S.CANCELLED


# --- the late policy ------------------------------------------------------------------------------
@pytest.mark.parametrize(("own", "policy"), [({}, "publish"), ({"late_policy": "hold"}, "hold")])
def test_a_post_that_says_nothing_gets_its_workspace_s_late_policy(
    connection: SocialConnection, own: dict[str, str], policy: str
) -> None:
    connection.workspace.late_policy = LatePolicy.PUBLISH
    connection.workspace.save()
    post, _ = schedule(connection, **own)
    post.refresh_from_db()
    assert post.late_policy == policy


# --- publish now ----------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.DRAFT, S.HELD])
def test_publish_now_is_due_at_once(connection: SocialConnection, state: str) -> None:
    post = make_post(connection, state=state, due_at=timezone.now() + 5 * HOUR)
    post = services.publish_now(post.pk, actor=ADA)
    post.refresh_from_db()
    assert post.state == S.SCHEDULED
    assert abs(post.due_at - timezone.now()) < 5 * SECOND
    assert post.scheduled_at == post.due_at
    assert (post.late_policy, post.late_waived) == (LatePolicy.HOLD, True)
    audited(post, "post.published_now")


def test_an_overdue_post_published_now_is_still_late(connection: SocialConnection) -> None:
    moment = timezone.now() - 5 * HOUR
    post = services.publish_now(make_post(connection, state=S.HELD, due_at=moment).pk, actor=ADA)
    assert post.scheduled_at == moment
    assert post.due_at > moment


def test_a_draft_that_the_network_would_refuse_is_not_published_now(
    connection: SocialConnection,
) -> None:
    post = make_post(connection, state=S.DRAFT, text="x" * 501)
    with pytest.raises(Invalid) as refused:
        services.publish_now(post.pk, actor=ADA)
    assert codes(refused) == {("segments[0].text", "text_too_long")}


# --- unknown outcomes -----------------------------------------------------------------------------
SEEN = "http://127.0.0.1:8010/#sandbox-17"


def unknown(connection: SocialConnection, **fields: Any) -> ScheduledPost:
    return make_post(
        connection, state=S.OUTCOME_UNKNOWN, **{"sent_at": timezone.now() - HOUR, **fields}
    )


def test_seen_live_ends_as_published_at_the_moment_it_was_sent(
    connection: SocialConnection,
) -> None:
    post = unknown(connection, last_category="outcome_unknown", callback_url="https://x.example/cb")
    post = services.resolve_outcome(
        post.pk, actor=ADA, live=True, permalink=SEEN, reason="I see it"
    )
    post.refresh_from_db()
    assert (post.state, post.permalink, post.due_at) == (S.PUBLISHED, SEEN, None)
    assert (post.remote_ids, post.progress) == (["17"], {"published": ["17"]})
    assert (post.published_at, post.last_category) == (post.sent_at, "")
    moved(post, S.OUTCOME_UNKNOWN, S.PUBLISHED)
    assert audited(post, "post.resolved").detail == {"live": True, "part": 1, "parts": 1}
    assert Notification.objects.get().event == "post.published"


def test_seen_not_live_starts_a_new_run_at_once(connection: SocialConnection) -> None:
    post = services.resolve_outcome(unknown(connection).pk, actor=ADA, live=False)
    post.refresh_from_db()
    assert (post.state, post.publish_run) == (S.SCHEDULED, 2)
    assert abs(post.due_at - timezone.now()) < 5 * SECOND
    assert audited(post, "post.resolved").detail == {"live": False, "part": 1, "parts": 1}


def test_not_live_cannot_be_said_while_the_call_may_still_land(
    connection: SocialConnection,
) -> None:
    post = unknown(connection, sent_at=timezone.now() - OVER + 5 * SECOND)
    with pytest.raises(IllegalTransition, match="may still take effect until"):
        services.resolve_outcome(post.pk, actor=ADA, live=False)
    assert services.resolve_outcome(post.pk, actor=ADA, live=True).state == S.PUBLISHED


@pytest.mark.parametrize("act", ["resolve", "reconcile"])
def test_nobody_settles_what_a_slot_is_just_asking_about(
    connection: SocialConnection, act: str
) -> None:
    post = unknown(connection)
    lease(post)
    with pytest.raises(IllegalTransition, match="right now"):
        ALL_ACTS[act](post.pk)


def test_the_network_is_asked_at_once_but_not_before_the_call_has_landed(
    connection: SocialConnection,
) -> None:
    settled = services.reconcile_now(unknown(connection).pk, actor=ADA)
    assert abs(settled.due_at - timezone.now()) < 5 * SECOND
    sent = timezone.now()
    early = services.reconcile_now(unknown(connection, sent_at=sent).pk, actor=ADA)
    assert early.due_at == sent + OVER
    assert early.state == S.OUTCOME_UNKNOWN
    assert not PostTransition.objects.exists()
    audited(early, "post.reconcile_asked")


# --- the rest -----------------------------------------------------------------------------------
def test_posts_written_together_share_a_group(connection: SocialConnection) -> None:
    group = services.new_group(connection.workspace, None)
    post, _ = schedule(connection, group=group)
    assert post.group == group
    assert list(group.scheduledpost_set.all()) == [post]


def test_the_late_limit_is_the_post_s_then_the_workspace_s_then_the_setting() -> None:
    workspace = make_workspace(late_limit_minutes=0)
    post = ScheduledPost(late_limit_minutes=5)
    assert late_limit_of(post, workspace) == 5 * MINUTE
    post.late_limit_minutes = None
    assert late_limit_of(post, workspace) == timedelta()
    workspace.late_limit_minutes = None
    assert late_limit_of(post, workspace) == settings.LATE_LIMIT
