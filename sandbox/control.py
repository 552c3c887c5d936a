"""The judge's doors: switches, tokens, statistics, the log of calls, and forgetting everything."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox import fcm
from sandbox.records import Account, Post, iso
from sandbox.switches import BadSwitch
from sandbox.tokens import Terms
from sandbox.world import CallRecord, Site, World

_CALLS_SHOWN = 1000
_TOKEN_ACTIONS = ("revoke", "expire", "restore", "issue")
_Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_routes(app: web.Application, world: World) -> None:
    """Add everything below /_control, /_data, /_stats and /_calls."""
    control = _Control(world)
    routes: list[tuple[str, str, _Handler]] = [
        ("GET", "/_control", control.show),
        ("POST", "/_control", control.set),
        ("DELETE", "/_control", control.reset),
        ("POST", "/_control/tokens", control.tokens),
        ("POST", "/_control/consumers", control.consumers),
        ("POST", "/_control/clients", control.clients),
        ("POST", "/_control/service-accounts", control.service_accounts),
        ("DELETE", "/_data", control.forget),
        ("GET", "/_stats", control.stats),
        ("GET", "/_calls", control.calls),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)


class _Control:
    def __init__(self, world: World) -> None:
        self._world = world

    async def show(self, _request: web.Request) -> web.Response:
        return web.json_response({"rules": self._world.switches.as_json()})

    async def set(self, request: web.Request) -> web.Response:
        body = await _json_object(request)
        try:
            self._world.switches.set(body)
        except BadSwitch as bad:
            return _refused(str(bad))
        self._world.revision += 1
        return await self.show(request)

    async def reset(self, request: web.Request) -> web.Response:
        """`?network=x` resets that network's rules only."""
        self._world.switches.reset(request.query.get("network"))
        self._world.revision += 1
        return await self.show(request)

    async def tokens(self, request: web.Request) -> web.Response:
        """`{"network", "token", "action": "revoke" | "expire" | "restore"}`, for any token;

        `{"network", "account", "action": "issue", "scopes": [...], "life_s"}` makes one.
        """
        body = await _json_object(request)
        if body.get("action") == "issue":
            return self._issue(body)
        network, token, action = (body.get(name) for name in ("network", "token", "action"))
        if not isinstance(network, str) or not isinstance(token, str):
            return _refused("network, token: give both as strings")
        tokens = self._world.site(network).tokens
        match action:
            case "revoke":
                tokens.revoked.add(token)
            case "expire":
                tokens.expired.add(token)
            case "restore":
                tokens.restore(token)
            case _:
                return _refused(f"action: choose one of {', '.join(_TOKEN_ACTIONS)}")
        return web.json_response({"network": network, "action": action})

    def _issue(self, body: dict[str, Any]) -> web.Response:
        network, account = body.get("network"), body.get("account")
        scopes, life_s = body.get("scopes"), body.get("life_s")
        if not isinstance(network, str) or not isinstance(account, str):
            return _refused("network, account: give both as strings")
        if scopes is not None and not isinstance(scopes, list):
            return _refused("scopes: give a list of names, or null for everything")
        if not isinstance(life_s, int | float | None):
            return _refused("life_s: give seconds, or null for no end")
        tokens = self._world.site(network).tokens
        family = tokens.consent(account, "", scopes)
        pair = tokens.issue(family, Terms(access_life_s=life_s))
        return web.json_response(
            {"access_token": pair.access_token, "refresh_token": pair.refresh_token}
        )

    async def consumers(self, request: web.Request) -> web.Response:
        """`{"key", "secret"}`: make an OAuth 1.0a application known."""
        body = await _json_object(request)
        key, secret = body.get("key"), body.get("secret")
        if not isinstance(key, str) or not isinstance(secret, str):
            return _refused("key, secret: give both as strings")
        self._world.consumers.register(key, secret)
        return web.json_response({"key": key})

    async def clients(self, request: web.Request) -> web.Response:
        """`{"id", "secret"}`: make an OAuth 2.0 client known; secret null = a public client."""
        body = await _json_object(request)
        client_id, secret = body.get("id"), body.get("secret")
        if not isinstance(client_id, str) or not isinstance(secret, str | None):
            return _refused("id, secret: give strings; a null secret makes a public client")
        self._world.clients.register(client_id, secret)
        return web.json_response({"id": client_id})

    async def service_accounts(self, request: web.Request) -> web.Response:
        """`{"client_email", "public_key"}` (PEM): whose pushes must be signed with that key."""
        body = await _json_object(request)
        email, pem = body.get("client_email"), body.get("public_key")
        if not isinstance(email, str) or not isinstance(pem, str):
            return _refused("client_email, public_key: give both as strings")
        try:
            fcm.register(self._world, email, pem)
        except ValueError as error:
            return _refused(f"public_key: {error}")
        return web.json_response({"client_email": email})

    async def forget(self, _request: web.Request) -> web.Response:
        self._world.forget()
        return web.json_response({"forgotten": True})

    async def stats(self, request: web.Request) -> web.Response:
        with_posts = request.query.get("detail") in ("1", "true")
        sites = sorted(self._world.sites.items())
        return web.json_response({name: site_stats(site, with_posts) for name, site in sites})

    async def calls(self, request: web.Request) -> web.Response:
        """Newest last; `network`, `account`, `operation`, `since` (epoch seconds) and `limit`."""
        query = request.query
        try:
            since, limit = float(query.get("since", 0)), int(query.get("limit", _CALLS_SHOWN))
        except ValueError:
            return _refused("since: give epoch seconds; limit: give a whole number")
        wanted = {k: query[k] for k in ("network", "account", "operation") if k in query}
        found = [
            _call_json(call)
            for call in self._world.calls
            if call.at >= since and all(getattr(call, k) == v for k, v in wanted.items())
        ]
        shown = found[-limit:] if limit > 0 else []
        return web.json_response({"total": len(found), "calls": shown})


