"""Actions on posts: asked first, done one by one, reported with the reasons of every refusal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from platforms.models import SocialConnection
from scheduling.models import PostTransition, ScheduledPost
from scheduling.states import PostState
from tests.admin.console import POSTS
from tests.factories import make_post

S = PostState


def act(client: Client, name: str, posts: Sequence[ScheduledPost], **answers: Any) -> str:
    """Confirm an action on `posts` and return what the next page says."""
    form = {"ids": ",".join(str(post.pk) for post in posts), **answers}
    answer = client.post(f"{POSTS}act/{name}/", form, follow=True)
    messages = answer.context.get("messages") or []
    return " ".join(str(message) for message in messages)


def state_of(post: ScheduledPost) -> str:
    post.refresh_from_db()
    return str(post.state)


def test_the_list_action_asks_before_it_does_anything(
    staff: Client, connection: SocialConnection
) -> None:
    waiting = make_post(connection, text="wait for me")
    done = make_post(connection, state=S.PUBLISHED, text="already out")
    page = staff.post(POSTS, {"action": "cancel", "_selected_action": [waiting.pk, done.pk]})
    text = page.content.decode()
    assert "This will be done to <b>1</b> scheduled post" in text
    assert "<b>1</b> will be refused: already published" in text
    assert "wait for me" in text
    assert state_of(waiting) == S.SCHEDULED
    assert not AuditEvent.objects.exists()


def test_a_mixed_selection_reports_done_and_refused_by_reason(
    staff: Client, connection: SocialConnection
) -> None:
    failed = [make_post(connection, state=S.FAILED) for _ in range(4)]
    live = [make_post(connection, state=S.PUBLISHED) for _ in range(3)]
    said = act(staff, "requeue", failed + live)
    assert said == "4 requeued, 3 refused: already published."
    assert {state_of(post) for post in failed} == {S.SCHEDULED}
    assert {state_of(post) for post in live} == {S.PUBLISHED}


def test_two_reasons_are_counted_apart(staff: Client, connection: SocialConnection) -> None:
    posts = [
        make_post(connection, state=S.PUBLISHED),
        make_post(connection, state=S.PUBLISHED),
        make_post(connection, state=S.PROCESSING),
    ]
    said = act(staff, "cancel", posts)
    assert said == ("0 cancelled, 3 refused: 2 already published; 1 the network is working on it.")


def test_the_audit_log_and_the_transition_name_the_person_and_the_reason(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection)
    act(staff, "cancel", [post], reason="wrong picture")
    event = AuditEvent.objects.get(action="post.cancelled")
    assert (event.actor, event.reason, event.target) == (
        "user:boss",
        "wrong picture",
        f"post:{post.pk}",
    )
    move = PostTransition.objects.get(post=post)
    assert (move.actor, move.target, move.reason) == ("user:boss", S.CANCELLED, "wrong picture")


def test_publish_now_makes_a_held_post_due(staff: Client, connection: SocialConnection) -> None:
    post = make_post(connection, state=S.HELD)
    before = timezone.now()
    act(staff, "publish_now", [post])
    assert state_of(post) == S.SCHEDULED
    assert post.due_at is not None
    assert before <= post.due_at <= timezone.now()


def test_select_all_matching_takes_what_the_filter_shows(
    staff: Client, connection: SocialConnection
) -> None:
    failed = [make_post(connection, state=S.FAILED) for _ in range(60)]
    other = make_post(connection, state=S.DEAD_LETTER)
    chosen = {"action": "requeue", "select_across": "1", "_selected_action": [failed[0].pk]}
    page = staff.post(f"{POSTS}?state__exact=failed", chosen)
    ids = page.context["ids"].split(",")
    assert len(ids) == 60
    assert page.context["back"] == f"{POSTS}?state__exact=failed"
    said = act(staff, "requeue", failed, back=page.context["back"])
    assert said == "60 requeued."
    assert state_of(other) == S.DEAD_LETTER


def test_requeue_of_an_unknown_outcome_is_refused(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.OUTCOME_UNKNOWN)
    assert "outcome unknown, resolve it first" in act(staff, "requeue", [post])
    assert state_of(post) == S.OUTCOME_UNKNOWN


def test_it_is_live_ends_the_post_at_its_address(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.OUTCOME_UNKNOWN)
    act(staff, "resolve_live", [post], permalink="http://127.0.0.1:8010/#sandbox-17", reason="seen")
    assert state_of(post) == S.PUBLISHED
    assert post.permalink == "http://127.0.0.1:8010/#sandbox-17"


def test_it_is_not_live_warns_of_a_double_post_and_wants_a_look_first(
    staff: Client, connection: SocialConnection
) -> None:
    sent_at = timezone.now() - timedelta(minutes=5)
    post = make_post(connection, state=S.OUTCOME_UNKNOWN, sent_at=sent_at)
    query = urlencode({"ids": post.pk})
    asked = staff.get(f"{POSTS}act/resolve_not_live/?{query}").content.decode()
    assert "will see it twice" in asked
    refused = staff.post(f"{POSTS}act/resolve_not_live/", {"ids": str(post.pk)})
    assert "Look at the account first" in refused.content.decode()
    assert state_of(post) == S.OUTCOME_UNKNOWN
    act(staff, "resolve_not_live", [post], looked="on")
    assert state_of(post) == S.SCHEDULED


def test_reconcile_now_waits_until_a_hung_call_cannot_land_any_more(
    staff: Client, connection: SocialConnection
) -> None:
    now = timezone.now()
    safe_after = settings.PUBLISH_LEASE + settings.RECONCILE_GRACE
    later = now + timedelta(hours=1)
    old = make_post(connection, state=S.OUTCOME_UNKNOWN, due_at=later, sent_at=now - safe_after)
    new = make_post(connection, state=S.OUTCOME_UNKNOWN, due_at=later, sent_at=now)
    act(staff, "reconcile_now", [old, new])
    assert state_of(old) == state_of(new) == S.OUTCOME_UNKNOWN
    assert old.due_at is not None
    assert old.due_at <= timezone.now()
    assert new.due_at == now + safe_after


def test_reconcile_now_leaves_a_post_alone_that_a_slot_is_asking_about(
    staff: Client, connection: SocialConnection
) -> None:
    lease = {"lease_slot": 1, "lease_expires_at": timezone.now() + timedelta(seconds=30)}
    post = make_post(connection, state=S.OUTCOME_UNKNOWN, **lease)
    said = act(staff, "reconcile_now", [post])
    assert "asking the network about this post right now" in said
    post.refresh_from_db()
    assert post.lease_slot == 1


def test_a_viewer_sees_no_actions_and_may_do_none(
    viewer: Client, connection: SocialConnection
) -> None:
    post = make_post(connection)
    page = viewer.get(f"{POSTS}{post.pk}/change/")
    assert page.status_code == 200
    assert page.context["console_buttons"] == []
    assert viewer.get(f"{POSTS}act/cancel/?ids={post.pk}").status_code == 403
    assert viewer.post(f"{POSTS}act/cancel/", {"ids": str(post.pk)}).status_code == 403
    assert state_of(post) == S.SCHEDULED


def test_nobody_deletes_posts(staff: Client, connection: SocialConnection) -> None:
    post = make_post(connection)
    assert staff.post(f"{POSTS}{post.pk}/delete/", {"post": "yes"}).status_code == 403
    page = staff.get(POSTS).content.decode()
    assert "delete_selected" not in page
    assert ScheduledPost.objects.filter(pk=post.pk).exists()


@pytest.mark.parametrize("ids", ["", "nonsense", "1,2"])
def test_ids_that_are_none_are_not_found(staff: Client, ids: str) -> None:
    assert staff.get(f"{POSTS}act/cancel/?ids={ids}").status_code == 404


def test_an_action_that_does_not_exist_is_not_found(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection)
    assert staff.get(f"{POSTS}act/delete/?ids={post.pk}").status_code == 404


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:x"])
def test_the_way_back_stays_on_our_pages(
    staff: Client, connection: SocialConnection, back: str
) -> None:
    post = make_post(connection)
    form = {"ids": str(post.pk), "back": back}
    answer = staff.post(f"{POSTS}act/cancel/", form)
    assert answer["Location"] == f"{POSTS}{post.pk}/change/"


def test_requeue_of_a_doubt_asks_in_plain_words_and_links_the_account(
    staff: Client, connection: SocialConnection
) -> None:
    sent_at = timezone.now() - timedelta(minutes=5)
    post = make_post(
        connection,
        state=S.OUTCOME_UNKNOWN,
        sent_at=sent_at,
        segments=[{"text": "one"}, {"text": "two"}],
        progress={"published": ["16"]},
    )
    page = staff.get(f"{POSTS}act/requeue_in_doubt/?{urlencode({'ids': post.pk})}").content.decode()
    assert "will see it twice" in page
    assert "part 2 of 2" in page
    assert f'href="http://127.0.0.1:8010/?account={connection.username}"' in page
    unsure = staff.post(f"{POSTS}act/requeue_in_doubt/", {"ids": str(post.pk)})
    assert "Look at the account first" in unsure.content.decode()
    assert state_of(post) == S.OUTCOME_UNKNOWN
    assert act(staff, "requeue_in_doubt", [post], looked="on", reason="gone") == "1 requeued."
    assert state_of(post) == S.SCHEDULED
    assert post.progress == {"published": ["16"]}
    event = AuditEvent.objects.get(action="post.requeued")
    assert (event.reason, event.detail) == ("gone", {"confirmed_not_live": True})


def test_requeue_of_a_doubt_waits_until_the_call_cannot_land(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.OUTCOME_UNKNOWN, sent_at=timezone.now())
    said = act(staff, "requeue_in_doubt", [post], looked="on")
    assert "may still take effect until" in said
    assert state_of(post) == S.OUTCOME_UNKNOWN


def test_a_wrong_address_is_refused_with_what_one_looks_like(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.OUTCOME_UNKNOWN)
    said = act(staff, "resolve_live", [post], permalink="https://x.example/1")
    assert "One looks like http://127.0.0.1:8010/#sandbox-4711" in said
    assert state_of(post) == S.OUTCOME_UNKNOWN
