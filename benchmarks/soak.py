"""A million posts in the table, 50,000 due within five minutes, 5 % of the calls go wrong.

The network is the sandbox's X, which keeps the books: what was lost, what is live twice. Its faults
are drawn call by call: 500, 429 with a short Retry-After, dropped before and after the post was
accepted, no answer at all until we give up, half an answer. Four publisher slots.

    make bench ARGS="soak"           about 12 minutes
    make bench ARGS="soak --quick"   about 2: 100,000 posts in the table, 3,000 of them due
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import urllib.request
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.models import Workspace
from benchmarks.burst import FOREIGN_BAR, sleep_until
from benchmarks.ground import IN_FLIGHT, Ground, publisher_pids
from benchmarks.meters import CpuMeter, pss_mb
from benchmarks.plans import EXPLAIN, digest
from benchmarks.posts import first_id, insert_due, post_of, settle_database
from benchmarks.results import print_table, spread_of
from benchmarks.texts import read_text
from engine.gate import Gate
from engine.jobs import Deal
from engine.models import RateLimitState
from platforms.models import SocialConnection
from scheduling import outage, sweeper
from scheduling.bulk import insert_posts
from scheduling.claims import COLUMNS, ClaimedPost, read_row
from scheduling.look_ahead import queue_due_posts
from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.publisher import PostWorkload
from scheduling.reconciler import gather
from scheduling.states import ENDS, PostState
from tests.processes import wait_until
from tests.services import free_port

S = PostState

WORKSPACES, PER_WORKSPACE = 100, 10
SLOTS = 4
FAULTY_SHARE = 0.05
LEAD_SECONDS = 30.0  # before the first moment: the insertion ends in it
SETTLE_SECONDS = 240.0  # after the last moment: the slowest doubt is resolved long before
SAMPLE_SECONDS = 1.0
DAY = timedelta(days=1)
PLAN_COLUMNS = ("what", "rows read", "reads by", "pages", "ms")
FAULTS: Mapping[str, Mapping[str, Any]] = {  # each takes its part of FAULTY_SHARE
    "500": {"fail": {"status": 500}},
    "429": {"fail": {"status": 429, "retry_after": 2}},
    "drop_before": {"drop_before": {}},
    "hang": {"hang": {}},
    "accept_then_drop": {"accept_then_drop": {}},
    "truncated": {"truncated": {}},
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything: rows past and future, posts due and the seconds they are spread."""

    past: int
    future: int
    due: int
    seconds: float


FULL = Size(past=450_000, future=500_000, due=50_000, seconds=300.0)
QUICK = Size(past=47_000, future=50_000, due=3_000, seconds=20.0)


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure once, print, and return the raw figures."""
    size = QUICK if options.quick else FULL
    judge = Judge(ground)
    accounts = make_accounts(judge)
    fill(accounts, size)
    plans = all_plans(accounts, "before")
    report_plans(plans)
    sizes = {"before": sizes_now()}
    judge.be_cruel()
    env = judge.environment()
    with ground.cluster(slots=SLOTS, concurrency=IN_FLIGHT // SLOTS, **env) as cluster:
        meter = CpuMeter(
            {**ground.server_pids, "application": cluster.process.pid, "sandbox": judge.pid}
        )
        first = first_id()
        start, step = time.time() + LEAD_SECONDS, size.seconds / size.due
        insert_due(accounts, [start + n * step for n in range(size.due)])
        settle_database()
        sleep_until(start)
        before = meter.read()
        with Watch() as watch:
            sleep_until(start + size.seconds)
            with contextlib.suppress(TimeoutError):  # then `unfinished` says how many were left
                wait_until(lambda: not left(first), seconds=SETTLE_SECONDS, what="the end of all")
        finished, unfinished = time.time(), left(first)
        usage = meter.since(before)
    sizes["after"] = sizes_now()  # before anything cleans up
    plans_after = all_plans(accounts, "after")
    report_plans(plans_after)
    figures = {
        "slots": SLOTS,
        "rows": size.past + size.future + size.due,
        "due": size.due,
        "due_within_seconds": size.seconds,
        "finished_after_seconds": finished - start,
        "unfinished": unfinished,
        **judged(judge, first, size.due),
        "pss_mb": watch.memory(),
        "sizes": sizes,
        "cpu_seconds": dict(usage.roles),
        "cpu_cores": {name: used / usage.seconds for name, used in usage.roles.items()},
        "foreign_share": usage.foreign_share,
        "plans": [*plans, *plans_after],
    }
    report(figures)
    return figures


# --- the network ----------------------------------------------------------------------------
class Judge:
    """The sandbox in a process of its own."""

    def __init__(self, ground: Ground) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        process = ground.processes.start(
            sys.executable, "-m", "sandbox", "--port", str(port), env=dict(os.environ)
        )
        process.wait_for("sandbox: http")
        self.pid = process.process.pid

    def environment(self) -> dict[str, str]:
        """Return what makes a cluster publish here."""
        return {
            "X_API_BASE": f"{self.url}/x",
            "TWITTER_API_KEY": "sandbox-consumer",
            "TWITTER_API_SECRET": "sandbox-consumer-secret",
        }

    def be_cruel(self) -> None:
        """Lift the allowances and let a share of the calls go wrong."""
        everything = {"network": "x", "on": "all", "rate": {"limit": 10_000_000}}
        self.ask("/_control", everything)
        share = FAULTY_SHARE / len(FAULTS)
        mixed: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for fault in FAULTS.values():
            for kind, details in fault.items():
                mixed[kind].append({**details, "share": share})
        self.ask("/_control", {"network": "x", **mixed})

    def ask(self, path: str, body: Any = None, **headers: str) -> Any:
        """Return the JSON answer of one of the sandbox's doors."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def account_id(self, name: str) -> str:
        """Return the id that the network gave an account."""
        found = self.ask("/x/2/users/me", Authorization=f"Bearer demo-{name}")
        return str(found["data"]["id"])

    def posts(self) -> list[dict[str, Any]]:
        """Return every post that is live."""
        found = self.ask("/_stats?detail=1")["x"]["posts"]
        return [post for post in found if not post["deleted_at"]]


