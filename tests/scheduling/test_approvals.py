"""In a workspace with an approval rule nothing goes out that nobody else has read."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import ApprovalRule, AuditEvent, Role, User, Workspace
from engine.states import IllegalTransition
from notifications.models import Delivery
from platforms.models import ConnectionState, SocialConnection
from scheduling import approvals, services
from scheduling.approval_rule import ApprovalNeeded, OwnPost
from scheduling.bulk import insert_posts
from scheduling.models import PostTransition, ScheduledPost
from scheduling.rules import Invalid
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user, make_workspace
from tests.scheduling.desk import Desk

pytestmark = pytest.mark.django_db

S = PostState
HOUR = timedelta(hours=1)


@pytest.fixture
def strict() -> Workspace:
    return make_workspace(approval_rule=ApprovalRule.EDITORS)


@pytest.fixture
def account(strict: Workspace) -> SocialConnection:
    return make_connection(strict)


def member(workspace: Workspace, role: str, **fields: str) -> tuple[User, str]:
    user = make_user(workspace, role=role, **fields)
    return user, f"user:{user.username}"


def written(account: SocialConnection, actor: str, **fields: object) -> ScheduledPost:
    post, _ = services.schedule_post(
        **{
            "workspace": account.workspace,
            "connection": account,
            "segments": [{"text": "hello"}],
            "scheduled_at": timezone.now() + HOUR,
            "actor": actor,
            **fields,
        }  # type: ignore[arg-type]
    )
    return post


def told() -> list[tuple[str, str]]:
    return sorted(Delivery.objects.values_list("notification__event", "target"))


def test_without_a_rule_nobody_is_asked_and_nothing_is_noted(connection: SocialConnection) -> None:
    post = written(connection, "key:crl_1")
    assert (post.state, post.approved_version, post.authors) == (S.SCHEDULED, None, ["key:crl_1"])


@pytest.mark.parametrize(
    ("rule", "role", "state"),
    [
        (ApprovalRule.EDITORS, Role.EDITOR, S.AWAITING_APPROVAL),
        (ApprovalRule.EDITORS, Role.OWNER, S.SCHEDULED),
        (ApprovalRule.EVERYBODY, Role.OWNER, S.AWAITING_APPROVAL),
        (ApprovalRule.NOBODY, Role.EDITOR, S.SCHEDULED),
    ],
)
def test_the_rule_and_the_role_say_whose_posts_wait(rule: str, role: str, state: str) -> None:
    account = make_connection(make_workspace(approval_rule=rule))
    post = written(account, member(account.workspace, role)[1])
    assert post.state == state
    assert (post.due_at is None) == (state == S.AWAITING_APPROVAL)


def test_keys_and_names_that_are_no_members_wait(account: SocialConnection) -> None:
    owner, _ = member(account.workspace, Role.OWNER)
    for actor in ("key:crl_1", "series", "", f"key:{owner.username}", "user:nobody"):
        assert written(account, actor).state == S.AWAITING_APPROVAL


def test_rows_written_in_bulk_wait_as_well(account: SocialConnection) -> None:
    post = services.build_post(
        workspace=account.workspace,
        connection=account,
        segments=[{"text": "x"}],
        scheduled_at=timezone.now() + HOUR,
    )
    insert_posts([post])
    assert ScheduledPost.objects.get().state == S.AWAITING_APPROVAL


def test_a_post_that_waits_must_have_a_moment_that_could_be_kept(account: SocialConnection) -> None:
    with pytest.raises(Invalid, match="passed"):
        written(account, "key:crl_1", scheduled_at=timezone.now() - 24 * HOUR)


def test_approval_lets_it_go_out_and_says_so_everywhere(account: SocialConnection) -> None:
    author, ada = member(account.workspace, Role.EDITOR, email="ada@example.org")
    _, bob = member(account.workspace, Role.APPROVER, email="bob@example.org")
    post = written(account, ada, created_by=author, callback_url="https://c.example/hook")
    assert told() == [
        ("post.approval_requested", "bob@example.org"),
        ("post.approval_requested", "https://c.example/hook"),
    ]
    token = post.fencing_token
    post = approvals.approve_post(post.pk, actor=bob, content_version=1)
    assert (post.state, post.due_at, post.fencing_token) == (
        S.SCHEDULED,
        post.scheduled_at,
        token + 1,
    )
    assert (post.approved_by, post.approved_version) == (bob, 1)
    assert PostTransition.objects.get().source == S.AWAITING_APPROVAL
    assert AuditEvent.objects.filter(actor=bob, action="post.approved").exists()
    assert set(told()) >= {
        ("post.approval_decided", "ada@example.org"),
        ("post.approval_decided", "https://c.example/hook"),
        ("post.scheduled", "https://c.example/hook"),
    }


def test_owners_are_asked_where_there_is_no_approver_but_never_about_their_own() -> None:
    account = make_connection(make_workspace(approval_rule=ApprovalRule.EVERYBODY))
    _, ada = member(account.workspace, Role.OWNER, email="ada@example.org")
    member(account.workspace, Role.OWNER, email="bob@example.org")
    member(account.workspace, Role.EDITOR, email="eve@example.org")
    written(account, ada)
    assert told() == [("post.approval_requested", "bob@example.org")]


def test_nobody_approves_what_they_wrote_or_edited(account: SocialConnection) -> None:
    author, ada = member(account.workspace, Role.EDITOR)
    _, bob = member(account.workspace, Role.EDITOR)
    post = written(account, ada)
    services.edit_post(post.pk, actor=bob, segments=[{"text": "better"}])
    for actor in (ada, bob):
        with pytest.raises(OwnPost):
            approvals.approve_post(post.pk, actor=actor)
    by_row = make_post(account, state=S.AWAITING_APPROVAL, created_by=author)
    with pytest.raises(OwnPost):
        approvals.approve_post(by_row.pk, actor=ada)


def test_who_needs_no_approval_may_let_go_what_they_edited(account: SocialConnection) -> None:
    _, owner = member(account.workspace, Role.OWNER)
    post = written(account, "key:crl_1")
    services.edit_post(post.pk, actor=owner, segments=[{"text": "better"}])
    assert approvals.approve_post(post.pk, actor=owner).state == S.SCHEDULED


def test_only_the_version_that_was_read_is_approved(account: SocialConnection) -> None:
    post = written(account, "key:crl_1")
    services.edit_post(post.pk, actor="key:crl_1", segments=[{"text": "worse"}])
    with pytest.raises(IllegalTransition, match="version 2, you read version 1"):
        approvals.approve_post(post.pk, actor="user:bob", content_version=1)
    with pytest.raises(IllegalTransition, match="read it again"):
        approvals.reject_post(post.pk, actor="user:bob", reason="no", content_version=1)


def test_a_post_whose_account_is_gone_cannot_be_approved(account: SocialConnection) -> None:
    post = written(account, "key:crl_1")
    SocialConnection.objects.update(state=ConnectionState.REVOKED)
    with pytest.raises(Invalid, match="connect it again"):
        approvals.approve_post(post.pk, actor="user:bob")


def test_a_rejected_post_is_a_draft_that_can_be_submitted_again(account: SocialConnection) -> None:
    author, ada = member(account.workspace, Role.EDITOR, email="ada@example.org")
    post = written(account, ada, created_by=author)
    post = approvals.reject_post(post.pk, actor="user:bob", reason="Too loud.")
    assert (post.state, post.due_at) == (S.DRAFT, None)
    assert AuditEvent.objects.get(action="post.rejected").reason == "Too loud."
    assert ("post.approval_decided", "ada@example.org") in told()
    moment = timezone.now() + 2 * HOUR
    post = approvals.submit_post(post.pk, actor=ada, scheduled_at=moment)
    assert (post.state, post.scheduled_at) == (S.AWAITING_APPROVAL, moment)
    approvals.reject_post(post.pk, actor="user:bob", reason="Still too loud.")
    assert told().count(("post.approval_decided", "ada@example.org")) == 2


def test_a_draft_is_judged_when_it_is_submitted(connection: SocialConnection) -> None:
    stale = make_post(connection, state=S.DRAFT, due_at=timezone.now() - 24 * HOUR)
    with pytest.raises(Invalid, match="passed"):
        approvals.submit_post(stale.pk, actor="user:ada")
    stale.refresh_from_db()
    assert stale.state == S.DRAFT


def test_where_no_rule_asks_a_draft_may_be_submitted_all_the_same(
    connection: SocialConnection,
) -> None:
    post = make_post(connection, state=S.DRAFT, due_at=timezone.now() + HOUR)
    assert approvals.submit_post(post.pk, actor="user:ada").state == S.AWAITING_APPROVAL


@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.HELD, S.BLOCKED, S.FAILED])
def test_an_edit_after_approval_asks_anew(account: SocialConnection, state: str) -> None:
    post = make_post(
        account, state=state, due_at=timezone.now() + HOUR, approved_version=1, approved_by="user:b"
    )
    edited = services.edit_post(post.pk, actor="key:crl_1", segments=[{"text": "other"}])
    assert (edited.state, edited.due_at) == (S.AWAITING_APPROVAL, None)
    assert (edited.approved_version, edited.approved_by) == (None, "")


def test_an_owners_edit_is_its_own_approval(account: SocialConnection) -> None:
    _, owner = member(account.workspace, Role.OWNER)
    post = make_post(account, due_at=timezone.now() + HOUR, approved_version=1)
    edited = services.edit_post(post.pk, actor=owner, segments=[{"text": "other"}])
    assert (edited.state, edited.approved_version, edited.approved_by) == (S.SCHEDULED, 2, owner)


def test_a_draft_cannot_be_published_around_the_rule(account: SocialConnection) -> None:
    post = make_post(account, state=S.DRAFT)
    with pytest.raises(ApprovalNeeded, match="submit it"):
        services.publish_now(post.pk, actor="key:crl_1")
    waiting = services.schedule_draft(
        post.pk, actor="key:crl_1", scheduled_at=timezone.now() + HOUR
    )
    assert waiting.state == S.AWAITING_APPROVAL
    with pytest.raises(IllegalTransition):
        services.publish_now(post.pk, actor="key:crl_1")


def test_a_cancelled_post_that_nobody_approved_comes_back_to_wait(
    account: SocialConnection,
) -> None:
    post = written(account, "key:crl_1")
    services.cancel_post(post.pk, actor="key:crl_1")
    assert services.requeue_post(post.pk, actor="key:crl_1").state == S.AWAITING_APPROVAL
    approvals.approve_post(post.pk, actor="user:bob")
    services.cancel_post(post.pk, actor="key:crl_1")
    assert services.requeue_post(post.pk, actor="key:crl_1").state == S.SCHEDULED


@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.HELD, S.BLOCKED])
def test_an_approval_can_be_taken_back_until_it_is_sent(
    account: SocialConnection, state: str
) -> None:
    post = make_post(account, state=state, approved_version=1, progress={"media": {"0.0": "m1"}})
    back = approvals.withdraw_approval(post.pk, actor="user:bob", reason="wait")
    assert (back.state, back.due_at, back.approved_version) == (S.AWAITING_APPROVAL, None, None)
    assert back.fencing_token == post.fencing_token + 1
    assert back.progress == {"media": {"0.0": "m1"}}


@pytest.mark.parametrize("late", [timedelta(minutes=10), timedelta(days=1)])
def test_a_post_approved_after_its_moment_is_judged_by_its_late_policy(
    desk: Desk, late: timedelta
) -> None:
    account = desk.account()
    Workspace.objects.filter(pk=account.workspace_id).update(approval_rule=ApprovalRule.EDITORS)
    post = make_post(account, state=S.AWAITING_APPROVAL, due_at=timezone.now() - late)
    approvals.approve_post(post.pk, actor="user:bob")
    (job,) = desk.claim()
    if late > HOUR:
        desk.record(desk.call(job))
        post.refresh_from_db()
        assert post.state == S.HELD
    else:
        assert desk.call(job) is None
        assert desk.mark(job)


ACTS: dict[str, Callable[[uuid.UUID], ScheduledPost]] = {
    "submit": lambda pk: approvals.submit_post(pk, actor="user:bob"),
    "approve": lambda pk: approvals.approve_post(pk, actor="user:bob"),
    "reject": lambda pk: approvals.reject_post(pk, actor="user:bob", reason="no"),
    "withdraw": lambda pk: approvals.withdraw_approval(pk, actor="user:bob"),
}


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize("state", [S.PUBLISHED, S.CANCELLED, S.FAILED, S.DEAD_LETTER])
def test_what_is_over_is_not_approved_any_more(
    connection: SocialConnection, act: str, state: str
) -> None:
    post = make_post(connection, state=state)
    with pytest.raises(IllegalTransition):
        ACTS[act](post.pk)
    assert not PostTransition.objects.exists()
    assert not AuditEvent.objects.exists()
