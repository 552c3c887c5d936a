from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent, Workspace
from media.models import Asset
from platforms.models import SocialConnection
from scheduling.import_rows import BadFile
from scheduling.imports import import_posts
from scheduling.models import PostMedia, ScheduledPost
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

HEADER = "connection,text,scheduled_at,time_zone,media,external_id\n"
SOON = "2099-11-23T09:00:00Z"


@pytest.fixture(autouse=True)
def ada(workspace: Workspace) -> SocialConnection:
    return make_connection(workspace, platform="mastodon", username="ada")


def run(path: Path, workspace: Workspace, content: str | bytes, *options: str) -> str:
    path = path / "posts.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    out = io.StringIO()
    call_command(
        "import_posts", str(path), "--workspace", workspace.slug, *options,
        stdout=out, stderr=out,
    )  # fmt: skip
    return out.getvalue()


def refused(path: Path, workspace: Workspace, content: str | bytes, *options: str) -> str:
    out = io.StringIO()
    file = path / "posts.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CommandError) as caught:
        call_command(
            "import_posts", str(file), "--workspace", workspace.slug, *options,
            stdout=out, stderr=out,
        )  # fmt: skip
    return f"{out.getvalue()}{caught.value}"


def test_a_good_file_is_scheduled_with_its_media(tmp_path: Path, workspace: Workspace) -> None:
    said = run(
        tmp_path,
        workspace,
        "\ufeff" + HEADER + f"ada,Hello,{SOON},,https://cdn.example/a.png,e1\n"
        f'mastodon:ada,"two\nlines, ""quoted""",2099-11-23 10:00,Europe/Berlin,,\n\n',
    )
    assert said == "2 created, 0 already there, 0 bad\n"
    first, second = ScheduledPost.objects.order_by("scheduled_at").reverse()
    assert first.external_id == "e1"
    assert [m.asset.source_url for m in first.post_media.all()] == ["https://cdn.example/a.png"]
    assert second.segments == [{"text": 'two\nlines, "quoted"'}]
    assert second.time_zone == "Europe/Berlin"
    assert second.external_id is None
    assert AuditEvent.objects.get(action="posts.imported").detail["created"] == 2


def test_one_bad_row_and_nothing_is_written(tmp_path: Path, workspace: Workspace) -> None:
    rows = "".join(f"ada,post {number},{SOON},,,\n" for number in range(2, 17))
    said = refused(tmp_path, workspace, HEADER + rows + "ada,hello,tomorrow at 9:00,,,\nada,x\n")
    assert "row 17, scheduled_at: 'tomorrow at 9:00' is not an ISO 8601 date and time" in said
    assert "row 18: has 2 cells, but the first row names 6." in said
    assert said.endswith("2 rows are bad. Nothing was written.")
    assert not ScheduledPost.objects.exists()
    assert not AuditEvent.objects.exists()


def test_bad_rows_may_be_skipped(tmp_path: Path, workspace: Workspace) -> None:
    file = tmp_path / "posts.csv"
    file.write_text(HEADER + f"ada,good,{SOON},,,\nbob,bad,{SOON},,,\nada,good too,{SOON},,,\n")
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 row is skipped") as caught:
        call_command(
            "import_posts", str(file), f"--workspace={workspace.slug}", "--skip-bad",
            stdout=out, stderr=out,
        )  # fmt: skip
    assert caught.value.returncode == 3
    assert "row 3, connection: this workspace has no connection 'bob'." in out.getvalue()
    assert "2 created, 0 already there, 1 bad" in out.getvalue()
    assert ScheduledPost.objects.count() == 2


def test_a_dry_run_counts_and_keeps_nothing(tmp_path: Path, workspace: Workspace) -> None:
    content = HEADER + f"ada,one,{SOON},,https://cdn.example/a.png,e1\nada,two,{SOON},,,e1\n"
    assert run(tmp_path, workspace, content, "--dry-run") == (
        "1 would be created, 1 already there, 0 bad\n"
    )
    assert not ScheduledPost.objects.exists()
    assert not Asset.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_same_file_again_doubles_nothing(tmp_path: Path, workspace: Workspace) -> None:
    content = HEADER + "".join(
        f"ada,post {number},{SOON},,https://cdn.example/{number}.png,e{number % 3}\n"
        for number in range(5)
    )
    assert run(tmp_path, workspace, content).startswith("3 created, 2 already there")
    assert run(tmp_path, workspace, content).startswith("0 created, 5 already there")
    assert ScheduledPost.objects.count() == PostMedia.objects.count() == Asset.objects.count() == 3


def test_one_address_in_many_rows_is_one_asset(tmp_path: Path, workspace: Workspace) -> None:
    row = f"ada,post,{SOON},,https://cdn.example/logo.png,\n"
    run(tmp_path, workspace, HEADER + row * 2500)
    assert PostMedia.objects.count() == 2500
    assert Asset.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "file is empty"),
        (b"connection,text\n", "Missing columns: scheduled_at"),
        (b"connection,text,scheduled_at,when\n", "Unknown columns: when"),
        (b"connection,text,scheduled_at,text\n", "named twice"),
        (b"connection;text;scheduled_at\n", "save the file with commas"),
        (b"connection,text,scheduled_at\nada,caf\xe9,x\n", "not UTF-8 text (byte 0xe9"),
        ("connection,text,scheduled_at\n".encode("utf-16"), "not UTF-8 text (byte 0xff"),
        (b'connection,text,scheduled_at\nada,ok,x\nada,"open,x\n', "Row 3 is not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, workspace: Workspace, content: bytes, words: str
) -> None:
    said = refused(tmp_path, workspace, content, "--skip-bad")
    assert words in said
    assert said.endswith("Nothing was written.")


def test_nul_characters_are_refused_before_the_database_sees_them(
    tmp_path: Path, workspace: Workspace
) -> None:
    assert "row 2: contains a NUL" in refused(tmp_path, workspace, HEADER + f"ada,a\0b,{SOON},,,\n")


def test_an_unknown_workspace_and_a_missing_file_are_named(
    tmp_path: Path, workspace: Workspace
) -> None:
    with pytest.raises(CommandError, match="no workspace 'nowhere'"):
        call_command("import_posts", "x.csv", "--workspace", "nowhere")
    with pytest.raises(CommandError, match="not a file that can be read"):
        call_command("import_posts", str(tmp_path), "--workspace", workspace.slug)


def test_reading_stops_after_a_hundred_errors(workspace: Workspace) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        yield HEADER
        while True:
            read += 1
            assert read < 10_000
            yield "bob,text,never,,,\n"

    report = import_posts(endless(), workspace, actor="test")
    assert len(report.errors) == 100
    assert not report.written


def test_a_file_that_breaks_off_in_the_middle_writes_nothing(workspace: Workspace) -> None:
    def lines() -> Iterator[str]:
        yield HEADER
        yield from (f"ada,post {number},{SOON},,,\n" for number in range(3000))
        yield '"'

    with pytest.raises(BadFile, match="Row 3002"):
        import_posts(lines(), workspace, actor="test")
    assert not ScheduledPost.objects.exists()
