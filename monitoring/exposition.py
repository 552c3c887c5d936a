"""The metrics themselves: names, words and labels, filled from roll-ups, census and small tables.

Nothing here reads more than a bounded number of rows, and no label comes from a person: platforms,
states, categories and buckets are names of ours.
"""

from __future__ import annotations

import platform as host
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import django
import redis
from django.conf import settings
from django.db.models import Count, F, FloatField, Min, Q, Sum
from django.db.models.functions import Cast
from django_q.brokers import get_broker
from prometheus_client import exposition as text_format
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics_format
from prometheus_client.utils import floatToGoString

from engine import slots
from engine.clock import database_now
from engine.models import Installation, Pause, RateLimitState
from engine.pauses import are_all_hosts_draining
from engine.schedules import slot_kinds
from monitoring import census, readings
from monitoring.due import oldest_due_age, stopped_on_purpose, waiting_halves
from monitoring.sums import Sum as Counted
from platforms.registry import ADAPTERS
from scheduling.models import ScheduledPost, Tally
from scheduling.questions import OPEN
from scheduling.tallies import CALL_SECONDS, LATENESS_SECONDS

COUNTED = 10_000  # a queue longer than this is told as this long
Fact = Tally.Fact


def render(*, openmetrics: bool) -> tuple[bytes, str]:
    """Return the whole page and its content type."""
    form = openmetrics_format if openmetrics else text_format
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Instruments())
    return form.generate_latest(registry), form.CONTENT_TYPE_LATEST


