from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection as database
from django.utils import timezone

from accounts.models import Workspace
from engine.models import Installation, Pause, WorkerSlot
from engine.slots import CLUSTER
from platforms.adapters.base import ApiVersion
from platforms.models import ConnectionState, SocialConnection
from platforms.registry import ADAPTERS, adapter_for
from scheduling import pauses
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user

pytestmark = pytest.mark.django_db


def examine(*options: str, exit_code: int = 0) -> dict[str, dict[str, str]]:
    """Run the command and return the findings by name; the worst of each name wins."""
    out = io.StringIO()
    ended = 0
    try:
        call_command("doctor", "--json", *options, stdout=out)
    except SystemExit as error:
        ended = int(error.code or 0)
    findings = json.loads(out.getvalue())
    assert ended == exit_code, findings
    order = ["ok", "warn", "FAIL"]
    return {f["name"]: f for f in sorted(findings, key=lambda f: order.index(f["level"]))}


def running(kind: str, count: int = 1) -> None:
    now = timezone.now()
    for _ in range(count):
        WorkerSlot.objects.create(
            kind=kind, host="here", pid=1, started_at=now, heartbeat_at=now + timedelta(minutes=1)
        )


@pytest.fixture
def connection(workspace: Workspace) -> SocialConnection:
    return make_connection(workspace, credentials={"access_token": "demo-ada"})


@pytest.fixture
def alive(settings: LazySettings) -> None:
    running(CLUSTER)
    running("publish", settings.PUBLISHER_SLOTS)
    running("notify", settings.NOTIFIER_SLOTS)
    Installation.objects.create(pk=1, canary_at=timezone.now())


@pytest.mark.usefixtures("alive", "connection")
def test_an_installation_that_works_has_nothing_but_ok() -> None:
    findings = examine()
    assert "appendonly" in findings.pop("broker")["remedy"]  # as the tests' own server is run
    assert {finding["level"] for finding in findings.values()} == {"ok"}, findings
    assert {"settings", "database", "migrations", "clock", "cache", "media"} <= set(findings)
    assert {"slots.publish", "slots.notify", "canary", "posts", "installation"} <= set(findings)
    assert {"credentials", "platforms.x", "email", "callbacks", "site"} <= set(findings)


@pytest.mark.usefixtures("alive")
def test_each_finding_is_one_line_for_people() -> None:
    out = io.StringIO()
    call_command("doctor", stdout=out)
    lines = out.getvalue().splitlines()
    assert "ok   migrations: All are applied." in lines
    assert all(line.startswith(("ok   ", "warn ", "FAIL ")) for line in lines)


@pytest.mark.parametrize(
    ("variable", "value", "name", "level", "words"),
    [
        ("CREDENTIAL_KEYS", [], "credentials", "FAIL", "CREDENTIAL_KEYS is empty"),
        ("CREDENTIAL_KEYS", ["x"], "credentials", "FAIL", "Key 1 of CREDENTIAL_KEYS"),
        ("CALL_DEADLINE", timedelta(60), "settings", "FAIL", "CALL_DEADLINE_SECONDS"),
        ("CALLBACK_SECRET", ["x"], "settings", "FAIL", "CALLBACK_SECRET"),
        ("DEBUG", True, "settings", "warn", "DEBUG"),
        ("MEDIA_ROOT", "/proc/nowhere", "media", "FAIL", "MEDIA_ROOT"),
        ("PUBLIC_URL", "post.example.org", "site", "FAIL", "PUBLIC_URL"),
        ("PUBLIC_URL", "https://post.example.org", "site", "FAIL", "ALLOWED_HOSTS"),
        ("PUBLIC_URL", "https://localhost", "site", "warn", "SECURE_COOKIES"),
        ("SECURE_COOKIES", True, "site", "warn", "PUBLIC_URL"),
        ("EMAIL_FROM", "post@example.org", "email", "warn", "EMAIL_URL"),
        ("DJANGO_API_URL", "app.example.org", "callbacks", "FAIL", "DJANGO_API_URL"),
        ("DJANGO_API_URL", "http://app.example.org", "callbacks", "warn", "DJANGO_API_URL"),
    ],
)
@pytest.mark.usefixtures("alive")
def test_a_wrong_variable_is_named(
    settings: LazySettings, variable: str, value: object, name: str, level: str, words: str
) -> None:
    if variable == "EMAIL_FROM":
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    setattr(settings, variable, value)
    finding = examine(exit_code=int(level == "FAIL"))[name]
    assert finding["level"] == level
    assert words in finding["sentence"] + finding["remedy"]


