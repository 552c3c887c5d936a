"""The staff console over 1,000,000 posts: queries and milliseconds of each page staff look at.

The posts lie ahead but for a busy past: some thousands published today, some that are the matter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from accounts.models import User
from benchmarks.backlog import DAYS, FIRST_DAY, QUICK_ROWS, ROWS
from benchmarks.ground import Ground
from benchmarks.posts import make_connections, post_of, settle_database
from benchmarks.results import median, print_table
from scheduling.models import PostTransition, PublishAttempt, ScheduledPost
from scheduling.states import PostState
from scheduling.tallies import Tallies

S = PostState
PAST, QUICK_PAST = 50_000, 5_000  # published within the past day
TROUBLED = 300  # of each kind
MOST_QUERIES, MOST_MS = 12, 300.0
MOST_QUERIES_OF_PAGES = 22  # the front page and a post's: session, person, banners included
POSTS, OPERATIONS = "/admin/scheduling/scheduledpost/", "/admin/"
PAGES = ("operations", "operations, refreshed", "one post")  # that are no lists
LISTS = {
    "posts": "",
    "posts, page 20": "?p=20",
    "published": "?state__exact=published",
    "scheduled": "?state__exact=scheduled",
    "held": "?state__exact=held",
    "due": "?lateness=due",
    "overdue": "?lateness=overdue",
    "put off": "?lateness=put_off",
    "on time": "?lateness=on_time",
    "1 s to 1 min late": "?lateness=seconds",
    "over 1 min late": "?lateness=minutes",
    "stuck": "?stuck=yes",
    "a person must tell": "?stuck=person",
    "category": "?category=server_error",
    "platform": "?platform=x",
    "platform without posts": "?platform=tiktok",
    "scheduled, past day": "?scheduled=past_day",
    "scheduled, next day": "?scheduled=next_day",
    "published, past hour": "?done=published_hour",
    "published, past day": "?done=published_day",
    "sent, past hour": "?done=sent_hour",
    "warnings": "?warnings=yes",
    "account": "?account=bench17",
    "workspace": "?workspace_is=bench-7",
    "search: an account": "?q=bench170",
    "search: an external id": "?q=nothing-like-this",
    "search: words": "?q=sourdough",
}


def run(ground: Ground, options: Any) -> dict[str, Any]:
    """Measure, print, and return the raw figures."""
    call_command("migrate", verbosity=0)
    rows = QUICK_ROWS if options.quick else ROWS
    make_future(rows)
    messy = make_past(QUICK_PAST if options.quick else PAST)
    settle_database()
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        figures = [measure(name, address, options.runs) for name, address in _pages(messy)]
    report(figures, rows)
    return {"rows": rows, "pages": figures}


def make_future(rows: int) -> None:
    """Have the database copy one post `rows` times, over the coming days, ids in order of time."""
    table, accounts = ScheduledPost._meta.db_table, make_connections()  # noqa: SLF001 - documented
    names = [field.column for field in ScheduledPost._meta.concrete_fields]  # noqa: SLF001
    first = post_of(accounts[0], 0, time.time() + FIRST_DAY * 86_400)
    first.save()
    account = "(SELECT array_agg(id ORDER BY id) FROM platforms_socialconnection)"
    others = {
        "id": "(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - %(rows)s + n), 12, '0') "
        "|| '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid",
        "connection_id": "account.ids[1 + n %% cardinality(account.ids)]",
        "workspace_id": "(SELECT c.workspace_id FROM platforms_socialconnection c "
        "WHERE c.id = account.ids[1 + n %% cardinality(account.ids)])",
        **dict.fromkeys(("due_at", "scheduled_at"), "one.due_at + n * interval '%(step)s seconds'"),
    }
    values = ", ".join(others.get(name, f'one."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} one, "  # noqa: S608
            f"(SELECT {account} AS ids) account, generate_series(1, %(rows)s) AS n "
            "WHERE one.id = %(first)s",
            {"rows": rows, "step": DAYS * 86_400 / rows, "first": first.pk},
        )


def make_past(published: int) -> ScheduledPost:
    """Insert a day behind us, and trouble; returns a post with a long history."""
    accounts, now = make_connections(), timezone.now()
    step = timedelta(days=1) / published

    def post(number: int, state: str, **columns: Any) -> ScheduledPost:
        account = accounts[number % len(accounts)]
        return ScheduledPost(
            workspace_id=account.workspace_id, connection=account, platform="x", state=state,
            segments=[{"text": f"Sunny side of post {number}"}],
            **{"scheduled_at": now, "attempts": 1, **columns},
        )  # fmt: skip

    done = [
        post(
            number,
            S.PUBLISHED,
            scheduled_at=(at := now - number * step),
            first_sent_at=at + timedelta(milliseconds=5 if number % 50 else 5000),
            published_at=at + timedelta(seconds=1),
        )
        for number in range(published)
    ]
    ScheduledPost.objects.bulk_create(done, batch_size=2000)
    PublishAttempt.objects.bulk_create(_attempts(done), batch_size=2000)
    _tally(done)
    waits = {"due_at": now + timedelta(hours=1), "scheduled_at": now - timedelta(hours=1)}
    troubled = [
        *(post(number, S.HELD) for number in range(TROUBLED)),
        *(post(number, S.BLOCKED) for number in range(TROUBLED)),
        *(post(number, S.FAILED, last_category="server_error") for number in range(TROUBLED)),
        *(post(number, S.DEAD_LETTER) for number in range(TROUBLED)),
        *(post(n, S.SCHEDULED, due_at=now - timedelta(minutes=1)) for n in range(TROUBLED)),
        *(post(number, S.SCHEDULED, **waits) for number in range(TROUBLED)),
        *(post(number, S.OUTCOME_UNKNOWN, due_at=now) for number in range(TROUBLED)),
    ]
    ScheduledPost.objects.bulk_create(troubled)
    messy = troubled[-1]
    for number in range(20):
        PublishAttempt.objects.create(
            post=messy, number=number, fencing_token=1, started_at=now, category="server_error"
        )
        PostTransition.objects.create(
            post=messy, source=S.PUBLISHING, target=S.SCHEDULED, actor="worker", at=now
        )
    return messy


def _attempts(posts: list[ScheduledPost]) -> Iterator[PublishAttempt]:
    for place, post in enumerate(posts):
        failed = place % 20 == 0
        yield PublishAttempt(
            post=post,
            number=1,
            fencing_token=1,
            started_at=post.first_sent_at,
            sent_at=post.first_sent_at,
            finished_at=post.published_at,
            outcome="failed" if failed else "published",
            category="server_error" if failed else "",
        )


def _tally(posts: list[ScheduledPost]) -> None:
    tallies = Tallies()
    for post in posts:
        assert post.first_sent_at
        sent = post.first_sent_at.timestamp()
        tallies.sent("x", sent - post.scheduled_at.timestamp(), at=sent)
        tallies.reached("x", S.PUBLISHED, at=sent)
    tallies.write()


def _pages(messy: ScheduledPost) -> Iterator[tuple[str, str]]:
    yield "operations", OPERATIONS
    yield "operations, refreshed", "/admin/operations/"
    yield "one post", f"{POSTS}{messy.pk}/change/"
    for name, query in LISTS.items():
        yield name, f"{POSTS}{query}"
    attempts = "/admin/scheduling/publishattempt/"
    yield "attempts", attempts
    yield "errors, past hour", f"{attempts}?failed=past_hour&category=server_error"
    yield "errors, past day", f"{attempts}?failed=past_day&category=server_error"
    for model in ("platforms/socialconnection", "notifications/delivery", "accounts/auditevent"):
        yield model.partition("/")[2], f"/admin/{model}/"


def measure(name: str, address: str, runs: int) -> dict[str, Any]:
    """Return queries, and the median milliseconds of a page, of its statements alone too."""
    boss, _ = User.objects.get_or_create(username="boss", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(boss)
    assert client.get(address).status_code == 200, address  # templates compiled, caches warm
    took, worked = [], []
    for _ in range(runs):
        begun, worked_before = time.perf_counter(), time.process_time()
        client.get(address)
        took.append((time.perf_counter() - begun) * 1000)
        worked.append((time.process_time() - worked_before) * 1000)
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    spent = [float(query["time"]) * 1000 for query in captured]
    slowest = max(captured, key=lambda query: float(query["time"]))["sql"]
    return {
        "page": name,
        "queries": len(captured),
        "milliseconds": median(took),
        "cpu_milliseconds": median(worked),
        "sql_milliseconds": sum(spent),
        "slowest_query": slowest[:2000],
    }


def report(figures: list[dict[str, Any]], rows: int) -> None:
    """Print the pages, marking what is over its bar."""
    table = []
    for one in figures:
        queries = MOST_QUERIES_OF_PAGES if one["page"] in PAGES else MOST_QUERIES
        over = one["queries"] > queries or one["milliseconds"] > MOST_MS
        table.append(
            [
                one["page"], one["queries"], one["milliseconds"], one["cpu_milliseconds"],
                one["sql_milliseconds"],
                "OVER" if over else "",
            ]
        )  # fmt: skip
    print_table(
        f"Pages of the console over {rows:,} posts",
        ("page", "queries", "ms", "our CPU ms", "SQL ms", ""),
        table,
    )
