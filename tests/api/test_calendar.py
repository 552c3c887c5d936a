"""The calendar over the API: days of a zone, files out, files in."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import ApprovalRule, Workspace
from platforms.models import SocialConnection
from scheduling.models import PostGroup, ScheduledPost
from scheduling.states import PostState
from tests.api.client import Api, keyed
from tests.factories import make_connection, make_post, make_workspace

pytestmark = pytest.mark.django_db

S = PostState
EVE = datetime(2098, 12, 31, 23, 30, tzinfo=UTC)  # already the new year in Berlin


def exported(api: Api, query: str = "") -> tuple[Any, bytes]:
    answer = Client().get(f"/api/v1/calendar/export{query}", headers=api.headers)
    return answer, b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_days_are_those_of_the_zone_and_counts_are_exact(
    api: Api, connection: SocialConnection
) -> None:
    make_post(connection, due_at=EVE, text="x" * 300)
    make_post(connection, due_at=EVE, state=S.DRAFT)
    make_post(make_connection(), due_at=EVE)
    utc = api.get("calendar?from=2098-12-31&to=2099-01-01").body
    assert (utc["time_zone"], utc["count"], utc["is_complete"]) == ("UTC", 2, True)
    assert [day["count"] for day in utc["days"]] == [2, 0]
    berlin = api.get("calendar?from=2098-12-31&to=2099-01-01&time_zone=Europe/Berlin").body
    assert [day["states"] for day in berlin["days"]] == [{}, {"scheduled": 1, "draft": 1}]
    post = berlin["days"][1]["posts"][0]
    assert (post["local"], len(post["text"])) == ("2099-01-01T00:30:00+01:00", 140)
    few = api.get("calendar?from=2098-12-31&to=2098-12-31&limit=1").body
    assert (few["count"], few["is_complete"], len(few["days"][0]["posts"])) == (2, False, 1)
    drafts = api.get("calendar?from=2098-12-31&to=2098-12-31&state=draft&platform=sandbox").body
    assert drafts["states"] == {"draft": 1}
    other = api.get(f"calendar?from=2098-12-31&to=2098-12-31&connection={make_connection().pk}")
    assert other.body["count"] == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "from"),
        ("?from=2099-01-01", "to"),
        ("?from=2099-01-02&to=2099-01-01", "to"),
        ("?from=2099-01-01&to=2099-12-31", "to"),
        ("?from=x&to=2099-01-01", "from"),
        ("?from=0001-01-01&to=0001-01-01&time_zone=Asia/Tokyo", "to"),
        ("?from=9999-12-31&to=9999-12-31", "to"),
        ("?from=2099-01-01&to=2099-01-01&time_zone=Mars", "time_zone"),
        ("?from=2099-01-01&to=2099-01-01&time_zone=%00", "time_zone"),
        ("?from=2099-01-01&to=2099-01-01&limit=0", "limit"),
        ("?from=2099-01-01&to=2099-01-01&limit=٣", "limit"),
        ("?from=2099-01-01&to=2099-01-01&state=nope", "state"),
        ("?from=2099-01-01&to=2099-01-01&until=1", "until"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(api: Api, query: str, field: str) -> None:
    api.get(f"calendar{query}").problem(422, "invalid", field)


def test_a_file_goes_out_and_comes_back_in(
    api: Api, workspace: Workspace, connection: SocialConnection
) -> None:
    SocialConnection.objects.update(username="ada", external_id="7")
    group = PostGroup.objects.create(workspace=workspace)
    make_post(connection, due_at=EVE, text='=cmd|"/C calc"!A0', group=group, external_id="e1")
    make_post(connection, due_at=EVE, text="two", group=group, state=S.DRAFT)
    answer, body = exported(api)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f"calendar-{workspace.slug}.csv" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert rows[0]["text"].startswith("'=cmd")
    empty = make_workspace()
    make_connection(empty, username="ada", external_id="7")
    there = keyed(empty)
    tried = there("POST", "calendar/import?dry_run=true", raw=body, Content_Type="text/csv").body
    assert (tried["written"], tried["created"]) == (False, 2)
    assert not ScheduledPost.objects.filter(workspace=empty).exists()
    done = there("POST", "calendar/import", raw=body, Content_Type="text/csv").body
    assert (done["written"], [row["status"] for row in done["rows"]]) == (True, ["created"] * 2)
    made = ScheduledPost.objects.get(pk=done["rows"][0]["id"])
    assert made.segments == [{"text": '=cmd|"/C calc"!A0'}]
    assert made.group != group
    assert ScheduledPost.objects.filter(workspace=empty, group=made.group).count() == 2
    again = there("POST", "calendar/import", raw=body, Content_Type="text/csv").body
    assert [row["status"] for row in again["rows"]] == ["existing", "created"]


def test_the_same_as_json(api: Api, workspace: Workspace, connection: SocialConnection) -> None:
    make_post(connection, due_at=EVE, text="in")
    make_post(connection, due_at=EVE.replace(year=2097), text="out")
    answer, body = exported(api, "?format=json&from=2098-12-01&to=2098-12-31&state=scheduled")
    assert answer["Content-Type"] == "application/json"
    (row,) = json.loads(body)["posts"]
    assert (row["text"], row["priority"], row["options"]) == ("in", 0, None)
    done = api.post("calendar/import", {"posts": [row]}).body
    assert done["created"] == 1
    _, nothing = exported(api, "?format=json&from=1999-12-01&to=1999-12-31")
    assert json.loads(nothing) == {"posts": []}
    refused = Client().get("/api/v1/calendar/export?format=xml", headers=api.headers)
    assert refused.status_code == 422


CSV = "connection,text,scheduled_at,priority,options\r\n"


def test_errors_name_row_and_column(api: Api, connection: SocialConnection) -> None:
    SocialConnection.objects.update(username="ada")
    good = "ada,hi,2099-01-01T09:00:00Z,,\r\n"
    bad = 'bob,hi,2099-01-01T09:00:00Z,11,\r\nada,hi,soon,,"[1]"\r\n'
    body = (CSV + good + bad).encode()
    problem = api("POST", "calendar/import", raw=body, Content_Type="text/csv").problem(
        422,
        "invalid",
        "rows[3].connection",
        "rows[3].priority",
        "rows[4].scheduled_at",
        "rows[4].options",
    )
    assert "2 rows" in problem["detail"]
    tried = api("POST", "calendar/import?dry_run=true", raw=body, Content_Type="text/csv").body
    assert (tried["bad"], tried["written"], len(tried["errors"])) == (2, False, 4)
    assert tried["rows"][0] == {"row": 2, "status": "good", "id": None}
    some = api("POST", "calendar/import?skip_bad=true", raw=body, Content_Type="text/csv").body
    assert (some["written"], some["created"], some["bad"]) == (True, 1, 2)
    odd = [{"connection": "ada", "nonsense": 1}, {"text": 1.5}, {"text": True}, {}]
    api.post("calendar/import", {"posts": odd}).problem(
        422,
        "invalid",
        "rows[0].nonsense",
        "rows[1].text",
        "rows[2].text",
        "rows[3].connection",
        "rows[3].scheduled_at",
    )


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 422),
        (b"a;b\r\n", 422),
        (b"\xff\xfe", 400),
        (b'connection,text,scheduled_at\r\n"open', 422),
        (b"connection,text,scheduled_at\r\n\x00,x,y", 422),
    ],
)
def test_a_file_that_cannot_be_read_says_why(api: Api, raw: bytes, status: int) -> None:
    answer = api("POST", "calendar/import", raw=raw, Content_Type="text/csv")
    assert answer.status == status, answer.body


def test_imported_posts_await_approval_where_the_workspace_asks_for_it(
    api: Api, connection: SocialConnection
) -> None:
    SocialConnection.objects.update(username="ada")
    Workspace.objects.update(approval_rule=ApprovalRule.EDITORS)
    row = {"connection": "ada", "text": "hi", "scheduled_at": "2099-01-01T09:00:00Z"}
    api.post("calendar/import", {"posts": [row]})
    assert ScheduledPost.objects.get().state == S.AWAITING_APPROVAL


def test_keys_that_only_read_may_export_but_not_import(
    workspace: Workspace, connection: SocialConnection
) -> None:
    weak = keyed(workspace, "posts:read")
    assert exported(weak)[0].status_code == 200
    weak.post("calendar/import", {"posts": []}).problem(403, "scope_missing")