@pytest.mark.usefixtures("alive")
def test_staff_who_log_in_by_password_alone_are_counted(settings: LazySettings) -> None:
    make_user(is_staff=True)
    finding = examine()["staff"]
    assert finding["level"] == "warn"
    assert "1 of 1" in finding["sentence"]
    assert "STAFF_NEED_SECOND_FACTOR" in finding["remedy"]
    settings.STAFF_NEED_SECOND_FACTOR = True
    assert examine()["staff"]["level"] == "ok"


def test_an_unreachable_cache_is_named_and_no_password_is_shown(settings: LazySettings) -> None:
    broken = "redis://:s3cret@127.0.0.1:1/0"
    settings.REDIS_URL = broken
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": broken}
    }
    findings = examine(exit_code=1)
    assert "REDIS_URL" in findings["cache"]["remedy"]
    assert "s3cret" not in json.dumps(findings)


def test_without_slots_the_command_to_start_is_named() -> None:
    findings = examine(exit_code=1)
    assert findings["slots.publish"]["level"] == "FAIL"
    assert "manage.py qcluster" in findings["slots.publish"]["remedy"]
    assert findings["canary"]["level"] == "warn"


@pytest.mark.usefixtures("alive")
def test_a_queue_that_runs_no_tasks_is_told_from_one_that_is_not_running() -> None:
    Installation.objects.update(canary_at=timezone.now() - timedelta(minutes=5))
    finding = examine(exit_code=1)["canary"]
    assert finding["level"] == "FAIL"
    assert "QUEUE_NAME" in finding["remedy"]


@pytest.mark.usefixtures("alive")
def test_overdue_stuck_and_doubtful_posts_are_counted(
    connection: SocialConnection, settings: LazySettings
) -> None:
    make_post(connection, due_at=timezone.now() - timedelta(minutes=3))
    assert "1 overdue, the oldest by 3 min" in examine()["posts"]["sentence"]
    ScheduledPost.objects.update(due_at=timezone.now() - 2 * settings.STUCK_THRESHOLD)
    assert examine(exit_code=1)["posts"]["level"] == "FAIL"
    ScheduledPost.objects.update(
        state=PostState.PUBLISHING,
        due_at=None,
        lease_slot=1,
        lease_expires_at=timezone.now(),
        sent_at=timezone.now() - timedelta(minutes=5),
    )
    assert "hang in publishing" in examine(exit_code=1)["posts"]["sentence"]
    ScheduledPost.objects.update(state=PostState.OUTCOME_UNKNOWN, lease_slot=None)
    assert "wait for a person" in examine()["posts"]["sentence"]


@pytest.mark.usefixtures("alive")
def test_a_paused_installation_is_shown_with_its_reason() -> None:
    Installation.objects.update(paused=True, pause_reason="This looks like a restored copy.")
    finding = examine()["installation"]
    assert finding["level"] == "warn"
    assert "restored copy" in finding["sentence"]


@pytest.mark.usefixtures("alive")
def test_secrets_of_lost_and_of_older_keys_are_told_apart(
    connection: SocialConnection, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *settings.CREDENTIAL_KEYS]
    assert "rotate_keys" in examine()["credentials"]["remedy"]
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    finding = examine(exit_code=1)["credentials"]
    assert "1 of 1 stored secrets cannot be opened" in finding["sentence"]


@pytest.mark.usefixtures("alive")
def test_a_network_without_the_settings_its_accounts_need_fails(workspace: Workspace) -> None:
    make_connection(workspace, platform="x")  # OAuth 1.0a tokens, and no consumer key
    finding = examine(exit_code=1)["platforms.x"]
    assert "TWITTER_API_KEY" in finding["sentence"]


@pytest.mark.usefixtures("alive")
def test_accounts_to_reconnect_are_counted(workspace: Workspace) -> None:
    make_connection(workspace, platform="mastodon", state=ConnectionState.NEEDS_RECONNECT)
    assert "1 of 1 accounts" in examine()["platforms.mastodon"]["sentence"]


