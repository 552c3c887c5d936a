"""Accounts: who one is, whether a token lives, the profile with its figures, the folders."""

from __future__ import annotations

from typing import Any

from sandbox.deviantart import errors
from sandbox.deviantart.books import books, folder_ids, user_id
from sandbox.deviantart.fields import asked, page
from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.records import Account


def placebo(_call: Call) -> Answer:
    """Cheap proof that a token lives."""
    return Answer(200, {"status": "success"})


def whoami(call: Call) -> Answer:
    return Answer(200, describe(call, call.account))


def describe(call: Call, account: Account) -> dict[str, Any]:
    return {
        "userid": user_id(call.site, account),
        "username": account.name,
        "usericon": f"{call.base_url}/_static/avatar.svg",
        "type": "regular",
    }


def profile(call: Call) -> Answer:
    """`GET /user/profile/{username}[?expand=user.stats]`."""
    account = named(call, call.params["username"])
    user = describe(call, account)
    works = [w for w in books(call).works.values() if w.post.account is account]
    age_s = call.world.now() - works[0].post.published_at if works else 0.0

    def counted(name: str, most: int) -> int:
        return grown(f"{account.id} {name}", age_s, most=most)

    if "user.stats" in asked(call).text("expand").split(","):
        user["stats"] = {"watchers": 10 + counted("watchers", 300), "friends": 4}
    stats = {
        "user_deviations": sum(1 for work in works if work.post.deleted_at is None),
        "user_favourites": 7,
        "user_comments": counted("comments", 40),
        "profile_pageviews": 100 + counted("pageviews", 2000),
        "profile_comments": counted("profile comments", 20),
    }
    url = f"https://www.deviantart.com/{account.name}"
    return Answer(200, {"user": user, "is_watching": False, "profile_url": url, "stats": stats})


def folders(call: Call) -> Answer:
    """`GET /gallery/folders[?username=&offset=&limit=]`."""
    fields = asked(call)
    username = fields.text("username")
    account = named(call, username) if username else call.account
    offset = fields.number("offset", 0, low=0, high=50_000)
    limit = fields.number("limit", 10, low=1, high=50)
    found = [{"folderid": i, "parent": None, "name": n} for i, n in folder_ids(account).items()]
    return Answer(200, page(found, offset, limit))


def named(call: Call, username: str) -> Account:
    """The account; a name that no call has used is not a user."""
    wanted = username.lower()
    for account in call.site.accounts.values():
        if account.name.lower() == wanted:
            return account
    raise errors.refused(400, "User not found.")
