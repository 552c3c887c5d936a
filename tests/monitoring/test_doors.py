"""/health, /ready and /metrics of the site: who may look, and in which shapes they answer."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

from engine import slots
from engine.models import Installation, Pause, RateLimitState, WorkerSlot
from monitoring import census, exposition, readiness, rollups, views
from monitoring.asking import Question
from monitoring.readiness import Check, Machine
from notifications.models import Delivery
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.records import record
from scheduling.states import PostState
from tests.factories import make_connection, make_post, make_user
from tests.monitoring.here import ask_here
from tests.scheduling.claimed import WORKER, again, marked, published

S = PostState


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    readiness.forget()
    yield
    readiness.forget()


@pytest.fixture
def asked_here(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """Ask on the test's own thread, whose transaction the rows are in."""

    ask_here(monkeypatch)


def _well() -> WorkerSlot:
    """Make rows as a running installation has them."""
    slot = slots.open_slot("publish")
    assert slot is not None
    slots.beat(slot, in_flight=2)
    Installation.objects.update_or_create(pk=1, defaults={"canary_at": timezone.now()})
    return WorkerSlot.objects.get(pk=slot)


def _ready(client: Client) -> tuple[int, dict[str, Any]]:
    answer = client.get("/ready")
    return answer.status_code, answer.json()


# --- /health --------------------------------------------------------------------------------
def test_health_has_the_predecessors_shape_and_asks_nobody(
    client: Client, django_assert_num_queries: Any, db: None
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/health", headers={"Host": "10.1.2.3:8000"})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["service"], body["worker"]) == ("healthy", "carillon", "web")
    assert body["uptime"] > 0
    assert {"rss", "heapTotal", "heapUsed", "external"} <= body["memory"].keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/health", "/health/", "/ready", "/metrics"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    answer = client.post(path)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_other_addresses_are_passed_on(client: Client, db: None) -> None:
    assert client.get("/healthy").status_code == 404


# --- /ready ---------------------------------------------------------------------------------
@pytest.mark.usefixtures("asked_here")
def test_a_running_installation_is_ready_in_the_predecessors_shape(client: Client) -> None:
    _well()
    status, body = _ready(client)
    assert (status, body["status"], body["failed"]) == (200, "ready", [])
    assert body["worker"] == {"running": True, "activeJobs": 2, "slots": 1, "wanted": 2}
    assert body["redis"] == {"connected": True}
    assert (body["paused"], body["draining"]) == (False, False)
    names = ["database", "migrations", "clock", "slots", "canary", "overdue", "broker"]
    assert list(body["checks"]) == names


@pytest.mark.usefixtures("asked_here")
def test_each_thing_that_is_missing_is_named(
    client: Client, connection: SocialConnection, settings: Any
) -> None:
    slot = _well()
    late = timezone.now() - timedelta(minutes=5)
    make_post(connection, due_at=late)
    Installation.objects.update(canary_at=late)
    WorkerSlot.objects.filter(pk=slot.pk).update(heartbeat_at=late)
    settings.READY_CLOCK_OFFSET = timedelta(seconds=-1)
    status, body = _ready(client)
    assert status == 503
    assert body["failed"] == ["clock", "slots", "canary", "overdue"]
    assert body["worker"]["running"] is False
    assert "waited 30" in body["checks"]["overdue"]["message"]


@pytest.mark.usefixtures("asked_here")
def test_an_outage_is_logged_when_it_begins_and_ends_not_at_every_probe(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(readiness, "REMEMBERED_SECONDS", 0.0)
    for _ in range(3):
        assert _ready(client)[0] == 503
    _well()
    for _ in range(2):
        assert _ready(client)[0] == 200
    assert caplog.messages == ["readiness.lost", "readiness.regained"]


@pytest.mark.usefixtures("asked_here")
def test_a_claimed_post_that_is_stuck_is_overdue_too(
    client: Client, connection: SocialConnection
) -> None:
    _well()
    late = timezone.now() - timedelta(minutes=5)
    make_post(connection, due_at=late, lease_slot=7, lease_expires_at=timezone.now())
    assert _ready(client)[1]["failed"] == ["overdue"]


@pytest.mark.usefixtures("asked_here")
def test_while_sending_is_paused_posts_may_wait(
    client: Client, connection: SocialConnection
) -> None:
    _well()
    Installation.objects.update(paused=True, pause_reason="of no concern to visitors")
    make_post(connection, due_at=timezone.now() - timedelta(minutes=5))
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["paused"]) == (200, True)
    assert b"no concern" not in answer.content


@pytest.mark.usefixtures("asked_here")
@pytest.mark.parametrize("key", [Pause.ALL_HOSTS, ""])
def test_while_every_host_drains_posts_may_wait(
    client: Client, connection: SocialConnection, key: str
) -> None:
    slot = _well()
    make_post(connection, due_at=timezone.now() - timedelta(minutes=5))
    Pause.objects.create(scope="host", key="elsewhere", by="user:ada")
    assert _ready(client)[1]["failed"] == ["overdue"]
    Pause.objects.create(scope="host", key=key or slot.host, by="user:ada", reason="a secret plan")
    readiness.forget()
    answer = client.get("/ready")
    body = answer.json()
    assert (answer.status_code, body["draining"], body["paused"]) == (200, True, False)
    assert "Every host drains, so posts may wait." in body["checks"]["overdue"]["message"]
    assert b"secret plan" not in answer.content


@pytest.mark.usefixtures("asked_here")
def test_ready_metrics_and_operations_page_tell_the_same_oldest_post(
    client: Client, connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "REMEMBERED_SECONDS", 0.0)
    _well()
    now = timezone.now()
    paused = make_connection()
    make_post(make_connection(platform="mastodon"), due_at=now - timedelta(hours=3))
    make_post(paused, due_at=now - timedelta(hours=2))
    make_post(connection, due_at=now - timedelta(seconds=90))
    Pause.objects.create(scope="platform", key="mastodon", by="user:ada")
    Pause.objects.create(scope="workspace", key=str(paused.workspace_id), by="user:ada")
    client.force_login(make_user(is_staff=True, is_superuser=True))

    def told() -> tuple[str, float, str, str]:
        metrics = _samples(client)
        page = client.get("/admin/").context["operations"]
        figures = {one.label: one for group in page["groups"] for one in group.figures}
        return (
            _ready(client)[1]["checks"]["overdue"]["message"],
            metrics["carillon_oldest_due_age_seconds", ()] + metrics["carillon_due_posts", ()],
            figures["the oldest due post waits"].number,
            figures["overdue"].number,
        )

    sentence, metric, figure, overdue = told()
    assert re.search(r"has waited (9\d|1[01]\d) s", sentence)
    assert metric == pytest.approx(91, abs=20)
    assert figure.startswith("1 min")
    assert overdue == "1"
    ScheduledPost.objects.filter(connection=connection).delete()
    assert told() == ("The oldest due post has waited 0 s.", 0, "-", "0")


@pytest.mark.usefixtures("asked_here")
def test_missing_migrations_are_named_and_nothing_else_is_asked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness.MigrationExecutor, "migration_plan", lambda *_: [("m", False)])
    status, body = _ready(client)
    assert (status, body["failed"]) == (503, ["migrations"])


