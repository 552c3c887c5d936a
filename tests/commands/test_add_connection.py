from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from accounts.models import Workspace
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS, adapter_for

pytestmark = pytest.mark.django_db

SECRET = "tell-nobody-1234567890"


def add(platform: str, workspace: Workspace, path: Path, credentials: object, *options: str) -> str:
    file = path / "tokens.json"
    text = credentials if isinstance(credentials, str) else json.dumps(credentials)
    file.write_text(text)
    out = io.StringIO()
    call_command(
        "add_connection", platform, f"--workspace={workspace.slug}", f"--credentials={file}",
        *options, stdout=out,
    )  # fmt: skip
    return out.getvalue()


def refusal(
    platform: str, workspace: Workspace, path: Path, credentials: object, *options: str
) -> str:
    with pytest.raises(CommandError) as caught:
        add(platform, workspace, path, credentials, *options)
    assert not SocialConnection.objects.exists()
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def mastodon(sandbox_url: str) -> dict[str, str]:
    return {"instance_url": f"{sandbox_url}/mastodon/social", "access_token": "demo-ada"}


def test_a_verified_account_is_kept_encrypted_and_only_its_id_is_printed(
    workspace: Workspace, tmp_path: Path, mastodon: dict[str, str]
) -> None:
    printed = add("mastodon", workspace, tmp_path, mastodon)
    connection = SocialConnection.objects.get()
    assert printed == f"{connection.pk}\n"
    assert connection.username
    assert connection.state == ConnectionState.ACTIVE
    assert connection.get_credentials() == mastodon
    assert b"demo-ada" not in bytes(connection.secret)


def test_connecting_again_keeps_the_row(
    workspace: Workspace, tmp_path: Path, mastodon: dict[str, str]
) -> None:
    first = add("mastodon", workspace, tmp_path, mastodon)
    assert add("mastodon", workspace, tmp_path, mastodon) == first
    assert SocialConnection.objects.get().version == 2


def test_tokens_can_come_from_standard_input(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, mastodon: dict[str, str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(mastodon)))
    call_command(
        "add_connection", "mastodon", "--workspace", workspace.slug, "--credentials", "-",
        stdout=io.StringIO(),
    )  # fmt: skip
    assert SocialConnection.objects.get().get_credentials() == mastodon


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ({"instance_url": "https://m.example"}, "access_token is missing (Settings > Development"),
        (
            {"instance_url": "https://m.example", "access_token": SECRET, "token": SECRET},
            "token is not one of instance_url, access_token",
        ),
        ('{"access_token": "' + SECRET, "not JSON: Unterminated string"),
        (f'["{SECRET}"]', "must be a JSON object"),
    ],
)
def test_wrong_keys_are_named_with_where_to_get_them_and_no_secret(
    workspace: Workspace, tmp_path: Path, credentials: object, words: str
) -> None:
    assert words in refusal("mastodon", workspace, tmp_path, credentials)


def test_tokens_the_network_refuses_are_not_kept(
    workspace: Workspace, tmp_path: Path, sandbox_url: str
) -> None:
    tokens = {"instance_url": f"{sandbox_url}/mastodon/social", "access_token": f"revoked-{SECRET}"}
    refusal("mastodon", workspace, tmp_path, tokens)


def test_without_verification_the_account_must_be_named(
    workspace: Workspace, tmp_path: Path
) -> None:
    tokens = {"instance_url": "https://m.example", "access_token": SECRET}
    assert "--external-id and --username" in refusal(
        "mastodon", workspace, tmp_path, tokens, "--no-verify"
    )
    add("mastodon", workspace, tmp_path, tokens, "--no-verify", "--external-id=7", "--username=ada")
    connection = SocialConnection.objects.get()
    assert (connection.external_id, connection.username) == ("7", "ada")
    assert connection.instance_url == "https://m.example"


def test_without_verification_empty_tokens_are_still_refused(
    workspace: Workspace, tmp_path: Path
) -> None:
    options = ("--no-verify", "--external-id=7", "--username=ada")
    assert "no access token" in refusal("x", workspace, tmp_path, {}, *options)


def test_unknown_names_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    assert "Unknown platform 'myspace'" in refusal("myspace", workspace, tmp_path, {})
    with pytest.raises(CommandError, match="no workspace 'nowhere'"):
        call_command("add_connection", "x", "--workspace=nowhere", "--credentials=-")
    with pytest.raises(CommandError, match="Cannot read"):
        call_command(
            "add_connection", "x", f"--workspace={workspace.slug}", f"--credentials={tmp_path}"
        )


def test_without_a_key_nothing_is_read(
    workspace: Workspace, tmp_path: Path, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = []
    assert "CREDENTIAL_KEYS is empty" in refusal("x", workspace, tmp_path, {})
    settings.CREDENTIAL_KEYS = ["short"]
    assert "Key 1 of CREDENTIAL_KEYS" in refusal("x", workspace, tmp_path, {})


@pytest.mark.parametrize("slug", ADAPTERS)
def test_the_help_explains_the_keys_of_every_network(
    slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call_command("add_connection", "--help")
    shown = capsys.readouterr().out
    for name, meaning in adapter_for(slug).credential_keys.items():
        assert name.rstrip("?") in shown
        assert meaning in shown


def test_tokens_for_several_accounts_need_one_named(
    workspace: Workspace, tmp_path: Path, imitated: str, account: str
) -> None:
    tokens = {"access_token": f"user-{account}"}
    said = refusal("facebook", workspace, tmp_path, tokens)
    assert "name one: " in said
    ids = dict(part.rstrip(").").split(" (")[::-1] for part in _listed(said))
    add("facebook", workspace, tmp_path, tokens, f"--external-id={ids[account]}")
    connection = SocialConnection.objects.get()
    assert (connection.external_id, connection.username) == (ids[account], account)
    SocialConnection.objects.all().delete()
    assert "no such account" in refusal(
        "facebook", workspace, tmp_path, tokens, "--external-id=4711"
    )
    shut = refusal(
        "facebook", workspace, tmp_path, tokens, f"--external-id={ids[f'{account}-analyst']}"
    )
    assert "several accounts" not in shut


def _listed(said: str) -> list[str]:
    return said.partition("name one: ")[2].partition(". See")[0].split(", ")
