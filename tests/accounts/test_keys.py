from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.keys import KeyRefused, authenticate_key
from accounts.models import ApiKey, AuditEvent, User, Workspace
from accounts.services import (
    AccountError,
    BeyondOwnRights,
    issue_api_key,
    revoke_api_key,
    rotate_api_key,
)


def issued(workspace: Workspace, **fields: object) -> tuple[ApiKey, str]:
    return issue_api_key(workspace=workspace, name="cms", actor="system", **fields)  # type: ignore[arg-type]


def refusal(token: str, **kwargs: object) -> KeyRefused:
    with pytest.raises(KeyRefused) as caught:
        authenticate_key(token, **kwargs)  # type: ignore[arg-type]
    return caught.value


def test_a_key_opens_its_workspace_and_only_its_digest_is_stored(workspace: Workspace) -> None:
    key, token = issued(workspace)
    brand, prefix, secret = token.split("_", 2)
    assert (brand, prefix) == ("crl", key.prefix)
    assert len(secret) >= 43
    assert key.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(ApiKey.objects.filter(pk=key.pk).values().get())
    assert authenticate_key(token).workspace == workspace


def test_keys_never_stand_in_the_audit_log(workspace: Workspace) -> None:
    key, token = issued(workspace, scopes=["posts:read"])
    event = AuditEvent.objects.get(action="api_key.issued")
    assert event.detail == {"name": "cms", "prefix": key.prefix, "scopes": ["posts:read"]}
    assert token.split("_", 2)[2] not in str(event.__dict__)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token.replace("crl_", "crl_0", 1),
        lambda token: token.split("_", 2)[2],
        lambda token: "crl_" + token.split("_", 2)[1],
        lambda token: "crl__",
        lambda token: "crl_\x00_\x00",
        lambda token: "crl_ü_ü",
    ],
)
def test_a_mangled_key_is_unknown(workspace: Workspace, change: object) -> None:
    _, token = issued(workspace)
    assert refusal(change(token)).code == "key_unknown"  # type: ignore[operator]


def test_an_expired_key_says_so_and_how_to_get_another(workspace: Workspace) -> None:
    _, token = issued(workspace, valid_for=timedelta(days=1))
    error = refusal(token, now=timezone.now() + timedelta(days=1))
    assert error.code == "key_expired"
    assert "expired on" in str(error)
    assert "create_api_key" in str(error)


def test_a_revoked_key_is_refused_and_revoking_twice_is_logged_once(workspace: Workspace) -> None:
    key, token = issued(workspace)
    revoke_api_key(key, actor="user:ada", reason="leaked")
    revoke_api_key(key, actor="user:ada", reason="leaked")
    assert refusal(token).code == "key_revoked"
    assert AuditEvent.objects.get(action="api_key.revoked").reason == "leaked"


def test_who_does_not_know_the_secret_does_not_learn_that_a_key_is_revoked(
    workspace: Workspace,
) -> None:
    key, _ = issued(workspace)
    revoke_api_key(key, actor="user:ada")
    assert refusal(f"crl_{key.prefix}_guess").code == "key_unknown"


def test_use_is_noted_at_most_once_a_minute(workspace: Workspace) -> None:
    key, token = issued(workspace)
    start = timezone.now()
    noted = []
    for seconds in (0, 59, 60, 61):
        authenticate_key(token, now=start + timedelta(seconds=seconds))
        key.refresh_from_db()
        assert key.last_used_at is not None
        noted.append((key.last_used_at - start).total_seconds())
    assert noted == [0, 0, 60, 60]


@pytest.mark.parametrize(
    ("fields", "part"),
    [({"scopes": ["posts:fly"]}, "posts:fly"), ({"valid_for": timedelta(0)}, "positive")],
)
def test_impossible_keys_are_refused(workspace: Workspace, fields: dict, part: str) -> None:
    with pytest.raises(AccountError, match=part):
        issued(workspace, **fields)
    assert not ApiKey.objects.exists()