# --- rows -----------------------------------------------------------------------------------
def make_accounts(judge: Judge) -> list[SocialConnection]:
    """Save the workspaces and their accounts of the sandbox's X."""
    with transaction.atomic():
        workspaces = Workspace.objects.bulk_create(
            Workspace(slug=f"soak-{n}", name=f"Soak {n}") for n in range(WORKSPACES)
        )
        return SocialConnection.objects.bulk_create(
            _account(judge, f"soak-{workspace.slug}-{n}", workspace)
            for n in range(PER_WORKSPACE)
            for workspace in workspaces
        )


def _account(judge: Judge, name: str, workspace: Workspace) -> SocialConnection:
    made = SocialConnection(
        workspace=workspace, platform="x", external_id=judge.account_id(name), username=name
    )
    made.set_credentials({"oauth_token": f"{name}-token", "oauth_token_secret": f"{name}-secret"})
    return made


def fill(accounts: Sequence[SocialConnection], size: Size) -> None:
    """Insert what lies behind and far ahead; what is behind has the rows that its sending left."""
    now = time.time()
    _insert_past(accounts, size.past, now)
    day = DAY.total_seconds()
    insert_due(accounts, (now + day + n * 90 * day / size.future for n in range(size.future)))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as the server's own daemon would, in its own time


def _insert_past(accounts: Sequence[SocialConnection], rows: int, now: float) -> None:
    def published() -> Iterator[ScheduledPost]:
        for n in range(rows):
            age = (n + 1) * 90 * DAY.total_seconds() / rows
            post = post_of(accounts[n % len(accounts)], n, now - age)
            post.state, post.due_at, post.attempts = S.PUBLISHED, None, 1
            post.remote_ids = [str(n)]
            yield post

    insert_posts(published())
    history = (
        "INSERT INTO scheduling_publishattempt (id, post_id, number, publish_run, content_version, "
        "fencing_token, worker, started_at, sent_at, finished_at, outcome, category, http_status, "
        "provider_code, request_id, excerpt, remote_ids, decision, reason) "
        "SELECT gen_random_uuid(), id, 1, 1, 1, 1, 'soak', due, due, due, 'published', '', 201, "
        "'', '', '', remote_ids, '', '' FROM (SELECT id, remote_ids, scheduled_at AS due "
        "FROM scheduling_scheduledpost WHERE state = 'published') p",
        "INSERT INTO scheduling_posttransition (post_id, source, target, actor, reason, "
        "fencing_token, at) SELECT id, s, t, 'soak', '', 1, scheduled_at "
        "FROM scheduling_scheduledpost, (VALUES ('scheduled', 'queued'), "
        "('queued', 'publishing'), ('publishing', 'published')) move(s, t) "
        "WHERE state = 'published'",
    )
    with connection.cursor() as cursor:
        for statement in history:
            cursor.execute(statement)


def left(first: uuid.UUID) -> int:
    """Return how many due posts a machine still has to act on."""
    due = ScheduledPost.objects.filter(pk__gte=first)
    waiting = due.exclude(state__in=ENDS).exclude(state=S.OUTCOME_UNKNOWN, due_at=None)
    return waiting.count()


