"""Lists as the Graph tells them: newest first, cut by `limit`, `since`, `until` and a cursor."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from sandbox.exchange import Answer, Call
from sandbox.graph.errors import bad_parameter
from sandbox.graph.fields import Node, parse_fields, show
from sandbox.graph.params import Params
from sandbox.records import Post

_PAGE = 25
_LARGEST_PAGE = 100


def list_posts(call: Call, posts: Iterable[Post], node: Callable[[Post], Node]) -> Answer:
    """One page of posts that come newest first, each as its node."""
    params = Params.of(call)
    since, until = params.instant("since") or 0.0, params.instant("until")

    def wanted() -> Iterator[Node]:
        for post in posts:
            if int(post.published_at) < since:
                return
            if until is None or post.published_at <= until:
                yield node(post)

    return list_nodes(call, wanted())


def list_nodes(call: Call, nodes: Iterable[Node]) -> Answer:
    """One page of nodes; `after` is the cursor behind which it starts."""
    params = Params.of(call)
    fields, size = parse_fields(params.text("fields")), params.number("limit")
    if size is not None and size < 0:
        raise bad_parameter("Param limit must be a non-negative integer")
    size = _PAGE if size is None else min(size, _LARGEST_PAGE)
    found = list(itertools.islice(_behind(nodes, params.text("after")), size + 1))
    page = found[:size]
    body: dict[str, Any] = {"data": [show(node, fields) for node in page]}
    if page:
        before, after = (_cursor(str(node.values["id"])) for node in (page[0], page[-1]))
        body["paging"] = {"cursors": {"before": before, "after": after}}
        if len(found) > size:
            query = {**call.query, "limit": size, "after": after}
            query.pop("access_token", None)
            body["paging"]["next"] = f"{call.base_url}{call.path}?{urlencode(query)}"
    return Answer(200, body)


def graph_time(at: float) -> str:
    """Whole seconds with `+0000`, as every Graph API tells times."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _behind(nodes: Iterable[Node], after: str) -> Iterable[Node]:
    if not after:
        return nodes
    found = itertools.dropwhile(lambda node: _cursor(str(node.values["id"])) != after, nodes)
    return itertools.islice(found, 1, None)


def _cursor(node_id: str) -> str:
    return base64.urlsafe_b64encode(node_id.encode()).decode().rstrip("=")