def test_commands_make_a_workspace_and_print_a_working_key_once(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    User.objects.create(username="ada")
    call_command("create_workspace", "acme", "--name", "Acme", "--owner", "ada")
    capsys.readouterr()
    call_command(
        "create_api_key",
        "--workspace", "acme", "--name", "cms", "--scopes", "posts:read", "posts:write",
        "--days", "30",
    )  # fmt: skip
    token = capsys.readouterr().out.strip()
    key = authenticate_key(token)
    assert key.workspace.name == "Acme"
    assert key.workspace.memberships.get().role == "owner"
    assert key.scopes == ["posts:read", "posts:write"]
    assert key.expires_at is not None
    assert abs(key.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (("create_workspace", "Not a slug"), "cannot be a slug"),
        (("create_workspace", "acme", "--owner", "nobody"), "no user 'nobody'"),
        (("create_api_key", "--workspace", "nowhere", "--name", "x"), "no workspace 'nowhere'"),
    ],
)
def test_commands_say_what_is_wrong(db: None, command: tuple[str, ...], part: str) -> None:
    with pytest.raises(CommandError, match=part):
        call_command(*command)
    assert not Workspace.objects.exists()


def test_a_taken_slug_is_refused(workspace: Workspace) -> None:
    with pytest.raises(CommandError, match="already"):
        call_command("create_workspace", workspace.slug)


# --- rotating, and keys that issue keys --------------------------------------------------------


def rotated(key: ApiKey, hours: float = 24, **fields: object) -> str:
    overlap = timedelta(hours=hours)
    _, token = rotate_api_key(key, overlap=overlap, actor="user:ada", **fields)  # type: ignore[arg-type]
    return token


def test_after_a_rotation_both_secrets_open_until_the_overlap_is_over(
    workspace: Workspace,
) -> None:
    key, old = issued(workspace)
    new = rotated(key)
    assert new != old
    assert authenticate_key(new).pk == authenticate_key(old).pk == key.pk
    later = timezone.now() + timedelta(hours=24, seconds=1)
    assert authenticate_key(new, now=later).pk == key.pk
    assert refusal(old, now=later).code == "key_unknown"
    event = AuditEvent.objects.get(action="api_key.rotated")
    assert event.detail == {"overlap_seconds": 86400}


def test_a_second_rotation_ends_the_first_secret_at_once(workspace: Workspace) -> None:
    key, first = issued(workspace)
    second = rotated(key)
    third = rotated(key)
    assert refusal(first).code == "key_unknown"
    assert authenticate_key(second).pk == authenticate_key(third).pk == key.pk


def test_without_overlap_the_old_secret_ends_at_once(workspace: Workspace) -> None:
    key, old = issued(workspace)
    assert authenticate_key(rotated(key, 0)).pk == key.pk
    assert refusal(old).code == "key_unknown"


def test_revoking_ends_both_secrets(workspace: Workspace) -> None:
    key, old = issued(workspace)
    new = rotated(key)
    revoke_api_key(key, actor="user:ada")
    assert {refusal(old).code, refusal(new).code} == {"key_revoked"}
    with pytest.raises(AccountError, match="over"):
        rotated(key)


def test_a_key_gives_on_no_more_scopes_than_it_has(workspace: Workspace) -> None:
    small, _ = issued(workspace, scopes=["workspace:write", "posts:read"])
    everything, _ = issued(workspace)
    child, _ = issued(workspace, scopes=["posts:read"], issuer=small)
    assert child.scopes == ["posts:read"]
    heir, _ = issued(workspace, issuer=small)
    assert heir.scopes == ["posts:read", "workspace:write"]
    with pytest.raises(BeyondOwnRights, match="posts:write"):
        issued(workspace, scopes=["posts:read", "posts:write"], issuer=small)
    for act in (lambda: rotated(everything, issuer=small), lambda: revoke_with(everything, small)):
        with pytest.raises(BeyondOwnRights):
            act()
    everything.refresh_from_db()
    assert (everything.revoked_at, everything.previous_until) == (None, None)
    assert issued(workspace, issuer=everything)[0].scopes == []


def revoke_with(key: ApiKey, issuer: ApiKey) -> ApiKey:
    return revoke_api_key(key, actor="key:x", issuer=issuer)


def test_a_key_issues_none_that_outlives_it(workspace: Workspace) -> None:
    issuer, _ = issued(workspace, valid_for=timedelta(days=2))
    for wish in (None, timedelta(days=365)):
        child, _ = issued(workspace, valid_for=wish, issuer=issuer)
        assert child.expires_at == issuer.expires_at
    short, _ = issued(workspace, valid_for=timedelta(days=1), issuer=issuer)
    assert short.expires_at is not None
    assert short.expires_at < issuer.expires_at
