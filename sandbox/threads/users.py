"""Who is calling, and what a profile tells of itself."""

from __future__ import annotations

from sandbox.exchange import Answer, Call
from sandbox.graph.access import sign_in
from sandbox.graph.errors import no_object
from sandbox.graph.fields import Node, parse_fields, show
from sandbox.graph.params import Params
from sandbox.records import Account


def authenticate(call: Call) -> Account:
    return call.site.account(sign_in(call, call.site).name)


def check_owner(call: Call) -> Account:
    """The user in the path must be the caller: `me`, or the id."""
    wanted = call.params.get("id", "me")
    if wanted not in ("me", call.account.id):
        raise no_object(call.method, wanted)
    return call.account


def me(call: Call) -> Answer:
    return Answer(200, show(node(call), parse_fields(Params.of(call).text("fields"))))


def node(call: Call) -> Node:
    account = call.account
    return Node(
        "ThreadsUser",
        {
            "id": account.id,
            "username": account.name,
            "name": account.display_name,
            "threads_profile_picture_url": f"{call.base_url}/_static/avatar.svg",
            "threads_biography": "",
            "is_verified": False,
        },
    )