@pytest.mark.usefixtures("alive")
def test_the_networks_of_connected_accounts_are_knocked_at_on_request(
    workspace: Workspace, sandbox_url: str
) -> None:
    for url in (f"{sandbox_url}/mastodon/social", "http://127.0.0.1:1"):
        make_connection(
            workspace, platform="mastodon", credentials={"instance_url": url, "access_token": "t"}
        )
    out = io.StringIO()
    call_command("doctor", "--network", stdout=out)
    lines = [line for line in out.getvalue().splitlines() if "network." in line]
    assert len(lines) == 2
    assert lines[0].startswith("warn network.mastodon: 127.0.0.1:1 cannot be reached")
    assert lines[1].startswith("ok   network.mastodon")


def test_every_adapter_names_the_variables_of_its_settings() -> None:
    for slug in ADAPTERS:
        adapter = adapter_for(slug)
        assert all(hasattr(adapter.config, field) for field in adapter.config_variables)


def test_missing_tables_are_one_finding_not_many() -> None:
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'scheduling'")
    findings = examine(exit_code=1)
    assert "manage.py migrate" in findings["migrations"]["remedy"]
    assert "slots.publish" not in findings


@pytest.mark.usefixtures("alive")
def test_posts_with_warnings_and_held_posts_are_counted(connection: SocialConnection) -> None:
    found = [{"code": "token_ends", "message": "The access ends: reconnect."}]
    hour = timedelta(hours=1)
    make_post(connection, due_at=timezone.now() + 3 * hour, warnings=found)
    make_post(connection, due_at=timezone.now() + 30 * hour, warnings=found)
    make_post(connection, due_at=timezone.now() + 3 * hour)
    make_post(connection, state=PostState.HELD)
    findings = examine()
    assert findings["preflight"]["level"] == findings["held"]["level"] == "warn"
    assert findings["preflight"]["sentence"].startswith("1 of the posts")
    assert findings["held"]["sentence"].startswith("1 found later")


@pytest.mark.usefixtures("alive")
def test_an_application_set_up_by_half_is_named(settings: LazySettings) -> None:
    half = {**settings.PLATFORMS["x"], "consumer_key": "key", "client_id": "a-public-client"}
    settings.PLATFORMS = {**settings.PLATFORMS, "x": half}
    adapter_for.cache_clear()
    try:
        finding = examine()["applications"]
    finally:
        adapter_for.cache_clear()
    assert finding["level"] == "warn"
    assert "TWITTER_API_SECRET is empty" in finding["sentence"]
    assert "TWITTER_CLIENT_SECRET" not in finding["sentence"]  # public clients have none


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [(61, "ok", "None ends within 60 days"), (60, "warn", "in 60 days"), (-1, "FAIL", "ended on")],
)
@pytest.mark.usefixtures("alive")
def test_ends_of_networks_versions_are_told_in_time(
    monkeypatch: pytest.MonkeyPatch, days: int, level: str, words: str
) -> None:
    ends = timezone.now().date() + timedelta(days=days)
    versions = [ApiVersion("A_VERSION", "v1", ends), ApiVersion("B_VERSION", "v2", None)]
    for adapter in set(ADAPTERS.values()):
        monkeypatch.setattr(adapter, "api_versions", lambda self: [])
    monkeypatch.setattr(ADAPTERS["x"], "api_versions", lambda self: versions)
    finding = examine(exit_code=int(level == "FAIL"))["versions"]
    assert finding["level"] == level
    assert words in finding["sentence"]
    assert ("A_VERSION" in finding["remedy"]) == (level != "ok")


@pytest.mark.usefixtures("alive")
def test_what_staff_have_stopped_is_named_and_its_posts_are_not_called_overdue(
    connection: SocialConnection,
) -> None:
    make_post(connection, due_at=timezone.now() - timedelta(hours=1))
    assert examine(exit_code=1)["posts"]["level"] == "FAIL"
    pauses.pause(Pause.Scope.PLATFORM, "sandbox", actor="user:ada", reason="maintenance")
    found = examine()
    assert "Sandbox is paused by ada" in found["pauses.platform"]["sentence"]
    assert found["posts"]["level"] == "ok"
