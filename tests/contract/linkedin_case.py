"""LinkedIn's wire data: learn.microsoft.com/linkedin/marketing, read 2026-11."""

from __future__ import annotations

from platforms.adapters.base import Account
from platforms.adapters.linkedin import LinkedIn
from platforms.adapters.linkedin_connection import LinkedInConfig
from tests.contract.server import Reply, Request
from tests.contract.wire import Case

ORGANIZATION = "urn:li:organization:2414183"
MEMBER = "urn:li:person:AbC-1"
POST = "urn:li:share:7131234567890123456"
IMAGE = "urn:li:image:C4E10AQFoyyAjHPMQuQ"
ROLES = {"elements": [{"organization": ORGANIZATION, "role": "ADMINISTRATOR", "state": "APPROVED"}]}
SHOWN = {"id": 2414183, "vanityName": "devtestco", "localizedName": "Devtestco"}
CREATED = Reply(201, b"", {"x-restli-id": POST})


def make_linkedin(url: str) -> LinkedIn:
    return LinkedIn(LinkedInConfig(url, f"{url}/oauth/v2", "202607", "l-client", "l-secret"))


def network(request: Request) -> Reply:
    if request.path.startswith("/rest/images?action=initializeUpload"):
        address = f"http://{request.headers['host']}/dms-uploads/1"
        return Reply(200, {"value": {"uploadUrl": address, "image": IMAGE}})
    if request.method == "PUT":
        return Reply(201)
    if request.path.startswith("/rest/images/"):
        return Reply(200, {"id": IMAGE, "status": "AVAILABLE"})
    return CREATED


LINKEDIN_CASE = Case(
    make=make_linkedin,
    credentials=lambda url: {
        "access_token": "l-access-token",
        "refresh_token": "l-refresh-token",
        "author": ORGANIZATION,
    },
    secrets=("l-access-token",),
    created=CREATED,
    success_id=POST,
    listed_nothing=Reply(200, {"elements": []}),
    too_long="x" * 3001,
    me=(Reply(200, ROLES), Reply(200, SHOWN)),
    account=Account(ORGANIZATION, "devtestco", display_name="Devtestco"),
    network=network,
    other={
        "refresh": Reply(
            200,
            {
                "access_token": "new-access",
                "expires_in": 5_184_000,
                "refresh_token": "new-refresh",
                "refresh_token_expires_in": 30_000_000,
            },
        ),
        "delete": Reply(204),
        "metrics": Reply(
            200,
            {
                "elements": [
                    {
                        "share": POST,
                        "totalShareStatistics": {
                            "likeCount": 3,
                            "shareCount": 2,
                            "engagement": 0.1,
                        },
                    }
                ]
            },
        ),
    },
    counters={"likes": 3, "shares": 2},
)
