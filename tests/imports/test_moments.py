"""What a cell says about the moment, the account and the text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts.models import Workspace
from media.models import Asset, AssetKind
from scheduling.import_rows import BadRow, RowReader
from tests.factories import make_connection, make_workspace

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def reader(workspace: Workspace) -> RowReader:
    make_connection(workspace, username="ada")
    return RowReader(workspace, now=NOW)


def cells(**changes: str) -> dict[str, str]:
    return {
        "connection": "ada",
        "text": "hello",
        "scheduled_at": "2026-11-23T09:00:00+01:00",
        **changes,
    }


def errors_of(reader: RowReader, **changes: str) -> dict[str, str]:
    with pytest.raises(BadRow) as caught:
        reader.post_of(cells(**changes))
    return dict(caught.value.errors)


@pytest.mark.parametrize(
    ("cell", "zone", "instant"),
    [
        ("2026-11-23T09:00:00+01:00", "", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T09:00:00Z", "Asia/Tokyo", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        ("2026-11-23 09:00", "Europe/Berlin", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2027-07-01T09:00", "Europe/Berlin", datetime(2027, 7, 1, 7, tzinfo=UTC)),
        # twice on the wall: 02:30 summer time comes first
        ("2027-10-31T02:30", "Europe/Berlin", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_an_instant_or_the_clock_on_a_wall(
    reader: RowReader, cell: str, zone: str, instant: datetime
) -> None:
    post, _ = reader.post_of(cells(scheduled_at=cell, time_zone=zone))
    assert post.scheduled_at == post.due_at == instant
    assert post.time_zone == (zone or "UTC")


@pytest.mark.parametrize(
    ("cell", "zone", "column", "words"),
    [
        ("2026-11-23T09:00", "", "scheduled_at", "no offset"),
        ("2027-03-28T02:30", "Europe/Berlin", "scheduled_at", "clocks go forward"),
        ("2026-11-23T09:00", "Berlin", "time_zone", "IANA"),
        ("2026-11-23T09:00", "Europe", "time_zone", "IANA"),
        ("2026-11-23T09:00", "../etc/passwd", "time_zone", "IANA"),
        ("2026-11-23T09:00Z", "Mars/Olympus", "time_zone", "IANA"),
        ("", "Europe/Berlin", "scheduled_at", "not a date with a time"),
        ("2026-11-23", "Europe/Berlin", "scheduled_at", "not a date with a time"),
        ("23.11.2026 09:00", "Europe/Berlin", "scheduled_at", "ISO 8601"),
        ("2020-01-01T00:00:00Z", "", "scheduled_at", "passed"),
        ("0001-01-01T00:00:00+14:00", "", "scheduled_at", "beyond the calendar"),
        ("9999-12-31T23:59", "America/New_York", "scheduled_at", "beyond the calendar"),
    ],
)
def test_an_unclear_moment_is_refused_with_its_column(
    reader: RowReader, cell: str, zone: str, column: str, words: str
) -> None:
    assert words in errors_of(reader, scheduled_at=cell, time_zone=zone)[column]


def test_connections_are_found_by_id_username_and_platform(workspace: Workspace) -> None:
    ada = make_connection(workspace, username="Ada")
    x = make_connection(workspace, platform="x", username="bob")
    masto = make_connection(workspace, platform="mastodon", username="bob")
    reader = RowReader(workspace, now=NOW)

    def found(name: str) -> object:
        return reader.post_of(cells(connection=name))[0].connection

    assert found(str(ada.pk)) == found("ada") == found("@ADA") == found("sandbox:ada") == ada
    assert found("x:bob") == found("Twitter:@bob") == x
    assert found("mastodon:bob") == masto
    assert "mastodon:bob or x:bob" in errors_of(reader, connection="bob")["connection"]


def test_two_accounts_of_one_name_on_one_platform_are_told_apart_by_id(
    workspace: Workspace,
) -> None:
    twins = [make_connection(workspace, platform="mastodon", username="eve") for _ in "12"]
    message = errors_of(RowReader(workspace, now=NOW), connection="mastodon:eve")["connection"]
    assert all(str(twin.pk) in message for twin in twins)


def test_connections_of_other_workspaces_do_not_exist(reader: RowReader) -> None:
    foreign = make_connection(make_workspace(), username="mallory")
    for name in (str(foreign.pk), "mallory", "sandbox:mallory"):
        assert "no connection" in errors_of(reader, connection=name)["connection"]
    assert "is empty" in errors_of(reader, connection="")["connection"]
    assert "not a platform" in errors_of(reader, connection="myspace:tom")["connection"]


def test_a_line_of_three_dashes_starts_the_next_segment(workspace: Workspace) -> None:
    make_connection(workspace, platform="mastodon", username="ada")
    reader = RowReader(workspace, now=NOW)
    post, _ = reader.post_of(cells(text="one\r\n---\r\ntwo\nlines\n --- \nthree --- still three"))
    texts = [segment["text"] for segment in post.segments]
    assert texts == ["one", "two\nlines", "three --- still three"]


def test_media_are_addresses_or_assets_of_the_workspace(workspace: Workspace) -> None:
    make_connection(workspace, platform="mastodon", username="ada")
    asset = Asset.objects.create(
        workspace=workspace, source_url="https://cdn.example/a.png", mime_type="image/png"
    )
    foreign = Asset.objects.create(workspace=make_workspace(), source_url="https://cdn.example/b")
    reader = RowReader(workspace, now=NOW)
    row = cells(media=f"https://cdn.example/c.JPG?x=1  {str(asset.pk).upper()}")
    reader.load_assets([row])
    post, media = reader.post_of(row)
    assert [item.asset.source_url for item in media] == [
        "https://cdn.example/c.JPG?x=1",
        "https://cdn.example/a.png",
    ]
    assert (media[0].asset.kind, media[0].asset.mime_type) == (AssetKind.IMAGE, "image/jpeg")
    assert post.media_count == 2
    assert post.needs_preparation
    assert "no asset" in errors_of(reader, media=str(foreign.pk))["media"]
    for word in ("ftp://cdn.example/a.png", "a.png", "https://", "http://[bad"):
        assert "neither" in errors_of(reader, media=word)["media"]


def test_every_bad_cell_of_a_row_is_named_at_once(reader: RowReader) -> None:
    errors = errors_of(
        reader, connection="nobody", scheduled_at="soon", media="x", external_id="e" * 256
    )
    assert set(errors) == {"connection", "scheduled_at", "media", "external_id"}


def test_what_the_network_would_refuse_is_an_error_of_the_text(reader: RowReader) -> None:
    assert "text" in errors_of(reader, text="x" * 100_000)
    assert "text" in errors_of(reader, text="")
