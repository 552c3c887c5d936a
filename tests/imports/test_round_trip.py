"""What is exported and imported again, into a workspace with the same accounts, is equal."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Workspace
from media.models import Asset
from platforms.models import SocialConnection
from scheduling.bulk import insert_posts
from scheduling.cells import DANGEROUS, guarded, unguarded
from scheduling.exports import csv_lines, json_pieces, rows_of
from scheduling.import_cells import (
    BadRow,
    FileCell,
    cell_of_files,
    cells_of_segments,
    files_of,
    segments_of,
)
from scheduling.imports import import_objects, import_posts
from scheduling.models import PostGroup, PostMedia, ScheduledPost
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_workspace

S = PostState
# What the database can keep: no NUL, no half of a surrogate pair.
CHARS = st.characters(exclude_characters="\x00", exclude_categories=("Cs",))
NASTY = st.sampled_from(
    [
        "=1+1",
        "'=x",
        "''",
        "-",
        " a ",
        "\ta",
        "a\r\nb",
        "---",
        "a\n---\nb",
        '"',
        ";",
        ",",
        "\uff1d1",
        "'",
    ]
)
TEXTS = st.one_of(st.text(CHARS, max_size=40), NASTY, st.tuples(NASTY, NASTY).map("\n".join))
FILES = st.builds(
    FileCell,
    source=st.text(CHARS.filter(lambda c: not c.isspace()), min_size=1, max_size=20),
    segment=st.integers(0, 3),
    alt_text=TEXTS,
)


@given(TEXTS)
def test_a_guarded_cell_comes_back_and_is_never_run(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell[:1] not in DANGEROUS


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_segments_come_back_through_their_cells(texts: list[str]) -> None:
    text, listed = cells_of_segments([{"text": one} for one in texts])
    assert segments_of(unguarded(guarded(text)), listed) == [{"text": one} for one in texts]


@given(st.lists(FILES, max_size=4))
def test_files_come_back_through_their_cell(files: list[FileCell]) -> None:
    try:
        assert files_of(cell_of_files(files)) == files
    except BadRow:  # only an address that begins like a list is taken for one
        assert files[0].source.startswith("[")


LETTERS = "".join(sorted({"a", "ß", "=", "'", "+", "-", "@", "\n", " ", '"', ",", "é", "\t"}))
WORDS = st.text(LETTERS, min_size=1, max_size=30).filter(lambda text: text.strip())
POSTS = st.fixed_dictionaries(
    {
        "account": st.integers(0, 2),
        "segments": st.lists(WORDS, min_size=1, max_size=3),
        "minutes": st.integers(10, 500_000),
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
        "state": st.sampled_from([S.DRAFT, S.SCHEDULED, S.QUEUED, S.AWAITING_APPROVAL]),
        "priority": st.integers(0, 9),
        "late_policy": st.sampled_from(["hold", "publish"]),
        "late_limit_minutes": st.none() | st.integers(0, 9999),
        "is_named": st.booleans(),
        "callback_url": st.sampled_from(["", "https://c.example/hook?a=1,2"]),
        "group": st.none() | st.integers(0, 1),
        "media": st.lists(st.tuples(st.integers(0, 2), WORDS | st.just("")), max_size=2),
    }
)
START = datetime(2099, 3, 1, 12, tzinfo=UTC)
ACCOUNTS = [("sandbox", "Ada.L-1", "1"), ("sandbox", "=strange", "2"), ("sandbox", "ada", "3")]


def make_accounts(workspace: Workspace) -> list[SocialConnection]:
    return [
        make_connection(workspace, platform=platform, username=username, external_id=external_id)
        for platform, username, external_id in ACCOUNTS
    ]


def write(accounts: list[SocialConnection], drawn: list[dict[str, Any]]) -> None:
    """Write posts as they were drawn, whatever a network would say of them."""
    workspace = accounts[0].workspace
    groups = [PostGroup.objects.create(workspace=workspace) for _ in range(2)]
    for number, one in enumerate(drawn):
        moment = START + timedelta(minutes=one["minutes"])
        account = accounts[one["account"]]
        post = make_post(
            account,
            state=one["state"],
            due_at=moment,
            segments=[{"text": text} for text in one["segments"]],
            time_zone=one["time_zone"],
            priority=one["priority"],
            late_policy=one["late_policy"],
            late_limit_minutes=one["late_limit_minutes"],
            external_id=f"=e {number}" if one["is_named"] else None,
            callback_url=one["callback_url"],
            group=None if one["group"] is None else groups[one["group"]],
            media_count=len(one["media"]),
        )
        for place, (segment, alt_text) in enumerate(one["media"]):
            asset = Asset.objects.create(
                workspace=workspace,
                source_url=f"https://cdn.example/{number}-{place}.png",
                mime_type="image/png",
            )
            PostMedia.objects.create(
                post=post, asset=asset, segment=segment, position=place, alt_text=alt_text
            )


def shown(workspace: Workspace) -> list[Any]:
    """Return the posts of a workspace without what is its own: ids and names of groups."""
    posts = ScheduledPost.objects.filter(workspace=workspace).select_related("connection")
    groups: dict[Any, list[str]] = {}
    rows = []
    for post in posts:
        name = f"{post.scheduled_at} {post.connection.external_id} {post.segments}"
        groups.setdefault(post.group_id, []).append(name)
        media = post.post_media.select_related("asset").order_by("segment", "position")
        rows.append(
            (
                name,
                S.SCHEDULED if post.state == S.QUEUED else post.state,
                post.due_at,
                post.time_zone,
                post.priority,
                post.late_policy,
                post.late_limit_minutes,
                post.external_id,
                post.callback_url,
                post.first_comment,
                json.dumps(post.options, sort_keys=True),
                post.media_count,
                [(m.segment, m.asset.source_url, m.asset.kind, m.alt_text) for m in media],
            )
        )
    together = sorted(sorted(names) for pk, names in groups.items() if pk is not None)
    return [sorted(rows, key=repr), together]


@pytest.mark.django_db
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.lists(POSTS, min_size=1, max_size=6), as_json=st.booleans())
def test_export_and_import_give_equal_posts(
    drawn: list[dict[str, Any]], as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduling.services.content_errors", lambda post, attachments: [])
    ours, theirs = make_workspace(), make_workspace()
    write(make_accounts(ours), drawn)
    make_accounts(theirs)
    rows = rows_of(ScheduledPost.objects.filter(workspace=ours), ours)
    if as_json:
        posts = json.loads("".join(json_pieces(rows)))["posts"]
        report = import_objects(posts, theirs, actor="user:ada")
    else:
        file = io.StringIO("".join(csv_lines(rows)), newline="")
        report = import_posts(file, theirs, actor="user:ada")
    assert (report.errors, report.created) == ([], len(drawn))
    assert shown(theirs) == shown(ours)


@pytest.mark.django_db
def test_what_is_over_is_not_made_again(workspace: Workspace) -> None:
    account = make_connection(workspace, username="ada")
    for state in set(S) - {S.PUBLISHING}:
        make_post(account, state=state, due_at=START)
    rows = rows_of(ScheduledPost.objects.all(), workspace)
    empty = make_workspace()
    make_connection(empty, username="ada", external_id=account.external_id)
    lines = io.StringIO("".join(csv_lines(rows)), newline="")
    report = import_posts(lines, empty, actor="user:ada")
    assert (report.created, report.left_out, report.bad) == (4, 8, 0)


@pytest.mark.django_db
def test_an_export_of_many_posts_asks_the_database_little(
    connection: SocialConnection, django_assert_max_num_queries: Any
) -> None:
    from scheduling.services import build_post

    insert_posts(
        build_post(
            workspace=connection.workspace,
            connection=connection,
            segments=[{"text": f"post {n}"}],
            scheduled_at=START,
        )
        for n in range(1200)
    )
    with django_assert_max_num_queries(20):
        posts = ScheduledPost.objects.all()
        lines = list(csv_lines(rows_of(posts, connection.workspace)))
    assert len(lines) == 1201
    header = next(csv.reader([lines[0]]))
    assert header[:3] == ["connection", "text", "scheduled_at"]
    assert re.search(r",post \d+,2099-03-01T12:00:00\+00:00,UTC,", lines[1])
