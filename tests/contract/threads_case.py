"""Wire data of Threads, from developers.facebook.com/documentation/threads, read 2026-11."""

from __future__ import annotations

from typing import Any

from platforms.adapters.base import Account, Media, Segment
from platforms.adapters.threads import Threads
from platforms.adapters.threads_account import ThreadsConfig
from tests.contract.server import Reply, Request
from tests.contract.wire import TEXT, Case, image

SUCCESS = "17999998888777666"
CONTAINER = "17841400001112223"
PERMALINK = "https://www.threads.com/@ada/post/DJxZ1yPIVnT"
ACCOUNT = Account("26081234567890", "ada")


def make_threads(url: str) -> Threads:
    return Threads(
        ThreadsConfig(
            graph_base=url,
            auth_base=url,
            client_id="threads-app",
            client_secret="threads-app-secret",
        )
    )


def picture(name: str = "a", **more: Any) -> Media:
    """Return an image that has a public address."""
    return image(**{"url": f"https://files.example/{name}.png", **more})


def network(request: Request) -> Reply:
    """Answer everything as when all is well."""
    path, _, query = request.path.partition("?")
    if path.endswith("/threads_publish"):
        return Reply(200, {"id": SUCCESS})
    if request.method == "POST":
        return Reply(200, {"id": CONTAINER})
    if path.endswith("/threads_publishing_limit"):
        usage = {
            "quota_usage": 4,
            "config": {"quota_total": 250, "quota_duration": 86_400},
            "reply_quota_usage": 1,
            "reply_config": {"quota_total": 1000, "quota_duration": 86_400},
        }
        return Reply(200, {"data": [usage]})
    if "fields=permalink" in query:
        return Reply(200, {"permalink": PERMALINK, "id": SUCCESS})
    return Reply(200, {"status": "FINISHED", "id": CONTAINER})


READY = {"containers": {"0": {"id": CONTAINER, "at": 1_795_000_000, "ready": True}}}
WAITING = {"containers": {"0": {"id": CONTAINER, "at": 1_795_000_000, "ready": False}}}
THREADS_CASE = Case(
    make=make_threads,
    credentials=lambda url: {"access_token": "threads-user-token"},
    secrets=("threads-user-token",),
    created=Reply(200, {"id": SUCCESS}),
    success_id=SUCCESS,
    listed_nothing=Reply(200, {"data": []}),
    too_long="x" * 501,
    me=(Reply(200, {"id": ACCOUNT.external_id, "username": "ada", "name": "Ada"}),),
    account=ACCOUNT,
    other={
        "refresh": Reply(
            200, {"access_token": "new-access", "token_type": "bearer", "expires_in": 5_183_944}
        ),
        "delete": Reply(200, {"success": True, "deleted_id": "1"}),
        "metrics": Reply(
            200,
            {
                "data": [
                    {"name": "likes", "period": "lifetime", "values": [{"value": 3}]},
                    {"name": "reposts", "period": "lifetime", "values": [{"value": 2}]},
                ]
            },
        ),
        "check": Reply(200, {"status": "FINISHED", "id": CONTAINER}),
    },
    pictured=Segment(TEXT, (picture(alt_text="a dot"), picture("b"))),
    progress=READY,
    network=network,
    check_progress=WAITING,
    rotates=False,
)