# --- judgement ------------------------------------------------------------------------------
def judged(judge: Judge, first: uuid.UUID, due: int) -> dict[str, Any]:
    """Compare the network's books with ours; latenesses are taken at the network."""
    copies: Counter[int] = Counter()
    arrived: dict[int, float] = {}
    for post in judge.posts():
        text = read_text(post["text"].encode())
        if text is None:
            continue
        copies[text[0]] += 1
        arrived[text[0]] = post["received_at"] - text[1]
    posts = ScheduledPost.objects.filter(pk__gte=first)
    states = Counter(posts.values_list("state", flat=True))
    numbers = {pk: read_text(segments[0]["text"].encode())[0]  # type: ignore[index]
               for pk, segments in posts.values_list("pk", "segments")}  # fmt: skip
    published = posts.filter(state=S.PUBLISHED).values_list("pk", flat=True)
    live = {pk for pk, number in numbers.items() if copies[number]}
    attempts = PublishAttempt.objects.filter(post_id__gte=first)
    clean = set(
        attempts.filter(number=1, outcome="published").values_list("post_id", flat=True)
    ) - set(attempts.exclude(number=1).values_list("post_id", flat=True))
    limited = set(
        attempts.filter(http_status=429).values_list("post__connection_id", flat=True).distinct()
    )
    calm = set(posts.exclude(connection__in=limited).values_list("pk", flat=True))
    return {
        "states": dict(states),
        "lost": sum(1 for pk in published if pk not in live) + due - len(numbers),
        "doubled": sum(copies.values()) - len(copies),
        "live_though_not_published": len(live - set(published)),
        "faults": _faults(judge),
        "attempts_by_outcome": dict(
            attempts.values_list("outcome").annotate(n=models.Count("id")).order_by()
        ),
        "unfaulted": len(clean),
        "lateness_ms": {
            "unfaulted": _lateness(clean, numbers, arrived),
            "unfaulted, connection never limited": _lateness(clean & calm, numbers, arrived),
        },
    }


def _lateness(
    pks: set[uuid.UUID], numbers: Mapping[uuid.UUID, int], arrived: Mapping[int, float]
) -> dict[str, float]:
    late = [arrived[numbers[pk]] for pk in pks if numbers[pk] in arrived]
    return spread_of(late, scale=1000)


def _faults(judge: Judge) -> dict[str, int]:
    """Return how many creates suffered what, in the last 100,000 calls."""
    calls = judge.ask("/_calls?network=x&operation=create&limit=100000")["calls"]
    kinds = Counter(
        f"{call['fault']} {call['status']}" if call["fault"] == "fail" else call["fault"]
        for call in calls
        if call["fault"]
    )
    return dict(kinds)


# --- memory and sizes -----------------------------------------------------------------------
class Watch:
    """Notes the PSS of every publisher once a second while the block lasts."""

    def __init__(self) -> None:
        self.samples: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            while not self._ended.wait(SAMPLE_SECONDS):
                now = time.monotonic()
                for pid in publisher_pids():
                    self.samples[pid].append((now, pss_mb(pid)))
        finally:
            connection.close()

    def memory(self) -> list[dict[str, Any]]:
        """Return each publisher's peak, and its means of the first and last minute (MB)."""
        found = []
        for pid, samples in self.samples.items():
            begin, end = samples[0][0], samples[-1][0]
            minute = min(60.0, (end - begin) / 2)
            early = [mb for at, mb in samples if at - begin <= minute]
            late = [mb for at, mb in samples if end - at <= minute]
            found.append(
                {
                    "pid": pid,
                    "seconds": end - begin,
                    "first_minute": sum(early) / len(early),
                    "last_minute": sum(late) / len(late),
                    "peak": max(mb for _, mb in samples),
                    "every_10_s": [round(mb, 1) for _, mb in samples[::10]],
                }
            )
        return found


