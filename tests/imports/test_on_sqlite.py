"""The commands in processes of their own, on SQLite and without any service."""

from __future__ import annotations

from pathlib import Path

from tests.processes import Processes


def test_a_workspace_an_account_and_a_file_of_posts_from_the_command_line(
    processes: Processes, sqlite_env: dict[str, str], tmp_path: Path
) -> None:
    def manage(*arguments: str, exit_code: int = 0) -> str:
        child = processes.manage(*arguments, env=sqlite_env)
        assert child.wait() == exit_code, child.output
        return child.output

    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"instance_url": "https://m.example", "access_token": "tell-nobody"}')
    posts = tmp_path / "posts.csv"
    rows = "".join(f"ada,post {n},2099-01-01T09:00:00Z,e{n}\n" for n in range(7000))
    posts.write_text(
        f"connection,text,scheduled_at,external_id\n{rows}ada,again,2099-01-01T09:00Z,e1\n"
    )

    manage("create_workspace", "us")
    connection_id = manage(
        "add_connection", "mastodon", "--workspace=us", f"--credentials={tokens}",
        "--no-verify", "--external-id=1", "--username=ada",
    )  # fmt: skip
    assert len(connection_id.strip()) == 36
    said = manage("import_posts", str(posts), "--workspace=us")
    assert said == "7000 created, 1 already there, 0 bad\n"
    posts.write_text(posts.read_text() + "ada,one more,2099-01-01T09:00:00Z,new\nbob,x,y,z\n")
    said = manage("import_posts", str(posts), "--workspace=us", "--skip-bad", exit_code=3)
    assert "row 7004, connection: this workspace has no connection 'bob'." in said
    assert "1 created, 7001 already there, 1 bad" in said
    assert "ok   migrations: All are applied." in manage("doctor", exit_code=1)  # no qcluster runs
