"""The list of posts: what it shows, how it narrows, and that it never reads more than it needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine import admin_lists
from engine.admin_lists import CappedPaginator
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.admin.console import POSTS
from tests.factories import make_connection, make_post

S = PostState


def texts_in(client: Client, query: str) -> set[str]:
    """Return the texts of the posts that the list shows for a query string."""
    changelist = client.get(f"{POSTS}?{query}").context["cl"]
    return {post.segments[0]["text"] for post in changelist.result_list}


def leased() -> dict[str, Any]:
    return {"lease_slot": 1, "lease_expires_at": timezone.now() + timedelta(seconds=30)}


@pytest.mark.parametrize("state", PostState.values)
def test_every_state_has_its_badge_in_words(
    staff: Client, connection: SocialConnection, state: str
) -> None:
    make_post(connection, state=state, **(leased() if state == S.PUBLISHING else {}))
    page = staff.get(POSTS).content.decode()
    label = PostState(state).label
    assert f">{label}</span>" in page
    assert connection.username in page


def test_lateness_is_the_first_send_minus_the_scheduled_moment(
    staff: Client, connection: SocialConnection
) -> None:
    moment = timezone.now() - timedelta(hours=1)
    make_post(
        connection,
        state=S.PUBLISHED,
        scheduled_at=moment,
        first_sent_at=moment + timedelta(milliseconds=12),
    )
    assert "12 ms" in staff.get(POSTS).content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("lateness=on_time", {"12 ms"}),
        ("lateness=seconds", {"5 s"}),
        ("lateness=minutes", {"2 min"}),
        ("lateness=overdue", {"overdue", "overdue and claimed"}),
        ("stuck=yes", {"unknown", "publishing for an hour"}),
        ("state__exact=held", {"held"}),
        ("category=rate_limit", {"held"}),
        ("platform=mastodon", {"elsewhere"}),
        ("account=baker", {"elsewhere"}),
        ("account=@BAKER", {"elsewhere"}),
        ("account=nobody", set()),
        ("scheduled=next_day", {"elsewhere"}),
        ("workspace_is=bakery", {"elsewhere"}),
    ],
)
def test_filters_find_exactly_their_posts(
    staff: Client, connection: SocialConnection, query: str, found: set[str]
) -> None:
    now, hour = timezone.now(), timedelta(hours=1)
    for text, late in (("12 ms", 0.012), ("5 s", 5), ("2 min", 120)):
        sent = now - 30 * hour + timedelta(seconds=late)
        make_post(
            connection,
            state=S.PUBLISHED,
            text=text,
            scheduled_at=now - 30 * hour,
            first_sent_at=sent,
        )
    make_post(connection, text="overdue", due_at=now - hour)
    make_post(connection, text="overdue and claimed", due_at=now - hour, **leased())
    make_post(connection, text="unknown", state=S.OUTCOME_UNKNOWN, due_at=now)
    make_post(connection, text="held", state=S.HELD, last_category="rate_limit")
    hanging = {**leased(), "sent_at": now - hour}
    make_post(connection, text="publishing for an hour", state=S.PUBLISHING, **hanging)
    make_post(connection, text="publishing", state=S.PUBLISHING, **leased(), sent_at=now)
    other = make_connection(platform="mastodon", username="baker@social.example")
    other.workspace.name = "Bakery"
    other.workspace.save()
    make_post(other, text="elsewhere", due_at=now + hour)
    assert texts_in(staff, query) == found


def test_an_account_filter_keeps_the_other_filters(
    staff: Client, connection: SocialConnection
) -> None:
    page = staff.get(f"{POSTS}?state__exact=held&account={connection.pk}").content.decode()
    assert '<input type="hidden" name="state__exact" value="held">' in page
    assert str(connection.pk) in page


@pytest.mark.parametrize(
    "term",
    ["SEASON starts", "café", "ex-17", "@ada", "https://x.example/ada/1", "{id}"],
)
def test_search_knows_text_account_external_id_address_and_id(staff: Client, term: str) -> None:
    account = make_connection(username="ada_writes")
    wanted = make_post(
        account,
        text="The season starts at the café",
        external_id="ex-17",
        permalink="https://x.example/ada/1",
    )
    make_post(text="something else", external_id="ex-170")
    found = texts_in(staff, f"q={term.format(id=wanted.pk)}")
    assert found == {"The season starts at the café"}


def test_the_number_of_queries_does_not_grow_with_the_rows(staff: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert staff.get(POSTS).status_code == 200
        return len(captured)

    make_post()
    queries()
    few = queries()
    for _ in range(20):
        make_post()
    assert queries() == few


def test_no_query_counts_posts(staff: Client, connection: SocialConnection) -> None:
    make_post(connection)
    with CaptureQueriesContext(database) as captured:
        staff.get(POSTS)
        staff.get(f"{POSTS}?state__exact=scheduled")
    about_posts = [q["sql"] for q in captured if "scheduling_scheduledpost" in q["sql"]]
    assert about_posts
    assert not [statement for statement in about_posts if "COUNT(" in statement.upper()]


def test_a_list_stops_at_its_cap_and_says_so(
    staff: Client, connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_lists, "MOST", 60)
    posts = [make_post(connection) for _ in range(70)]
    page = staff.get(f"{POSTS}?p=2")
    assert page.context["cl"].result_count == 60
    assert "the first 60" in page.content.decode()
    newest = sorted((post.pk for post in posts), reverse=True)
    assert [post.pk for post in page.context["cl"].result_list] == newest[50:60]


def test_pages_follow_each_other_without_gap_or_overlap(connection: SocialConnection) -> None:
    keys = {make_post(connection).pk for _ in range(7)}
    paginator = CappedPaginator(ScheduledPost.objects.order_by("-pk"), 3)
    seen = [post.pk for number in (1, 2, 3) for post in paginator.page(number)]
    assert len(seen) == 7
    assert set(seen) == keys


def test_who_may_not_see_posts_gets_no_list(client: Client) -> None:
    assert client.get(POSTS).status_code == 302


def test_posts_with_warnings_are_marked_and_can_be_listed_alone(
    staff: Client, connection: SocialConnection
) -> None:
    found = [{"code": "media_missing", "message": "The file cat.png is gone: replace it."}]
    make_post(connection, text="in order")
    make_post(connection, text="has a problem", warnings=found)
    make_post(connection, text="long out", warnings=found, state=S.PUBLISHED)
    page = staff.get(POSTS).content.decode()
    assert page.count("1 warning</span>") == 1
    listed = staff.get(f"{POSTS}?warnings=yes").context["cl"].result_list
    assert [post.segments[0]["text"] for post in listed] == ["has a problem"]
