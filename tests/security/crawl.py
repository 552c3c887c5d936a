"""Every address of the site and the API that answers a plain look."""

from __future__ import annotations

from accounts.models import ApiKey, Invitation, Membership
from api.documents import document
from platforms.models import SocialConnection
from platforms.networks import all_networks
from scheduling.models import PostSeries, ScheduledPost
from tests.admin.crawl import Rows
from tests.api.rows import ROWS

PUBLIC = ("/login/", "/api/docs/", "/api/schema/", "/health", "/ready", "/no/such/page", "/api/no")


DAYS = "?from=2026-11-01&to=2026-11-30"
WANTED = {"/api/v1/calendar": DAYS, "/api/v1/calendar/export": DAYS}  # they need a query


def site_pages(connection: SocialConnection) -> list[str]:
    """Return the pages of somebody who is logged in, forms for every network among them."""
    forms = [f"/connections/new/{network.slug}/" for network in all_networks() if network.by_form]
    return [
        "/",
        "/security/",
        "/connections/",
        f"/connections/{connection.pk}/disconnect/",
        "/setup/",
        *forms,
        *PUBLIC,
    ]


def api_reads(rows: Rows) -> list[str]:
    """Return an address for every operation of the API that only reads."""
    post = rows[ScheduledPost]
    ids = {
        "post_id": post.pk,
        "job_id": post.pk,
        "group_id": post.group_id,
        "connection_id": rows[SocialConnection].pk,
        "series_id": rows[PostSeries].pk,
        "key_id": rows[ApiKey].pk,
        "invitation_id": rows[Invitation].pk,
    }
    workspace = rows[SocialConnection].workspace
    member = Membership.objects.filter(workspace=workspace).first()
    found = []
    for path, operations in document()["paths"].items():
        if "get" not in operations:
            continue
        for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
            if name == "member_id":
                value = member.public_id if member else ROWS[name](workspace)
            else:
                value = ids.get(name) or ROWS[name](workspace)
            path = path.replace(f"{{{name}}}", str(value))
        found.append(f"{path}{WANTED.get(path, '')}")
    return found
