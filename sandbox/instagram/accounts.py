"""Who is calling, by which flavour, and what an account tells of itself."""

from __future__ import annotations

import hashlib

from sandbox.exchange import Answer, Call
from sandbox.graph import pages
from sandbox.graph.access import USER, sign_in
from sandbox.graph.errors import no_object
from sandbox.graph.fields import Node, parse_fields, show
from sandbox.graph.growth import counted
from sandbox.graph.params import Params
from sandbox.records import Account

_FOLLOWERS_AGE_SECONDS = 86_400.0


def authenticate(call: Call) -> Account:
    """Instagram Login: the token names the account."""
    return call.site.account(sign_in(call, call.site).name)


def authenticate_via_facebook(call: Call) -> Account:
    """Facebook Login: a page's token, or the person's, stands for the linked account."""
    grant = sign_in(call, call.world.site("facebook"))
    page = pages.page_names(grant.name)[0] if grant.kind == USER else grant.name
    if not pages.has_instagram(page):
        raise no_object(call.method, call.params.get("id", "me"))
    return call.site.account(page)


def is_via_facebook(call: Call) -> bool:
    return call.path.startswith("/facebook/")


def professional_id(account: Account) -> str:
    """The id in paths (`user_id` of /me): 17 digits beginning with 17841."""
    return "17841" + account.id[-12:]


def scoped_id(account: Account) -> str:
    """What Instagram Login tells as `id`: good for nothing but knowing an account again."""
    digest = hashlib.blake2b(account.id.encode(), digest_size=8).digest()
    return str(10**15 + int.from_bytes(digest) % 10**15)


def check_owner(call: Call) -> Account:
    """The account in the path must be the caller's; with Instagram Login `me` is it too."""
    wanted, account = call.params.get("id", "me"), call.account
    if wanted != professional_id(account) and (wanted != "me" or is_via_facebook(call)):
        raise no_object(call.method, wanted)
    return account


def me(call: Call) -> Answer:
    return Answer(200, show(node(call, call.account), parse_fields(Params.of(call).text("fields"))))


def node(call: Call, account: Account) -> Node:
    """With Facebook Login there is no `user_id` and no `account_type`."""
    told = {
        "username": account.name,
        "name": account.display_name,
        "biography": "",
        "website": None,
        "profile_picture_url": f"{call.base_url}/_static/avatar.svg",
        "followers_count": counted("views", account.id, _FOLLOWERS_AGE_SECONDS),
        "follows_count": 12,
        "media_count": sum(
            p.deleted_at is None and p.extra["product"] in ("FEED", "REELS") for p in account.posts
        ),
    }
    if is_via_facebook(call):
        return Node("IGUser", {"id": professional_id(account), **told})
    return Node(
        "IGUser",
        {
            "id": scoped_id(account),
            "user_id": professional_id(account),
            "account_type": "BUSINESS",
            **told,
        },
    )
