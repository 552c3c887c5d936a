"""What the tests of deliveries stand on: a receiver on loopback and a notifier in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from django.utils import timezone

from engine import slots
from engine.drain import start_draining, stop_draining
from engine.ids import uuid7
from engine.models import Installation
from engine.runner import DatabaseThread, Runner
from notifications.dispatcher import DeliveryWorkload
from notifications.models import Delivery
from notifications.outbox import OutboxEvent, write

T = TypeVar("T")
DATA = {"content_id": "c-1", "job_id": "j-1", "state": "published", "platform_post_id": "77"}


@dataclass
class Heard:
    """One request as the receiver saw it."""

    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """Somebody's callback address; answers `status` until told otherwise, or hangs."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    text: str = "ok"
    hang: bool = False
    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        """Note the request and answer as told."""
        self.heard.append(Heard(request.headers.copy(), await request.read()))
        if self.hang:
            await self.released.wait()
        return web.Response(status=self.status, headers=self.headers, text=self.text)


@contextlib.asynccontextmanager
async def receiving(path: str = "/hook", **told: Any) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of loopback."""
    receiver = Receiver(**told)
    app = web.Application()
    app.router.add_post(path, receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}{path}"
    try:
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()


@contextlib.asynccontextmanager
async def notifier() -> AsyncIterator[DatabaseThread]:
    """Run a notifier slot in this loop; on leaving it is drained, so that all is recorded.

    Gives the slot's database thread, for questions to the database from inside the loop.
    """
    database = DatabaseThread("test")
    slot_id = await database.run(_slot)
    task = asyncio.create_task(Runner(DeliveryWorkload(), slot_id).run())
    try:
        yield database
    finally:
        start_draining()
        try:
            await asyncio.wait_for(task, 15)
        finally:
            stop_draining()
            await database.close()


def _slot() -> int:
    slot_id = slots.open_slot("notify")
    assert slot_id is not None, "an earlier slot is still fresh"
    return slot_id


async def until(question: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait for an answer that costs nothing to ask; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not question():
            await asyncio.sleep(0.01)


async def settled(database: DatabaseThread, *, seconds: float = 10.0) -> None:
    """Wait until no delivery is due, claimed or being sent."""
    busy = Delivery.objects.filter(lease_slot__isnull=False) | Delivery.objects.filter(
        due_at__lte=timezone.now()
    )
    async with asyncio.timeout(seconds):
        while await database.run(busy.all().exists):
            await asyncio.sleep(0.02)


async def until_none_waits(database: DatabaseThread, *, seconds: float = 10.0) -> None:
    """Wait until every delivery has come to an end, those that wait for their receiver too."""
    open_ones = Delivery.objects.filter(state__in=["pending", "sending"])
    async with asyncio.timeout(seconds):
        while await database.run(open_ones.all().exists):
            await asyncio.sleep(0.05)


def played(scene: Coroutine[Any, Any, T]) -> T:
    """Run an asynchronous scene to its end."""
    return asyncio.run(scene)


async def deliver_all() -> None:
    """Run a notifier until nothing is due any more."""
    async with notifier() as database:
        await settled(database)


def cleared() -> None:
    """Let a publisher slot have looked at this database just now."""
    Installation.objects.update_or_create(pk=1, defaults={"heartbeat_at": timezone.now()})


def tell(
    target: str, *, channel: str = "webhook", event: str = "post.published", **context: Any
) -> Delivery:
    """Write one event for one target and return its delivery."""
    written = OutboxEvent(
        event, None, context or {"data": DATA}, str(uuid7()), ((channel, target),)
    )
    write([written])
    return Delivery.objects.get(notification_id=written.id)
