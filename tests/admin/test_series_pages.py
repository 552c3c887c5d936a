"""Series and queues in the console: what staff see of them, and how they stop them."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AuditEvent, Workspace
from platforms.models import SocialConnection
from scheduling.models import PostSeries, ScheduledPost
from scheduling.queue_slots import services as queue_slots
from scheduling.series import editing, services
from scheduling.states import PostState
from tests.factories import make_connection
from tests.scheduling.series_stage import ADA, at, posts_of, start

SERIES = "/admin/scheduling/postseries/"
QUEUES = "/admin/scheduling/postqueue/"


def test_the_list_shows_what_recurs_and_when_next(
    staff: Client, connection: SocialConnection
) -> None:
    start(connection, name="tips")
    start(connection, segments=[{"text": "no name <b>"}])
    page = staff.get(SERIES).content.decode()
    assert "tips" in page
    assert "no name &lt;b&gt;" in page
    assert "FREQ=DAILY" in page
    assert connection.username in page


def test_the_list_asks_no_query_per_row(
    staff: Client, workspace: Workspace, django_assert_max_num_queries: object
) -> None:
    for _ in range(8):
        start(make_connection(workspace), make_connection(workspace), rule="FREQ=MONTHLY")
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert staff.get(SERIES).status_code == 200


def test_the_page_shows_the_next_twelve_with_their_posts(
    staff: Client, connection: SocialConnection, settings: object
) -> None:
    series = start(connection)
    services.skip_occurrence(series.pk, at(1), actor=ADA)
    editing.edit_occurrence(series.pk, at(2), actor=ADA, segments=[{"text": "mine"}])
    page = staff.get(f"{SERIES}{series.pk}/change/").content.decode()
    assert page.count(" on the wall\n") == 12
    assert "skipped" in page
    assert "edited by itself" in page
    assert f"/scheduledpost/{posts_of(series)[0].pk}/change/" in page


def test_pause_resume_and_end_ask_first_and_are_noted(
    staff: Client, connection: SocialConnection
) -> None:
    series = start(connection)
    for name, state, post_state in (
        ("pause", "paused", PostState.CANCELLED),
        ("resume", "active", PostState.SCHEDULED),
        ("end", "ended", PostState.CANCELLED),
    ):
        address = f"{SERIES}act/{name}/?ids={series.pk}"
        assert (
            address.replace("&", "&amp;")
            in staff.get(f"{SERIES}{series.pk}/change/").content.decode()
        )
        assert staff.get(address).status_code == 200
        staff.post(f"{SERIES}act/{name}/", {"ids": str(series.pk), "reason": "because"})
        series.refresh_from_db()
        assert (series.state, series.state_reason) == (state, "because")
        assert {post.state for post in posts_of(series)} == {post_state}
    assert AuditEvent.objects.filter(actor="user:boss", target=f"series:{series.pk}").count() == 3
    page = staff.get(f"{SERIES}{series.pk}/change/").content.decode()
    assert "Nothing more will come" in page
    assert "act/pause" not in page


def test_a_viewer_sees_and_cannot_act(viewer: Client, connection: SocialConnection) -> None:
    series = start(connection)
    page = viewer.get(f"{SERIES}{series.pk}/change/")
    assert page.status_code == 200
    assert "act/pause" not in page.content.decode()
    answer = viewer.post(f"{SERIES}act/end/", {"ids": str(series.pk)})
    assert answer.status_code == 403
    assert PostSeries.objects.get().state == "active"


@pytest.mark.django_db
def test_a_queue_shows_its_slots_and_who_has_them(
    staff: Client, connection: SocialConnection
) -> None:
    queue_slots.set_slots(
        connection, slots=[("MO", "09:00"), ("FR", "17:30")], time_zone="Europe/Berlin", actor=ADA
    )
    queue_slots.schedule_in_slot(
        connection=connection,
        workspace=connection.workspace,
        segments=[{"text": "hello"}],
        place=queue_slots.Place.NEXT,
        actor=ADA,
    )
    assert "MO 09:00, FR 17:30" in staff.get(QUEUES).content.decode()
    page = staff.get(f"{QUEUES}{connection.pk}/change/").content.decode()
    assert page.count("on the wall: free") == 11
    assert f"/scheduledpost/{ScheduledPost.objects.get().pk}/change/" in page
