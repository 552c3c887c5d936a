"""Staff decide on posts that await approval, from the list and from the post's page."""

from __future__ import annotations

from django.test import Client

from accounts.models import ApprovalRule, AuditEvent, User
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.admin.console import POSTS
from tests.admin.test_post_actions import act, state_of
from tests.factories import make_post

S = PostState


def buttons(client: Client, post: ScheduledPost) -> set[str]:
    answer = client.get(f"{POSTS}{post.pk}/change/")
    return {button["name"] for button in answer.context["console_buttons"]}


def test_the_list_is_narrowed_to_what_awaits_approval(
    staff: Client, connection: SocialConnection
) -> None:
    make_post(connection, state=S.AWAITING_APPROVAL, text="read me first")
    make_post(connection, text="off it goes")
    page = staff.get(f"{POSTS}?state__exact=awaiting_approval").content.decode()
    assert "read me first" in page
    assert "off it goes" not in page


def test_the_page_offers_to_decide_and_later_to_take_it_back(
    staff: Client, connection: SocialConnection
) -> None:
    waiting = make_post(connection, state=S.AWAITING_APPROVAL)
    assert buttons(staff, waiting) == {"approve", "reject", "cancel"}
    assert "withdraw_approval" in buttons(staff, make_post(connection, approved_version=1))


def test_several_are_approved_at_once(staff: Client, connection: SocialConnection) -> None:
    posts = [make_post(connection, state=S.AWAITING_APPROVAL) for _ in range(2)]
    assert act(staff, "approve", posts) == "2 approved."
    assert {state_of(post) for post in posts} == {S.SCHEDULED}
    assert AuditEvent.objects.filter(action="post.approved").count() == 2


def test_a_rejection_needs_its_reason(staff: Client, connection: SocialConnection) -> None:
    post = make_post(connection, state=S.AWAITING_APPROVAL)
    act(staff, "reject", [post])
    assert state_of(post) == S.AWAITING_APPROVAL
    assert act(staff, "reject", [post], reason="Too loud.") == "1 sent back as drafts."
    assert state_of(post) == S.DRAFT


def test_staff_do_not_approve_what_they_wrote(staff: Client, connection: SocialConnection) -> None:
    connection.workspace.approval_rule = ApprovalRule.EDITORS
    connection.workspace.save()
    staff_name = staff.session["_auth_user_id"]
    actor = f"user:{User.objects.get(pk=staff_name).username}"
    post = make_post(connection, state=S.AWAITING_APPROVAL, authors=[actor])
    assert "somebody else must approve it" in act(staff, "approve", [post])
    assert state_of(post) == S.AWAITING_APPROVAL


def test_what_was_read_is_approved_and_nothing_newer(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.AWAITING_APPROVAL)
    page = staff.get(f"{POSTS}{post.pk}/change/")
    address = {one["name"]: one["url"] for one in page.context["console_buttons"]}["approve"]
    ScheduledPost.objects.filter(pk=post.pk).update(content_version=2)
    shown = staff.get(address).context["shown"]
    assert shown == "1"
    assert "changed meanwhile" in act(staff, "approve", [post], shown=shown)
    assert state_of(post) == S.AWAITING_APPROVAL
    shown = staff.get(f"{POSTS}act/approve/?ids={post.pk}").context["shown"]
    assert act(staff, "approve", [post], shown=shown) == "1 approved."


def test_a_form_that_does_not_fit_its_rows_is_refused(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.AWAITING_APPROVAL)
    for shown in ("1,2", "x"):
        data = {"ids": str(post.pk), "shown": shown, "reason": ""}
        assert staff.post(f"{POSTS}act/approve/", data).status_code == 404
    assert state_of(post) == S.AWAITING_APPROVAL