def sizes_now() -> dict[str, dict[str, float]]:
    """Return the MB (10^6 bytes) of the busiest tables and their indexes, and dead tuples."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT relname, pg_table_size(relid) / 1e6, pg_indexes_size(relid) / 1e6, "
            "n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd, autovacuum_count "
            "FROM pg_stat_user_tables WHERE relname LIKE 'scheduling_%%' "
            "OR relname LIKE 'engine_%%' OR relname LIKE 'notifications_%%' "
            "ORDER BY pg_total_relation_size(relid) DESC LIMIT 8",
            [],
        )
        names = (
            "table_mb", "indexes_mb", "live", "dead", "updated", "updated_hot", "autovacuums",
        )  # fmt: skip
        return {
            row[0]: dict(zip(names, map(float, row[1:]), strict=True)) for row in cursor.fetchall()
        }


# --- plans ----------------------------------------------------------------------------------
def all_plans(accounts: Sequence[SocialConnection], when: str) -> list[dict[str, Any]]:
    """Return how the statements that run again and again are executed; nothing is changed."""
    workload = PostWorkload()
    gate = Gate()
    RateLimitState.objects.bulk_create(
        [
            RateLimitState(scope="connection", key=str(each.pk), updated_at=timezone.now() - DAY)
            for each in accounts
        ],
        ignore_conflicts=True,
    )
    gate.db_read()  # the first look is at everything
    published = _some_published()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    crowd = [each.pk for each in accounts[:: PER_WORKSPACE * 10]]
    looks: list[tuple[str, Callable[[], object]]] = [
        ("claim, earliest", lambda: workload.db_claim(250)),
        ("claim, dealt", lambda: workload.db_claim(250, deal=Deal(40, full=crowd))),
        ("look-ahead", queue_due_posts),
        ("sweep: steal", lambda: ScheduledPost.steal(silent_after=settings.SLOT_TIME_TO_LIVE)),
        ("sweep: doubt", sweeper.doubt_abandoned),
        ("sweep: unblock", sweeper.unblock),
        ("beat", outage.beat),
        ("gate", gate.db_read),
        ("reconcile: gather", lambda: gather(published)),
    ]
    found: list[dict[str, Any]] = []
    with transaction.atomic():
        insert_due(accounts, [time.time()] * 4000)  # a backlog, of one statement's age
        for what, look in looks:
            with transaction.atomic(), explained(found, f"{what} ({when})"):
                look()
                transaction.set_rollback(True)
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # what was rolled back
    return found


def _some_published() -> ClaimedPost:
    return read_row(ScheduledPost.objects.filter(state=S.PUBLISHED).values_list(*COLUMNS)[0])


@contextlib.contextmanager
def explained(plans: list[dict[str, Any]], what: str) -> Iterator[None]:
    """Append the executed plan of every statement in the block that reads one of our big tables."""
    tables = [
        model._meta.db_table  # noqa: SLF001 - Django's documented API
        for model in (ScheduledPost, PublishAttempt, RateLimitState)
    ]

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        table = next((each for each in tables if each in sql), None)
        if table and sql.startswith(("SELECT", "UPDATE", "WITH")):
            savepoint = transaction.savepoint()
            execute(f"{EXPLAIN} {sql}", params, many, context)
            plan = digest(context["cursor"].fetchone()[0][0], table)
            plans.append({"what": what, **plan})
            transaction.savepoint_rollback(savepoint)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


# --- tables ---------------------------------------------------------------------------------
def report(figures: Mapping[str, Any]) -> None:
    """Print the verdict first, then what it rests on."""
    print_table(
        f"{figures['rows']:,} posts, {figures['due']:,} due in "
        f"{figures['due_within_seconds']:.0f} s, {SLOTS} slots",
        ("lost", "doubled", "unfinished", "done after s", "unfaulted", "foreign"),
        [
            [
                figures["lost"], figures["doubled"], figures["unfinished"],
                figures["finished_after_seconds"], figures["unfaulted"],
                f"{figures['foreign_share']:.0%}{' !' * (figures['foreign_share'] > FOREIGN_BAR)}",
            ]
        ],
    )  # fmt: skip
    for name in ("states", "attempts_by_outcome", "faults"):
        print(f"  {name}: {figures[name]}")
    late = figures["lateness_ms"]
    print_table(
        "Lateness at the network, ms",
        ("posts", "p50", "p99", "max"),
        [[name, *spread.values()] for name, spread in late.items()],
    )
    print_table(
        "PSS of the publishers, MB",
        ("pid", "s", "first minute", "last minute", "peak"),
        [list(one.values())[:5] for one in figures["pss_mb"]],
    )
    sizes = figures["sizes"]
    print_table(
        "Sizes, MB and rows",
        ("table", "when", *next(iter(sizes["after"].values()))),
        [[table, when, *found.values()] for when in sizes for table, found in sizes[when].items()],
    )
    print_table(
        "CPU", ("role", "cores"), [[role, used] for role, used in figures["cpu_cores"].items()]
    )


def report_plans(plans: Sequence[Mapping[str, Any]]) -> None:
    """Print what each statement read."""
    print_table(
        "Plans",
        PLAN_COLUMNS,
        [
            [
                one["what"], one["rows_read"], " + ".join(one["reads_by"]), one["pages"],
                one["milliseconds"],
            ]
            for one in plans
        ],
    )  # fmt: skip
    sys.stdout.flush()
