"""Named steps at which a test can end a process as `kill -9` would; unarmed, a step costs nothing.

CRASH_POINTS, a switch for tests alone, names a directory. A file there named after a step arms it:
`<passes> [self|cluster]`. A process that has passed the step so often deletes the file; the one
that deleted it kills itself (or its process group: everything `manage.py qcluster` started) with
SIGKILL. So each file ends one life, and can be written again while things run.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

KINDS = ("publish", "notify")  # the workloads: each has the runner's steps

_OF_THE_RUNNER: Mapping[str, str] = {
    "claim.before": "about to lease rows that are due soon",
    "claim.after": "rows are leased, nothing else is done",
    "mark.before": "about to commit the send marks of a batch",
    "mark.after": "the send marks are committed, no request was made",
    "call.before": "about to make the calls of one marked job",
    "call.after": "the calls of one marked job have ended, what they taught is only in memory",
    "record.before": "about to write a batch of results",
    "record.after": "a batch of results is committed",
}

STEPS: Mapping[str, str] = {
    **{f"{kind}.{step}": text for kind in KINDS for step, text in _OF_THE_RUNNER.items()},
    "mark.uncommitted": "marks, attempts and transitions are written, their commit is not",
    "prepare.before": "about to make one step of a preparation (an upload, a container)",
    "prepare.after": "the step is made, its progress is only in memory",
    "prepare.committed": "the step's progress is committed",
    "http.before": "about to open or reuse a connection for a request",
    "http.handed_over": "the body of a request is handed to the connection",
    "http.answered": "the whole answer of a request is read",
    "progress.before": "a segment is live, its progress is only in memory",
    "progress.after": "a segment's progress is committed, the next request is not made",
    "record.attempts": "attempts are written, the transaction is open",
    "record.moved": "the fenced moves are written, the transaction is open",
    "record.transitions": "transitions are written, the transaction is open",
    "record.outbox": "outbox rows are written, the transaction is open",
    "sweep.before": "about to doubt sent posts whose lease and grace are over",
    "sweep.after": "posts are in doubt, nobody has asked the network",
    "reconcile.before": "about to find out what became of a post in doubt",
    "reconcile.after": "the answer about a post in doubt is only in memory",
    "refresh.leased": "the refresh lease is taken, the network is not asked",
    "refresh.fetched": "the network gave a new pair of tokens, it is not stored",
    "refresh.stored": "the new pair is stored, the refresh lease is not ended",
}

_directory = os.environ.get("CRASH_POINTS", "")
_passes: Counter[str] = Counter()


def reach(step: str, kind: str = "") -> None:
    """End this process here if a test armed `step`, of the workload `kind` if that is given."""
    if _directory:
        _reach(f"{kind}.{step}" if kind else step)


def _reach(step: str) -> None:
    if step not in STEPS:
        raise KeyError(f"{step} is not listed in STEPS")
    path = Path(_directory, step)
    try:
        passes, _, whom = path.read_text().strip().partition(" ")
    except FileNotFoundError:
        _passes.pop(step, None)
        return
    _passes[step] += 1
    if _passes[step] <= int(passes):
        return
    try:
        path.unlink()
    except FileNotFoundError:  # another process died for this file
        return
    if whom == "cluster":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