def site_stats(site: Site, with_posts: bool = False) -> dict[str, Any]:
    """Counts of one network; `duplicates` are living copies beyond the first."""
    accounts = site.accounts.values()
    answer: dict[str, Any] = {
        "count": sum(a.live for a in accounts),
        "duplicates": sum(a.duplicates for a in accounts),
        "deleted": sum(a.deleted for a in accounts),
        "calls": site.calls,
        "by_account": {a.name: _account_stats(a) for a in accounts},
    }
    if with_posts:
        answer["posts"] = [_post_json(post) for post in site.posts.values()]
    return answer


def _account_stats(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "count": account.live,
        "duplicates": account.duplicates,
        "deleted": account.deleted,
        "calls": account.calls,
    }


def _post_json(post: Post) -> dict[str, Any]:
    return {
        "id": post.id,
        "account": post.account.name,
        "text": post.text,
        "reply_to": post.parent.id if post.parent else None,
        "media": [{"id": m.id, "alt_text": m.alt_text, "bytes": len(m.data)} for m in post.media],
        "received_at": post.received_at,
        "published_at": post.published_at,
        "due_at": post.due_at,
        "lateness_ms": post.lateness_ms,
        "deleted_at": post.deleted_at,
    }


def _call_json(call: CallRecord) -> dict[str, Any]:
    return {
        "network": call.network,
        "account": call.account,
        "operation": call.operation,
        "method": call.method,
        "path": call.path,
        "at": call.at,
        "at_iso": iso(call.at, timespec="microseconds"),
        "status": call.status,
        "fault": call.fault,
        "answered_at": call.answered_at,
    }


async def _json_object(request: web.Request) -> dict[str, Any]:
    """The body; 415 unless it says JSON, so that no foreign web page can post here unasked."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Content-Type: application/json is needed\n")
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is not a JSON object\n")
    return body


def _refused(message: str) -> web.Response:
    return web.json_response({"error": message}, status=400)
