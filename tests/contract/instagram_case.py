"""Wire data of Instagram, from developers.facebook.com (Instagram platform), read 2026-11."""

from __future__ import annotations

from typing import Any

from platforms.adapters.base import Account, Media, Segment
from platforms.adapters.instagram import Instagram
from platforms.adapters.instagram_account import InstagramConfig
from tests.contract.server import Reply, Request
from tests.contract.wire import TEXT, Case, image

SUCCESS = "17920238422030506"
CONTAINER = "17889455560051444"
PERMALINK = "https://www.instagram.com/p/DJxZ1yPIVnT/"
ADA = {"id": "17841405822304914", "username": "ada", "name": "Ada"}


def make_instagram(url: str) -> Instagram:
    return Instagram(
        InstagramConfig(
            graph_base=url,
            facebook_base=url,
            upload_base=url,
            oauth_base=url,
            client_id="ig-app",
            client_secret="ig-app-secret",
            facebook_client_id="fb-app",
            facebook_client_secret="fb-app-secret",
        )
    )


def picture(name: str = "a", **more: Any) -> Media:
    """Return a JPEG that has a public address."""
    fields = {"mime_type": "image/jpeg", "url": f"https://files.example/{name}.jpg", **more}
    return image(**fields)


def network(request: Request) -> Reply:
    """Answer everything as when all is well."""
    path, _, query = request.path.partition("?")
    if path.endswith(("/media_publish", "/comments")):
        return Reply(200, {"id": SUCCESS})
    if request.method == "POST":
        return Reply(200, {"id": CONTAINER})
    if path.endswith("/content_publishing_limit"):
        usage = {"quota_usage": 2, "config": {"quota_total": 50, "quota_duration": 86_400}}
        return Reply(200, {"data": [usage]})
    if "fields=permalink" in query:
        return Reply(200, {"permalink": PERMALINK, "id": SUCCESS})
    return Reply(200, {"status_code": "FINISHED", "status": "Finished", "id": CONTAINER})


READY = {"containers": {"0": {"id": CONTAINER, "at": 1_795_000_000, "ready": True}}}
WAITING = {"containers": {"0": {"id": CONTAINER, "at": 1_795_000_000, "ready": False}}}
ACCOUNT = Account("17841405822304914", "ada")
INSTAGRAM_CASE = Case(
    make=make_instagram,
    credentials=lambda url: {"login": "facebook", "access_token": "ig-page-token"},
    secrets=("ig-page-token", "fb-app-secret"),
    created=Reply(200, {"id": SUCCESS}),
    success_id=SUCCESS,
    listed_nothing=Reply(200, {"data": []}),
    too_long="x" * 2201,
    me=(Reply(200, {"instagram_business_account": ADA, "id": "1010"}),),
    account=ACCOUNT,
    other={
        "refresh": Reply(
            200, {"access_token": "new-access", "token_type": "bearer", "expires_in": 5_183_944}
        ),
        "delete": Reply(200, {"success": True}),
        "metrics": Reply(
            200,
            {
                "data": [
                    {"name": "likes", "period": "lifetime", "values": [{"value": 3}]},
                    {"name": "saved", "period": "lifetime", "values": [{"value": 2}]},
                ]
            },
        ),
        "check": Reply(200, {"status_code": "FINISHED", "status": "Finished", "id": CONTAINER}),
    },
    segment=Segment(TEXT, (picture(),)),
    pictured=Segment(TEXT, (picture(alt_text="a dot"), picture("b"))),
    progress=READY,
    network=network,
    check_progress=WAITING,
    counters={"likes": 3, "saves": 2},
    rotates=False,
)
