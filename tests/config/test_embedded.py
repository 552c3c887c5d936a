"""What `manage.py run` provides by itself, and what it never touches."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config.embedded import provisions
from config.sandbox import IMITATIONS
from tests.environment import ROOT, declared_variables

ASK = "import sys; from config.embedded import *; {}; import os; print(os.environ.get(sys.argv[1]))"
PREPARE = "prepare_environment(sandbox=True)"


def ask(name: str, given: dict[str, str], *, call: str = PREPARE) -> str:
    """Return what variable `name` is after `call` in a fresh process under `given`."""
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(call), name],
        env={"PATH": os.environ["PATH"], **given},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout or done.stderr).strip()


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    return {
        "VAR_DIR": str(tmp_path / "var"),
        "CARILLON_ENV_FILES": str(tmp_path / "var/embedded.env"),
    }


def test_secrets_are_made_once_for_this_user_alone(given: dict[str, str]) -> None:
    directory = Path(given["VAR_DIR"])
    first = ask("SECRET_KEY", given)
    assert len(first) >= 50
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "embedded.env").stat().st_mode) == 0o600
    assert ask("SECRET_KEY", given) == first
    Fernet(ask("CREDENTIAL_KEYS", given))
    assert ask("CALLBACK_SECRET", given).startswith("whsec_")


def test_two_installations_share_no_secret(given: dict[str, str], tmp_path: Path) -> None:
    other = {
        "VAR_DIR": str(tmp_path / "other"),
        "CARILLON_ENV_FILES": str(tmp_path / "other/embedded.env"),
    }
    for name in ("SECRET_KEY", "CREDENTIAL_KEYS", "CALLBACK_SECRET"):
        assert ask(name, given) != ask(name, other)


def test_what_the_environment_says_wins(given: dict[str, str]) -> None:
    assert ask("SECRET_KEY", {**given, "SECRET_KEY": "mine"}) == "mine"
    assert ask("PUBLIC_URL", {**given, "PUBLIC_URL": "https://x.test"}) == "https://x.test"


def test_what_dot_env_says_wins(given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET_KEY=mine\nX_API_BASE=https://example.test\n")
    files = f"{tmp_path / '.env'}:{given['CARILLON_ENV_FILES']}"
    assert ask("SECRET_KEY", {**given, "CARILLON_ENV_FILES": files}) == "mine"
    assert ask("X_API_BASE", {**given, "CARILLON_ENV_FILES": files}) == "https://example.test"
    assert ask("TWITTER_API_KEY", {**given, "CARILLON_ENV_FILES": files}) == "None"


def test_x_points_at_the_sandbox_s_port_of_this_run() -> None:
    assert provisions({}, sandbox=True)["X_API_BASE"] == "http://127.0.0.1:8010/x"
    assert provisions({"SANDBOX_PORT": "9"}, sandbox=True)["X_API_BASE"] == "http://127.0.0.1:9/x"


@pytest.mark.parametrize(
    ("slug", "name"), [(slug, name) for slug, one in IMITATIONS.items() for name in one.variables]
)
def test_credentials_of_a_real_network_never_meet_the_sandbox(slug: str, name: str) -> None:
    provided = provisions({name: "real"}, sandbox=True)
    assert provided.keys().isdisjoint(IMITATIONS[slug].variables)
    others = [one.variables for other, one in IMITATIONS.items() if other != slug]
    assert all(not names.isdisjoint(provided) for names in others if name not in names)


def test_without_sandbox_nothing_points_at_it() -> None:
    assert "8010" not in str(provisions({}, sandbox=False))
    assert "PRIVATE_HOSTS_ALLOWED" not in provisions({}, sandbox=False)


def test_every_variable_provided_is_one_that_settings_read() -> None:
    assert set(provisions({}, sandbox=True)) <= set(declared_variables())


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_a_senseless_port_is_one_line(given: dict[str, str], port: str) -> None:
    said = ask("PORT", {**given, "PORT": port})
    assert said == f"PORT must be a port number from 1 to 65535, not {port!r}."


def test_a_command_beside_a_run_shares_its_addresses_and_later_ones_do_not(
    given: dict[str, str],
) -> None:
    join = "join_running_installation()"
    hold = (
        "prepare_environment(sandbox=True); hold_installation(); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", ASK.format(hold), ""],
        env={"PATH": os.environ["PATH"], **given, "SANDBOX_PORT": "8123"},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "held\n"
        assert ask("X_API_BASE", given, call=join) == "http://127.0.0.1:8123/x"
        assert ask("X_API_BASE", {**given, "X_API_BASE": "mine"}, call=join) == "mine"
        assert "AlreadyRunning" in ask("", given, call="hold_installation()")
        running.communicate()
    assert ask("X_API_BASE", given, call=join) == "None"


def test_the_users_own_secrets_are_not_copied_into_a_file(
    given: dict[str, str],
) -> None:
    call = "prepare_environment(sandbox=True); hold_installation()"
    ask("", {**given, "TWITTER_API_SECRET": "hush-hush", "SECRET_KEY": "hush-too"}, call=call)
    written = "".join(path.read_text() for path in Path(given["VAR_DIR"]).glob("*.env"))
    assert "PUBLIC_URL" in written
    assert "hush" not in written
