"""Removing from networks what was prepared there and will not be published.

An edit, a cancellation or a new run makes prepared uploads worthless. Most networks forget them by
themselves; where they would stay in sight (a private video, a draft), the adapter's `discard` takes
them away. Best effort: after TRIES_MOST it stays, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from engine.errors import ServiceError
from engine.http import HttpPool
from platforms.adapters.base import Adapter
from platforms.models import ConnectionState
from platforms.registry import adapter_for
from scheduling.accounts import AccountCache, ConnectedAccount
from scheduling.models import Leftover, ScheduledPost
from scheduling.preflight_calls import Calls
from scheduling.sealing import unseal

log = logging.getLogger("carillon.leftovers")

BATCH = 50
TRIES_MOST = 5
AGAIN = timedelta(minutes=10)
KEPT = frozenset({"permalink", "asked"})  # these name nothing that was prepared


def leave(post: ScheduledPost) -> None:
    """Note what the post's progress has at its network; in the transaction that drops it.

    Nothing of a post of which a part is live: what was prepared may be that part.
    """
    if type(adapter_for(post.platform)).discard is Adapter.discard:
        return
    if post.progress.get("published"):
        return
    if prepared := {name: value for name, value in post.progress.items() if name not in KEPT}:
        Leftover.objects.create(
            connection_id=post.connection_id, progress=prepared, again_at=Now() + timedelta()
        )


def clear() -> int:
    """Remove what is left over, a batch at a time; returns how many are done with."""
    rows = list(
        Leftover.objects.filter(
            again_at__lte=Now(), connection__state=ConnectionState.ACTIVE
        ).order_by("again_at")[:BATCH]
    )
    if not rows:
        return 0
    Leftover.objects.filter(pk__in=[row.pk for row in rows]).update(
        tries=F("tries") + 1, again_at=Now() + AGAIN
    )
    accounts = AccountCache()
    accounts.load({row.connection_id for row in rows})
    calls = Calls()
    calls.open()
    done = asyncio.run(
        _all(calls, [(row.pk, accounts.get(row.connection_id), row.progress) for row in rows])
    )
    calls.close()
    given_up = [row.pk for row in rows if row.pk not in done and row.tries + 1 >= TRIES_MOST]
    if given_up:
        log.warning("leftovers.given_up", extra={"count": len(given_up)})
    return Leftover.objects.filter(pk__in=[*done, *given_up]).delete()[0]


async def _all(
    calls: Calls, work: list[tuple[int, ConnectedAccount, Mapping[str, Any]]]
) -> set[int]:
    pool = HttpPool(max_connections=4)
    done: set[int] = set()
    try:
        for pk, account, progress in work:
            if not account.problem and calls.may(account, "delete"):
                try:
                    with calls.calling(account, "delete", pool) as http:
                        await account.adapter.discard(http, unseal(progress))
                except ServiceError as error:
                    extra = {"platform": account.adapter.slug, "category": error.category}
                    log.info("leftovers.refused", extra=extra)
                else:
                    done.add(pk)
    finally:
        await pool.close()
    return done
