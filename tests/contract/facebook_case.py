"""Wire data of Facebook Pages, from developers.facebook.com (Pages API), read 2026-11."""

from __future__ import annotations

from platforms.adapters.base import Account
from platforms.adapters.facebook import Facebook
from platforms.adapters.facebook_account import FacebookConfig
from tests.contract.server import Reply, Request
from tests.contract.wire import Case

SUCCESS = "1010_2020"
PERMALINK = "https://www.facebook.com/1010/posts/2020"
ACCOUNT = Account("1010", "ada")


def make_facebook(url: str) -> Facebook:
    return Facebook(
        FacebookConfig(
            graph_base=url,
            video_base=url,
            upload_base=url,
            dialog_base=url,
            client_id="fb-app",
            client_secret="fb-app-secret",
        )
    )


def network(request: Request) -> Reply:
    """Answer everything as when all is well."""
    path = request.path.partition("?")[0]
    if path.endswith("/photos"):
        return Reply(200, {"id": "777"})
    if path.endswith("/comments"):
        return Reply(200, {"id": f"{SUCCESS}_1"})
    return Reply(200, {"id": SUCCESS, "permalink_url": PERMALINK})


COUNTED = {
    "id": "1",
    "shares": {"count": 2},
    "reactions": {"data": [], "summary": {"total_count": 3}},
    "comments": {"data": [], "summary": {"total_count": 1}},
    "data": [{"name": "post_media_view", "period": "lifetime", "values": [{"value": 40}]}],
}
READY = {"status": {"video_status": "ready", "publishing_phase": {"status": "complete"}}}
FACEBOOK_CASE = Case(
    make=make_facebook,
    credentials=lambda url: {"access_token": "fb-page-token"},
    secrets=("fb-page-token", "fb-app-secret"),
    created=Reply(200, {"id": SUCCESS, "permalink_url": PERMALINK}),
    success_id=SUCCESS,
    listed_nothing=Reply(200, {"data": []}),
    too_long="x" * 63_207,
    me=(Reply(200, {"id": "1010", "name": "Ada Works", "username": "ada"}),),
    account=ACCOUNT,
    other={
        "delete": Reply(200, {"success": True}),
        "metrics": Reply(200, COUNTED),
        "check": Reply(200, {"id": "4711", **READY, "post_id": SUCCESS}),
    },
    network=network,
    counters={"shares": 2, "likes": 3, "comments": 1, "views": 40},
)