@pytest.mark.usefixtures("asked_here")
def test_slots_that_all_retire_are_draining(client: Client) -> None:
    slot = _well()
    WorkerSlot.objects.filter(pk=slot.pk).update(retiring=True)
    assert _ready(client)[1]["draining"] is True


def test_whoever_hangs_is_named_in_time_and_asked_only_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[float] = []
    hangs = True

    def hang() -> tuple[list[Check], Machine | None]:
        began.append(time.monotonic())
        while hangs:
            time.sleep(0.01)
        return [Check("database", True, "back")], None

    monkeypatch.setattr(readiness, "DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr(readiness, "_database", Question("database", hang))
    for _ in range(3):
        readiness.forget()
        status, body = _ready(client)
        assert (status, body["failed"]) == (503, ["database"])
    assert len(began) == 1
    hangs = False


def test_a_refusing_broker_is_named_without_its_address(settings: Any) -> None:
    settings.REDIS_URL = "redis://:secret@127.0.0.1:1/0"
    ((check,), _) = readiness._ask_broker()
    assert (check.name, check.ok) == ("broker", False)
    assert "secret" not in check.message


def test_a_refusing_database_is_named(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    def refuse() -> None:
        raise DatabaseError("password authentication failed for secret")

    with monkeypatch.context() as away:
        away.setattr(readiness.connection, "ensure_connection", refuse)
        ((check,), _) = readiness._ask_database()
    assert (check.name, check.ok) == ("database", False)
    assert "secret" not in check.message


# --- who may read the metrics ---------------------------------------------------------------
@pytest.mark.usefixtures("asked_here")
def test_without_a_token_the_own_networks_may_read(client: Client, settings: Any) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 403
    settings.METRICS_NETWORKS = ["203.0.113.0/24"]
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="").status_code == 403


@pytest.mark.usefixtures("asked_here")
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_proxys_visitors_are_not_the_proxy(client: Client, header: str) -> None:
    assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 403


@pytest.mark.usefixtures("asked_here")
def test_with_a_token_everybody_needs_it(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "right"
    refused = client.get("/metrics")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    for header in ("Bearer wrong", "Basic right", "right", "Bearer é"):
        assert client.get("/metrics", headers={"Authorization": header}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer right"}).status_code == 200


# --- /metrics -------------------------------------------------------------------------------
def _samples(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = client.get("/metrics").content.decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(text)
        for sample in family.samples
    }


@pytest.mark.usefixtures("asked_here")
def test_what_happened_is_told_and_survives_folding(
    client: Client, connection: SocialConnection
) -> None:
    record([published(marked(make_post(connection))[0], "1")], worker=WORKER)
    record([again(marked(make_post(connection))[0])], worker=WORKER)
    before = _samples(client)
    on = ("platform", "sandbox")
    assert before["carillon_posts_reached_total", (on, ("state", "published"))] == 1
    failed = (("category", "server_error"), ("outcome", "failed"), on)
    assert before["carillon_attempts_total", tuple(sorted(failed))] == 1
    assert before["carillon_lateness_seconds_count", (on,)] == 2
    assert before["carillon_call_seconds_count", (on,)] == 2
    infinite = tuple(sorted((("le", "+Inf"), on)))
    assert before["carillon_call_seconds_bucket", infinite] == 2
    rollups.fold()
    after = _samples(client)
    history = [key for key in before if key[0].endswith(("_total", "_count", "_bucket", "_sum"))]
    assert {key: after[key] for key in history} == {key: before[key] for key in history}


@pytest.mark.usefixtures("asked_here")
def test_pauses_and_drains_are_told_without_names_of_people_or_hosts(
    client: Client, connection: SocialConnection
) -> None:
    _well()
    workspace = str(connection.workspace_id)
    for scope, key in (("platform", "x"), ("workspace", workspace), ("host", "*")):
        Pause.objects.create(scope=scope, key=key, by="user:ada")
    found = _samples(client)
    counts = [found["carillon_pauses", (("scope", s),)] for s in Pause.Scope.values]
    assert (counts, found["carillon_draining", ()]) == ([1, 1, 1], 1)
    Pause.objects.filter(scope="host").delete()
    found = _samples(client)
    assert found["carillon_platform_stopped", (("platform", "x"),)] == 1
    assert found["carillon_platform_stopped", (("platform", "mastodon"),)] == 0
    page = client.get("/metrics").content.decode()
    assert workspace not in page
    assert "ada" not in page


@pytest.mark.usefixtures("asked_here")
def test_what_is_there_is_told(client: Client, connection: SocialConnection) -> None:
    _well()
    Installation.objects.update(paused=True)
    make_post(connection, due_at=timezone.now() - timedelta(seconds=90))
    make_post(connection, state=S.DRAFT)
    now = timezone.now()
    telegram = make_connection(
        connection.workspace, platform="sandbox", expires_at=now + timedelta(hours=5)
    )
    RateLimitState.objects.create(
        scope="connection", key=str(telegram.pk), platform="sandbox", limit=10, remaining=4,
        resets_at=now + timedelta(minutes=1), breaker="open", blocked_until=now + timedelta(60),
    )  # fmt: skip
    assert census.take() is not None
    found = _samples(client)
    on = ("platform", "sandbox")
    assert found["carillon_posts", (on, ("state", "draft"))] == 1
    assert found["carillon_due_posts", ()] == 1
    assert found["carillon_oldest_due_age_seconds", ()] == pytest.approx(90, abs=20)
    assert found["carillon_slots", (("kind", "publish"),)] == 1
    assert found["carillon_slots_wanted", (("kind", "publish"),)] == 2
    assert found["carillon_in_flight", (("kind", "publish"),)] == 2
    assert found["publisher_active_jobs", ()] == 2
    assert found["publisher_uptime_seconds", ()] == 0
    assert found["carillon_paused", ()] == 1
    assert found["carillon_draining", ()] == 0
    assert found["carillon_platform_stopped", (on,)] == 1  # as everything is
    in_scope = (on, ("scope", "connection"))
    assert found["carillon_breakers", (*in_scope, ("state", "open"))] == 1
    assert found["carillon_breakers", (*in_scope, ("state", "half_open"))] == 0
    assert found["carillon_limits_blocked", in_scope] == 1
    in_bucket = (("bucket", "publish"), *in_scope)
    assert found["carillon_rate_limit_remaining", in_bucket] == 4
    assert found["carillon_rate_limit_remaining_ratio", in_bucket] == pytest.approx(0.4)
    assert found["carillon_connections", (on, ("state", "active"))] == 2
    assert "carillon_census_age_seconds" in {name for name, _ in found}
    build = [labels for name, labels in found if name == "carillon_build_info"]
    assert dict(build[0])["version"] == "0.1.0"


@pytest.mark.usefixtures("asked_here")
def test_the_format_is_the_one_asked_for(client: Client, connection: SocialConnection) -> None:
    record([published(marked(make_post(connection))[0], "1")], worker=WORKER)
    plain = client.get("/metrics")
    assert plain["Content-Type"].startswith("text/plain; version=")
    assert b"# EOF" not in plain.content
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5"
    open_one = client.get("/metrics", headers={"Accept": accept})
    assert open_one["Content-Type"].startswith("application/openmetrics-text")
    assert {family.name for family in openmetrics(open_one.content.decode())} == {
        family.name for family in families(plain.content.decode())
    }


@pytest.mark.usefixtures("asked_here")
def test_a_broker_that_is_away_costs_one_metric(client: Client, settings: Any) -> None:
    assert "carillon_task_queue_depth" in client.get("/metrics").content.decode()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert "carillon_task_queue_depth" not in client.get("/metrics").content.decode()


def test_a_database_that_hangs_is_an_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = True

    def hang() -> tuple[bytes, str]:
        while hangs:
            time.sleep(0.01)
        return b"", ""

    monkeypatch.setattr(views, "SCRAPE_SECONDS", 0.1)
    monkeypatch.setattr(views, "_text", Question("metrics", hang))
    assert client.get("/metrics").status_code == 503
    hangs = False


@pytest.mark.usefixtures("asked_here")
def test_a_scrape_asks_a_bounded_number_of_questions(
    client: Client, connection: SocialConnection, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        make_post(connection, due_at=timezone.now())
    with django_assert_max_num_queries(35):
        client.get("/metrics")


# --- the census -----------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_queue_is_logged_in_the_predecessors_form(
    connection: SocialConnection, caplog: pytest.LogCaptureFixture
) -> None:
    for state, number in ((S.PUBLISHED, 4), (S.FAILED, 1), (S.OUTCOME_UNKNOWN, 2)):
        for _ in range(number):
            make_post(connection, state=state)
    for _ in range(3):
        make_post(connection, due_at=timezone.now() - timedelta(seconds=1))
    make_post(connection, due_at=timezone.now() + timedelta(days=1))
    with caplog.at_level("INFO", logger="carillon.queue"):
        census.take()
    (line,) = [r for r in caplog.records if r.name == "carillon.queue"]
    assert line.getMessage() == "Queue Stats - Waiting: 3, Active: 2, Completed: 4, Failed: 1"
    assert (line.waiting, line.active, line.completed, line.failed) == (3, 2, 4, 1)


@pytest.mark.django_db
def test_a_second_cluster_does_not_count_again_at_once() -> None:
    assert census.take() is not None
    assert census.take() is None


@pytest.mark.django_db
def test_counting_that_takes_long_is_done_less_often() -> None:
    census.take()
    then = timezone.now() - timedelta(seconds=60)
    census.Census.objects.update(counted_at=then, took_seconds=10.0)
    assert census.take() is None
    census.Census.objects.update(took_seconds=0.1)
    assert census.take() is not None


@pytest.mark.django_db
def test_tokens_that_renew_themselves_do_not_expire() -> None:
    soon = timezone.now() + timedelta(minutes=30)
    make_connection(platform="x", expires_at=soon)  # renewed: only a refresh token's end counts
    make_connection(platform="mastodon", expires_at=soon)
    figures = census.take()
    assert figures is not None
    assert figures.tokens == {"mastodon": {"expired": 0, "1h": 1, "1d": 1, "7d": 1}}
    assert figures.expires == {"mastodon": pytest.approx(soon.timestamp(), abs=1)}


@pytest.mark.django_db
def test_deliveries_are_counted_by_channel() -> None:
    from notifications.models import Notification

    told = Notification.objects.create(event="post.published", dedupe_key="1")
    Delivery.objects.create(notification=told, channel="email", target="a@example.org")
    figures = census.take()
    assert figures is not None
    assert figures.deliveries == {"email": {"pending": 1}}


def test_every_metric_is_named_as_prometheus_wants(db: None) -> None:
    text = exposition.render(openmetrics=False)[0].decode()
    names = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert len(names) > 20
    for name, kind in names:
        assert re.fullmatch(r"(carillon|publisher)_[a-z_]+", name)
        assert (kind == "counter") == name.endswith("_total"), name