class Instruments:
    """A collector for prometheus-client: every call of `collect` asks the database once more."""

    def describe(self) -> Iterator[Metric]:
        """Say nothing in advance."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield _gauge(
            "carillon_build_info",
            "Which version this is.",
            ("version", "python", "django"),
            {(settings.CARILLON_VERSION, host.python_version(), django.__version__): 1},
        )
        yield from _history()
        yield from _counted()
        yield from _queue()
        yield from _machine()
        yield from _limits()


# --- what happened --------------------------------------------------------------------------
def _history() -> Iterator[Metric]:
    reached = CounterMetricFamily(
        "carillon_posts_reached",
        "Posts that reached a state: an end, or one in which a person is needed.",
        labels=("platform", "state"),
    )
    attempts = CounterMetricFamily(
        "carillon_attempts",
        "Tries to publish that ended; category is why one failed.",
        labels=("platform", "outcome", "category"),
    )
    late: dict[str, Counted] = defaultdict(Counted)
    calls: dict[str, Counted] = defaultdict(Counted)
    for (platform, fact, label, category), counted in sorted(readings.totals().items()):
        if fact == Fact.REACHED:
            reached.add_metric((platform, label), counted.number)
        elif fact == Fact.SENT:
            late[platform].add(counted.number, counted.seconds, counted.buckets)
        else:
            attempts.add_metric((platform, label, category), counted.number)
            calls[platform].add(counted.number, counted.seconds, counted.buckets)
    yield reached
    yield attempts
    yield _histogram(
        "carillon_lateness_seconds",
        "From a post's moment to its first send, once for each post.",
        late,
        LATENESS_SECONDS,
    )
    yield _histogram(
        "carillon_call_seconds", "How long calls that publish took.", calls, CALL_SECONDS
    )


def _histogram(
    name: str, words: str, sums: dict[str, Counted], bounds: Sequence[float]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, words, labels=("platform",))
    for platform, counted in sums.items():
        found = readings.histogram_of(counted, bounds)
        buckets = [
            (floatToGoString(bound), number)  # type: ignore[no-untyped-call]
            for bound, number in found.cumulative()
        ]
        family.add_metric((platform,), buckets, found.seconds)
    return family


# --- what is there --------------------------------------------------------------------------
def _counted() -> Iterator[Metric]:
    figures, counted_at = census.read()
    yield _by_two("carillon_posts", "Posts, by the last census.", "platform", figures.posts)
    yield _by_two(
        "carillon_notifications",
        "Deliveries of notifications, by the last census.",
        "channel",
        figures.deliveries,
    )
    yield _by_two(
        "carillon_connections", "Accounts, by the last census.", "platform", figures.connections
    )
    yield _gauge(
        "carillon_tokens_expiring",
        "Accounts whose owner must connect them again within so long, by the last census.",
        ("platform", "within"),
        {(p, w): n for p, windows in figures.tokens.items() for w, n in windows.items()},
    )
    now = database_now()
    yield _gauge(
        "carillon_token_expiry_timestamp_seconds",
        "When the first account of a platform must have been connected again.",
        ("platform",),
        {(platform,): moment for platform, moment in figures.expires.items()},
    )
    if counted_at is not None:
        age = (now - counted_at).total_seconds()
        yield GaugeMetricFamily(
            "carillon_census_age_seconds", "How old the census is.", max(0.0, age)
        )


def _queue() -> Iterator[Metric]:
    now = database_now()
    parts = [half.filter(due_at__lte=now) for half in waiting_halves()]
    yield GaugeMetricFamily(
        "carillon_due_posts",
        f"Posts whose moment has come and that may go out; at most {2 * COUNTED}.",
        sum(part.order_by()[:COUNTED].count() for part in parts),
    )
    yield GaugeMetricFamily(
        "carillon_oldest_due_age_seconds",
        "How long the oldest of them has been waiting; 0 without any.",
        oldest_due_age(now).total_seconds(),
    )
    yield GaugeMetricFamily(
        "carillon_doubts_waiting",
        f"Posts of which only a person can tell whether they are live; at most {COUNTED}.",
        ScheduledPost.objects.filter(OPEN).order_by()[:COUNTED].count(),
    )
    depth = _task_queue_depth()
    if depth is not None:
        yield GaugeMetricFamily("carillon_task_queue_depth", "Tasks in the queue's broker.", depth)


def _task_queue_depth() -> int | None:
    """Return how many tasks wait, or None when the broker does not tell within half a second."""
    broker = get_broker()
    if not settings.REDIS_URL:
        return int(broker.queue_size())
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
    )
    try:
        return int(client.llen(broker.list_key))
    except (redis.RedisError, OSError):
        return None
    finally:
        client.close()


# --- the machinery --------------------------------------------------------------------------
def _machine() -> Iterator[Metric]:
    kinds = {kind.kind for kind in slot_kinds()}
    fresh = dict.fromkeys((*kinds, slots.CLUSTER), (0, 0, 0))
    for kind, *numbers in (
        slots.all_fresh()
        .order_by()
        .values_list("kind")
        .annotate(Count("pk"), Sum("in_flight"), Sum("claimed"))
    ):
        fresh[kind] = (numbers[0], numbers[1], numbers[2])
    clusters = fresh.pop(slots.CLUSTER)[0]
    yield GaugeMetricFamily("carillon_clusters", "Running qcluster commands.", clusters)
    for name, words, place in (
        ("carillon_slots", "Slots with a fresh heartbeat.", 0),
        ("carillon_in_flight", "Calls that are under way.", 1),
        ("carillon_claimed", "Rows that slots hold for their moment.", 2),
    ):
        yield _gauge(name, words, ("kind",), {(k,): each[place] for k, each in fresh.items()})
    yield _gauge(
        "carillon_slots_wanted",
        "Slots that should be running.",
        ("kind",),
        {(kind,): slots.wanted(kind) for kind in fresh},
    )
    here = Installation.objects.filter(pk=1).first()
    yield GaugeMetricFamily(
        "carillon_paused",
        "1: staff or Carillon itself stopped all sending.",
        int(bool(here and here.paused)),
    )
    yield from _stopped(here)
    if here is not None and here.canary_at is not None:
        age = (database_now() - here.canary_at).total_seconds()
        yield GaugeMetricFamily(
            "carillon_canary_age_seconds", "Since the queue last ran a task.", max(0.0, age)
        )
    yield GaugeMetricFamily(
        "publisher_active_jobs",
        "Number of jobs currently being processed (as the predecessor called it).",
        fresh["publish"][1],
    )
    yield GaugeMetricFamily(
        "publisher_uptime_seconds",
        "Uptime of the publisher service in seconds: of the cluster that runs longest.",
        _cluster_uptime_seconds(),
    )


def _stopped(here: Installation | None) -> Iterator[Metric]:
    """Yield what staff have stopped; workspaces and hosts are counted, never named."""
    pauses = dict.fromkeys(Pause.Scope.values, 0)
    paused = set()
    for scope, key in Pause.objects.values_list("scope", "key"):
        pauses[scope] += 1
        if scope == Pause.Scope.PLATFORM:
            paused.add(key)
    yield GaugeMetricFamily(
        "carillon_draining",
        "1: staff told every host with a publisher slot to take nothing on.",
        int(are_all_hosts_draining()),
    )
    yield _gauge(
        "carillon_pauses",
        "Platforms, workspaces and hosts that staff have stopped.",
        ("scope",),
        {(scope,): number for scope, number in pauses.items()},
    )
    everything = bool(stopped_on_purpose(here))
    yield _gauge(
        "carillon_platform_stopped",
        "1: nothing is sent to it on purpose, because it or all sending is paused or drained.",
        ("platform",),
        {(platform,): int(everything or platform in paused) for platform in ADAPTERS},
    )


def _cluster_uptime_seconds() -> float:
    oldest = slots.fresh(slots.CLUSTER).aggregate(at=Min("started_at"))["at"]
    return (database_now() - oldest).total_seconds() if oldest else 0.0


def _limits() -> Iterator[Metric]:
    """Yield what the gate remembers, by platform, scope and bucket; windows expire on read."""
    now = database_now()
    states = RateLimitState.objects.order_by()
    breakers: Counter[tuple[str, ...]] = Counter()
    for platform, scope, state, number in (
        states.exclude(breaker=RateLimitState.Breaker.CLOSED)
        .values_list("platform", "scope", "breaker")
        .annotate(Count("pk"))
    ):
        breakers[platform, scope, state] += number
    for platform, scope in states.values_list("platform", "scope").distinct():
        for state in (RateLimitState.Breaker.OPEN, RateLimitState.Breaker.HALF_OPEN):
            breakers[platform, scope, state.value] += 0
    yield _gauge(
        "carillon_breakers",
        "Breakers that are not closed.",
        ("platform", "scope", "state"),
        breakers,
    )
    blocked = (
        states.filter(Q(blocked_until__gt=now))
        .values_list("platform", "scope")
        .annotate(Count("pk"))
    )
    yield _gauge(
        "carillon_limits_blocked",
        "Buckets that a network asked us to leave alone for now.",
        ("platform", "scope"),
        {(platform, scope): number for platform, scope, number in blocked},
    )
    known = states.filter(resets_at__gt=now, remaining__isnull=False)
    by = ("platform", "scope", "bucket")
    rows = known.values_list(*by).annotate(
        Min("remaining"),
        share=Min(
            Cast(F("remaining"), FloatField()) / Cast(F("limit"), FloatField()),
            filter=Q(limit__gt=0),
        ),
    )
    remaining, shares = {}, {}
    for platform, scope, bucket, least, share in rows:
        remaining[platform, scope, bucket] = least
        if share is not None:
            shares[platform, scope, bucket] = share
    yield _gauge(
        "carillon_rate_limit_remaining",
        "Calls left in the present window, of the account or application that has fewest.",
        by,
        remaining,
    )
    yield _gauge(
        "carillon_rate_limit_remaining_ratio",
        "The same as a share of the window's limit, where the network told both.",
        by,
        shares,
    )


def _gauge(
    name: str,
    words: str,
    labels: Sequence[str],
    values: Mapping[Any, float],  # by the labels' values
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _by_two(name: str, words: str, label: str, counts: census.Counts) -> GaugeMetricFamily:
    values = {(owner, s): n for owner, states in counts.items() for s, n in states.items()}
    return _gauge(name, words, (label, "state"), values)
