"""Acting on all that match: from the filter to the count, the confirmation and the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.staff_roles import group_name
from engine import admin_actions
from platforms.models import SocialConnection
from scheduling import bulk_work
from scheduling.models import BulkJob, ScheduledPost
from scheduling.states import PostState
from tests.admin.console import POSTS, client_of
from tests.factories import make_connection, make_post, make_user

S = PostState
BULK = f"{POSTS}bulk/"


def of_role(role: str) -> Client:
    user = make_user(username=f"a-{role}", is_staff=True)
    user.groups.add(Group.objects.get(name=group_name(role)))
    return client_of(user)


def propose(client: Client, action: str, **narrowed: str) -> Any:
    """Propose a job and return its page."""
    return client.post(f"{BULK}?{urlencode(narrowed)}", {"action": action}, follow=True)


def confirm(client: Client, job: BulkJob, **answers: Any) -> Any:
    address = f"/admin/scheduling/bulkjob/{job.pk}/confirm/"
    return client.post(address, {"reason": "network is back", **answers}, follow=True)


def test_all_auth_failures_of_an_account_since_nine_are_requeued(
    staff: Client, connection: SocialConnection
) -> None:
    nine = timezone.now().replace(hour=9, minute=0, second=0, microsecond=0)
    failed = {"state": S.FAILED, "last_category": "auth_error"}
    wanted = [make_post(connection, due_at=nine, **failed) for _ in range(3)]
    make_post(connection, due_at=nine - timedelta(seconds=1), **failed)
    make_post(connection, due_at=nine, state=S.FAILED, last_category="validation_error")
    make_post(make_connection(), due_at=nine, **failed)
    narrowed = {
        "category": "auth_error",
        "account": str(connection.pk),
        "since": f"{nine:%Y-%m-%dT%H:%M}",
    }
    start = staff.get(f"{BULK}?{urlencode(narrowed)}").content.decode()
    assert "matches <b>3</b> posts at this moment" in start
    page = propose(staff, "requeue", **narrowed)
    text = page.content.decode()
    job = BulkJob.objects.get()
    assert "Nothing has happened yet." in text
    assert 'value="Requeue 3 posts"' in text
    assert "hello" in text  # an example
    assert ScheduledPost.objects.filter(state=S.FAILED).count() == 6
    said = confirm(staff, job).content.decode()
    assert "waiting" in said
    assert 'hx-trigger="every 2s' in said
    bulk_work.run(job.pk)
    done = staff.get(f"/admin/scheduling/bulkjob/{job.pk}/change/").content.decode()
    assert "hx-trigger" not in done
    assert "<b>3</b> requeued" in done
    scheduled = ScheduledPost.objects.filter(state=S.SCHEDULED)
    assert set(scheduled.values_list("pk", flat=True)) == {post.pk for post in wanted}


def test_the_page_says_what_will_be_refused_and_why(
    staff: Client, connection: SocialConnection
) -> None:
    make_post(connection, state=S.FAILED)
    make_post(connection, state=S.PUBLISHED)
    text = propose(staff, "requeue", account=str(connection.pk)).content.decode()
    assert "<b>1</b> refused: already published" in text
    assert "<b>1</b> will be done" in text


def test_doubtful_posts_are_warned_of_and_asked_about(
    staff: Client, connection: SocialConnection
) -> None:
    make_post(connection, state=S.OUTCOME_UNKNOWN)
    text = propose(staff, "requeue", account=str(connection.pk)).content.decode()
    assert "its followers see it twice" in text
    assert 'name="in_doubt"' in text
    other = propose(staff, "cancel", account=str(connection.pk)).content.decode()
    assert 'name="in_doubt"' not in other


def test_a_reason_is_wanted(staff: Client, connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    propose(staff, "requeue", account=str(connection.pk))
    job = BulkJob.objects.get()
    assert "This field is required" in confirm(staff, job, reason="").content.decode()
    job.refresh_from_db()
    assert job.state == "proposed"


@pytest.mark.parametrize(
    "query",
    [
        "since=nonsense",
        "until=2026-99-99",
        "account=nobody-at-all",
        "account=",
        "account=%20",
        "account=%00",
        "category=%00",
        "lateness=whatever",
        "state__exact=",
        "p=0",
        "q=",
    ],
)
def test_a_filter_that_means_nothing_never_means_everything(
    staff: Client, connection: SocialConnection, query: str
) -> None:
    make_post(connection, state=S.FAILED)
    staff.post(f"{BULK}?{query}", {"action": "cancel"})
    assert not BulkJob.objects.exists()


def test_without_a_filter_nothing_is_proposed(staff: Client, connection: SocialConnection) -> None:
    make_post(connection)
    answer = propose(staff, "cancel")
    assert "Narrow the list first" in answer.content.decode()
    assert not BulkJob.objects.exists()


def test_a_selection_too_large_for_one_page_becomes_a_job(
    staff: Client, connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_actions, "MOST", 2)
    posts = [make_post(connection, state=S.FAILED) for _ in range(3)]
    chosen = {"action": "requeue", "select_across": "1", "_selected_action": [posts[0].pk]}
    page = staff.post(f"{POSTS}?state__exact=failed", chosen, follow=True)
    assert 'value="Requeue 3 posts"' in page.content.decode()
    assert BulkJob.objects.get().filter == {"state__exact": "failed"}
    chosen["action"] = "resolve_not_live"
    refused = staff.post(f"{POSTS}?state__exact=failed", chosen, follow=True)
    assert "choose page by page" in refused.content.decode()


def test_stopping_is_one_click(staff: Client, connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    propose(staff, "requeue", account=str(connection.pk))
    job = BulkJob.objects.get()
    assert 'value="Stop here"' in confirm(staff, job).content.decode()
    page = staff.post(f"/admin/scheduling/bulkjob/{job.pk}/stop/", follow=True).content.decode()
    assert "Stopped" in page
    assert "by boss" in page


def test_a_viewer_watches_and_starts_nothing(staff: Client, connection: SocialConnection) -> None:
    make_post(connection, state=S.FAILED)
    propose(staff, "requeue", account=str(connection.pk))
    job = BulkJob.objects.get()
    viewer = of_role("viewer")
    assert "that match …" not in viewer.get(f"{POSTS}?state__exact=failed").content.decode()
    assert viewer.get(f"{BULK}?state__exact=failed").status_code == 403
    assert viewer.post(f"{BULK}?state__exact=failed", {"action": "cancel"}).status_code == 403
    page = viewer.get(f"/admin/scheduling/bulkjob/{job.pk}/change/")
    assert page.status_code == 200
    assert 'type="submit" value="Requeue' not in page.content.decode()
    for way in ("confirm", "stop"):
        address = f"/admin/scheduling/bulkjob/{job.pk}/{way}/"
        assert viewer.post(address, {"reason": "x"}).status_code == 403
    operator = of_role("operator")
    assert "Only the person who proposed it" in confirm(operator, job).content.decode()
    assert BulkJob.objects.get().state == "proposed"
