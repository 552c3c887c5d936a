"""`python -m tests.supervision --exits 50 [--seed N]`: many ends of a cluster, judged one by one.

All cases share one database, so each cluster also finds what those before it left; at the end one
more publishes the rest, and every post must be live exactly once. Exit code 1 on any complaint.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import statistics
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.databases import migrate
from tests.environment import isolate
from tests.processes import Processes, wait_until
from tests.services import free_port, postgresql, valkey

if TYPE_CHECKING:
    from tests.journeys.stage import Stage
    from tests.supervision.exits import Exit
    from tests.supervision.relay import Lines

REST_SECONDS = 120.0


def main() -> int:
    """Play the cases, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.supervision", description=__doc__)
    parser.add_argument("--exits", type=int, default=50, help="how many cases")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="which cases")
    parser.add_argument("--only", action="append", default=[], help="start, load, drain, ...")
    options = parser.parse_args()
    print(f"{options.exits} exits, --seed {options.seed}")
    with _ground() as (stage, lines, processes):
        ends = list(_play(options, stage, lines, processes))
        rest = _about_the_rest(stage)
    print(_summary(ends))
    for complaint in rest:
        print(f"afterwards: {complaint}")
    return int(bool(rest) or any(end.complaints for end in ends))


def _play(
    options: argparse.Namespace, stage: Stage, lines: Lines, processes: Processes
) -> Iterator[Exit]:
    from tests.supervision.exits import cases, clean_exit

    print(f"{'':>3} {'case':<62} {'seconds':>7} {'orphans':>7} {'code':>4}")
    for number, case in enumerate(
        itertools.islice(cases(options.seed, *options.only), options.exits), start=1
    ):
        end = clean_exit(case, stage, lines, processes)
        verdict = "; ".join(end.complaints)
        row = f"{number:>3} {case!s:<62} {end.seconds:>7.2f} {end.orphans:>7} {end.code:>4}"
        print(f"{row}  {verdict}".rstrip(), flush=True)
        yield end


def _about_the_rest(stage: Stage) -> list[str]:
    """Let one more cluster publish what is left; say what is not live exactly once."""
    from scheduling.models import ScheduledPost
    from scheduling.states import PostState

    stage.judge.ask("/_control", method="DELETE")
    stage.cluster()
    left = ScheduledPost.objects.exclude(state=PostState.PUBLISHED)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not left.exists(), seconds=REST_SECONDS, what="the rest")
    said = [f"{post.pk} is {post.state}: {post.last_error}" for post in left]
    site = stage.judge.ask("/_stats?detail=1").get("sandbox", {})
    live = Counter(post["text"] for post in site.get("posts", []) if not post["deleted_at"])
    said += [f"live {count} times: {text}" for text, count in live.items() if count > 1]
    total = ScheduledPost.objects.count()
    print(f"afterwards: {total} posts, {len(live)} live")
    return said if len(live) == total else [*said, f"{total - len(live)} posts are lost"]


def _summary(ends: list[Exit]) -> str:
    seconds = [end.seconds for end in ends]
    failed = sum(bool(end.complaints) for end in ends)
    return (
        f"{len(ends)} exits, {failed} not clean; seconds to exit: "
        f"median {statistics.median(seconds):.2f}, longest {max(seconds):.2f}"
    )


@contextlib.contextmanager
def _ground() -> Iterator[tuple[Stage, Lines, Processes]]:
    """Give servers, the sandbox, and a stage on them."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crl-exits-")))
        isolate(scratch)
        os.environ["DATABASE_URL"] = stack.enter_context(postgresql(fsync=False)).url("postgres")
        os.environ["REDIS_URL"] = stack.enter_context(valkey(append_only=False)).url
        migrate(os.environ)
        import django

        django.setup()
        from tests.journeys.stage import Judge, Stage, quick_env
        from tests.supervision.relay import Lines

        processes = Processes(scratch)
        stack.callback(processes.end_all)
        port = free_port()
        processes.start(sys.executable, "-m", "sandbox", "--port", str(port), env=os.environ)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(f"{url}/_stats"), what="the sandbox")
        lines = Lines(os.environ)
        stack.callback(lines.close)
        env = {**os.environ, **quick_env(url)}
        yield Stage.new(env, Judge(url), processes.manage), lines, processes


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - loopback
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
