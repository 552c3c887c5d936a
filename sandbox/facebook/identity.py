"""Persons and pages: a page's token acts for the page, a person's only lists and looks."""

from __future__ import annotations

import hashlib

from sandbox.exchange import Answer, Call
from sandbox.facebook.errors import not_allowed, wants_page_token
from sandbox.graph import pages
from sandbox.graph.access import USER, sign_in, token_of, underlying
from sandbox.graph.errors import bad_parameter, missing_permission, no_object
from sandbox.graph.fields import Node, parse_fields, show
from sandbox.graph.growth import counted
from sandbox.graph.paging import list_nodes
from sandbox.graph.params import Params
from sandbox.instagram.accounts import professional_id
from sandbox.records import Account
from sandbox.tokens import Grant
from sandbox.world import Site

_FOLLOWERS_AGE_SECONDS = 86_400.0
_TOLD_OF_PAGES = ("access_token", "category", "category_list", "name", "id", "tasks")


class Persons:
    """People are no accounts that publish; they are kept apart, under the name of their page."""

    def __init__(self) -> None:
        self._by_name: dict[str, Account] = {}
        self._page_tokens: dict[tuple[str, str], str] = {}  # person's token, page -> page token

    def person(self, name: str) -> Account:
        found = self._by_name.get(name)
        if found is None:
            digest = hashlib.blake2b(f"person:{name}".encode(), digest_size=8).digest()
            person_id = str(10**15 + int.from_bytes(digest) % 10**15)
            found = self._by_name[name] = Account(person_id, name)
        return found

    def page_token(self, token: str, grant: Grant, page: str, site: Site) -> str:
        """The same at every reading; it ends with the person's token, or never if that is long."""
        known = self._page_tokens.get((token, page))
        if known is None:
            now = site.world.now()
            is_short = grant.expires_at is not None and grant.expires_at - now < 86_400
            life_s = (grant.expires_at or now) - now if is_short else None
            pair = site.tokens.exchange(underlying(token), life_s=life_s, name=page, kind="page")
            known = self._page_tokens[token, page] = pair.access_token
        return known


def authenticate(call: Call) -> Account:
    grant = sign_in(call, call.site)
    if grant.kind == USER:
        return call.site.books(Persons).person(grant.name)
    return call.site.account(grant.name)


def is_person(call: Call) -> bool:
    return call.grant is not None and call.grant.kind == USER


def acting_page(call: Call) -> Account:
    """The page of the path, which must be the caller itself."""
    wanted = call.params.get("id", "me")
    if is_person(call):
        raise wants_page_token()
    if wanted not in ("me", call.account.id):
        raise no_object(call.method, wanted)
    return call.account


def publishing_page(call: Call) -> Account:
    """The same, where the person behind the token may also create content."""
    page = acting_page(call)
    check_task(page)
    return page


def check_task(page: Account) -> None:
    if "CREATE_CONTENT" not in pages.tasks(page.name):
        raise not_allowed("the person has no task CREATE_CONTENT on this page")


def me(call: Call) -> Answer:
    node = person_node(call) if is_person(call) else page_node(call, call.account)
    return Answer(200, show(node, parse_fields(Params.of(call).text("fields"))))


def person_node(call: Call) -> Node:
    person = call.account
    first, _, last = person.display_name.partition(" ")
    values = {
        "id": person.id,
        "name": person.display_name,
        "first_name": first,
        "last_name": last or None,
        "email": None,
        "picture": _picture(call),
    }
    return Node("User", values, ("id", "name"))


def accounts(call: Call) -> Answer:
    """`GET /me/accounts`: the person's pages, each with its own token."""
    if not is_person(call):
        raise bad_parameter("Tried accessing nonexisting field (accounts) on node type (Page)")
    names = pages.page_names(call.account.name)
    return list_nodes(call, [page_node(call, call.site.account(name)) for name in names])


def businesses(call: Call) -> Answer:
    """Nobody here has pages through a business."""
    if not is_person(call) or not (call.grant and call.grant.allows("business_management")):
        raise missing_permission("Requires business_management permission to access", code=100)
    return Answer(200, {"data": []})


def own_page(call: Call, page_id: str) -> Account | None:
    """The page by its id, if it is the caller or one of the person's."""
    if not is_person(call):
        return call.account if page_id == call.account.id else None
    owned = (call.site.account(name) for name in pages.page_names(call.account.name))
    return next((page for page in owned if page.id == page_id), None)


def page_node(call: Call, page: Account) -> Node:
    link = pages.has_instagram(page.name)
    values = {
        "id": page.id,
        "name": page.display_name,
        "username": page.name,
        "about": None,
        "category": "Software",
        "category_list": [{"id": "2211", "name": "Software"}],
        "link": f"https://www.facebook.com/{page.id}",
        "fan_count": _followers(page),
        "followers_count": _followers(page),
        "picture": _picture(call),
        "website": None,
        "emails": None,
        "is_published": True,
        "verification_status": "not_verified",
        "has_transitioned_to_new_page_experience": True,
        "tasks": list(pages.tasks(page.name)),
        "access_token": _page_token(call, page),
        "instagram_business_account": _instagram_node(call, page) if link else None,
        "connected_instagram_account": _instagram_node(call, page) if link else None,
    }
    return Node("Page", values, _TOLD_OF_PAGES if is_person(call) else ("id", "name"))


def _page_token(call: Call, page: Account) -> str:
    token = token_of(call)
    if call.grant is None or not is_person(call):
        return token
    return call.site.books(Persons).page_token(token, call.grant, page.name, call.site)


def _instagram_node(call: Call, page: Account) -> Node:
    account = call.world.site("instagram").account(page.name)
    values = {
        "id": professional_id(account),
        "username": account.name,
        "name": account.display_name,
        "profile_picture_url": f"{call.base_url}/_static/avatar.svg",
        "followers_count": _followers(account),
    }
    return Node("IGUser", values)


def _picture(call: Call) -> dict[str, object]:
    url = f"{call.base_url}/_static/avatar.svg"
    return {"data": {"height": 50, "is_silhouette": False, "url": url, "width": 50}}


def _followers(account: Account) -> int:
    return counted("views", account.id, _FOLLOWERS_AGE_SECONDS)
