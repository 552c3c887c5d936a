from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from accounts.models import Workspace
from platforms import rotation
from platforms.credentials import rotate
from platforms.models import SocialConnection
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(settings: LazySettings) -> tuple[str, str]:
    old, new = (Fernet.generate_key().decode() for _ in "12")
    settings.CREDENTIAL_KEYS = [old]
    return old, new


def run() -> str:
    out = io.StringIO()
    call_command("rotate_keys", stdout=out)
    return out.getvalue()


def test_all_secrets_get_the_first_key_and_the_old_one_can_go(
    workspace: Workspace, settings: LazySettings, keys: tuple[str, str]
) -> None:
    old, new = keys
    connections = [make_connection(workspace, credentials={"n": str(n)}) for n in range(5)]
    settings.CREDENTIAL_KEYS = [new, old]
    assert run() == "5 encrypted anew, 0 had the first key already\n"
    settings.CREDENTIAL_KEYS = [new]
    for number, connection in enumerate(connections):
        connection.refresh_from_db()
        assert connection.get_credentials() == {"n": str(number)}
        assert connection.version == 1  # the credentials are the same: nobody need load them anew


def test_a_run_that_broke_off_goes_on_where_it_was(
    workspace: Workspace,
    settings: LazySettings,
    keys: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(7):
        make_connection(workspace)
    settings.CREDENTIAL_KEYS = list(reversed(keys))
    monkeypatch.setattr(rotation, "BATCH_ROWS", 2)
    monkeypatch.setattr(rotation, "rotate", _dies_after(3))
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(rotation, "rotate", rotate)
    assert run() == "4 encrypted anew, 3 had the first key already\n"


def _dies_after(count: int) -> Callable[[bytes], bytes]:
    left = count

    def rotate_or_die(token: bytes) -> bytes:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return rotate(token)

    return rotate_or_die


def test_credentials_changed_meanwhile_are_not_overwritten(
    workspace: Workspace,
    settings: LazySettings,
    keys: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = make_connection(workspace, credentials={"token": "old"})
    settings.CREDENTIAL_KEYS = list(reversed(keys))

    def rotate_while_somebody_reconnects(token: bytes) -> bytes:
        current = SocialConnection.objects.get(pk=connection.pk)
        current.set_credentials({"token": "new"})
        current.save()
        return rotate(token)

    monkeypatch.setattr(rotation, "rotate", rotate_while_somebody_reconnects)
    assert run() == "0 encrypted anew, 1 had the first key already\n"
    connection.refresh_from_db()
    assert connection.get_credentials() == {"token": "new"}


def test_secrets_no_key_opens_are_named_and_the_others_rotated(
    workspace: Workspace, settings: LazySettings, keys: tuple[str, str]
) -> None:
    make_connection(workspace)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    lost = make_connection(workspace)
    settings.CREDENTIAL_KEYS = list(reversed(keys))
    with pytest.raises(CommandError, match=str(lost.pk)):
        run()
    assert run_again_is_current(lost)


def run_again_is_current(lost: SocialConnection) -> bool:
    report = rotation.rotate_all()
    return report.current == 1 and report.unreadable == [lost.pk]


def test_a_wrong_key_is_named(settings: LazySettings) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), "nonsense"]
    with pytest.raises(CommandError, match="Key 2 of CREDENTIAL_KEYS"):
        run()
