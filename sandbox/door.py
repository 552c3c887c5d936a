"""Every network's front door: sign in, suffer the switches, count, act, answer, log the call."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from sandbox.exchange import Answer, Call, Refusal
from sandbox.rates import Allowance, Charge, Window
from sandbox.records import Account
from sandbox.switches import Fault
from sandbox.world import CallRecord, World

GARBAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
POLL_SECONDS = 0.1
CLOSING = web.AppKey("closing", asyncio.Event)

Handler = Callable[[Call], Answer]
Prepare = Callable[[Call], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route below a network's prefix; `operation` is what switches call it.

    A call costs one of the account's `allowance` in the `bucket`, unless `charges` says otherwise.
    `prepare` is what the network waits for before it acts: a file it fetches. `operation_of` tells
    from the call where one address serves several: the last part of an upload publishes.
    """

    method: str
    path: str
    operation: str
    handler: Handler
    allowance: Allowance
    bucket: str = ""
    signed_in: bool = True
    prepare: Prepare | None = None
    scopes: tuple[str, ...] = ()  # all of them are needed; a token without them is refused
    operation_of: Callable[[Call], str] | None = None
    charges: Callable[[Call], Sequence[Charge]] | None = None


def _holds(granted: frozenset[str], scope: str) -> bool:
    return scope in granted


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is particular to one kind of network.

    `authenticate` sets `call.grant` when the caller's token has scopes, so that the door can refuse
    with `scope_missing` (None: `failure(403)`) what `Endpoint.scopes` asks for and the token lacks;
    `covers(granted, scope)` says whether a wider scope, such as Mastodon's `write`, includes it.
    `limited` is the 429 of networks whose body tells how long to wait (None: `failure(429)`).
    """

    prefix: str
    site_name: Callable[[Mapping[str, str]], str]
    authenticate: Callable[[Call], Account]  # raises Refusal
    limit_headers: Callable[[Window, float], dict[str, str]]  # window, now
    failure: Callable[[int], Answer]  # the network's own way to say this status
    request_id_header: str
    endpoints: Sequence[Endpoint]
    scope_missing: Callable[[Call, Sequence[str]], Answer] | None = None
    covers: Callable[[frozenset[str], str], bool] = _holds
    limited: Callable[[Window, float], Answer] | None = None  # window, now


class Door:
    """Serves the endpoints of all networks on one application."""

    def __init__(self, app: web.Application, world: World) -> None:
        self._app = app
        self._world = world

    def open(self, protocol: Protocol) -> None:
        """Add the network's routes."""
        for endpoint in protocol.endpoints:
            self._app.router.add_route(
                endpoint.method, protocol.prefix + endpoint.path, self._handler(protocol, endpoint)
            )

    def _handler(
        self, protocol: Protocol, endpoint: Endpoint
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await _Visit(self._world, protocol, endpoint, request).run()

        return handle


class _Visit:
    """One call on its way through the door."""

    def __init__(
        self, world: World, protocol: Protocol, endpoint: Endpoint, request: web.Request
    ) -> None:
        self.world, self.protocol, self.endpoint, self.request = world, protocol, endpoint, request
        self.site = world.site(protocol.site_name(request.match_info))
        self.record = CallRecord(
            self.site.name, None, endpoint.operation, request.method, request.path, world.now()
        )
        self.operation = endpoint.operation
        self.account_name: str | None = None
        self.refusal: Answer | None = None
        self.window: Window | None = None

    async def run(self) -> web.StreamResponse:
        """Log first: a call counts from its arrival, whatever becomes of it."""
        self.world.calls.append(self.record)
        self.site.calls += 1
        try:
            call = await self._read()
        except ConnectionError:
            return self._cut()  # the client left in the middle of its request: nothing was asked
        self._tell_operation(call)
        self._sign_in(call)
        switches, operation = self.world.switches, self.operation
        fault = switches.take(self.site.name, self.account_name, operation)
        latency = switches.latency_s(self.site.name, self.account_name, operation)
        if latency:
            await asyncio.sleep(latency)
        await self._prepare(call)
        if fault is None:
            return self._respond(self._perform(call))
        self.record.fault = fault.kind
        return await self._suffer(fault, call)

    async def _read(self) -> Call:
        body = await self.request.read()
        raw_path, _, raw_query = self.request.raw_path.partition("?")
        return Call(
            world=self.world,
            site=self.site,
            method=self.request.method,
            base_url=f"{self.request.scheme}://{self.request.host}",
            path=raw_path,
            raw_query=raw_query,
            params=self.request.match_info,
            headers=self.request.headers,
            body=body,
            received_at=self.world.now(),
            client=self.request.remote or "",
        )

    def _tell_operation(self, call: Call) -> None:
        if self.endpoint.operation_of is None:
            return
        with contextlib.suppress(Refusal):  # the handler refuses the same parameters
            self.operation = self.record.operation = self.endpoint.operation_of(call)

    def _sign_in(self, call: Call) -> None:
        if not self.endpoint.signed_in:
            return
        try:
            call.signed_in = self.protocol.authenticate(call)
        except Refusal as refusal:
            self.refusal = refusal.answer
            return
        call.signed_in.calls += 1
        self.account_name = self.record.account = call.signed_in.name
        missing = self._missing_scopes(call)
        if missing and self.protocol.scope_missing is not None:
            self.refusal = self.protocol.scope_missing(call, missing)
        elif missing:
            self.refusal = self.protocol.failure(403)

    def _missing_scopes(self, call: Call) -> list[str]:
        granted = call.grant.scopes if call.grant is not None else None
        if granted is None:
            return []
        return [s for s in self.endpoint.scopes if not self.protocol.covers(granted, s)]

    async def _prepare(self, call: Call) -> None:
        if self.endpoint.prepare is None or self.refusal is not None:
            return
        try:
            await self.endpoint.prepare(call)
        except Refusal as refusal:
            self.refusal = refusal.answer

    def _perform(self, call: Call) -> Answer:
        """Do what was asked, if the caller may and has calls left."""
        if self.refusal is not None:
            return self.refusal
        self._spend(call)
        if self.window is not None and self.window.used_up:
            return self._limited(self.window)
        try:
            return self.endpoint.handler(call)
        except Refusal as refusal:
            return refusal.answer

    def _limited(self, window: Window) -> Answer:
        if self.protocol.limited is None:
            return self.protocol.failure(429)
        return self.protocol.limited(window, self.world.now())

    def _spend(self, call: Call) -> None:
        """Count the call; an allowance that a switch orders counts calls and stands alone."""
        endpoint, allowance = self.endpoint, self.endpoint.allowance
        who = call.signed_in.id if call.signed_in is not None else call.client
        bucket = endpoint.bucket or f"{endpoint.method} {endpoint.path} {self.operation}"
        rule = self.world.switches.setting(
            "rate", self.site.name, self.account_name, self.operation
        )
        if rule is None:
            own = [Charge(who, bucket, allowance)]
            charges = own if endpoint.charges is None else endpoint.charges(call)
            self.window = replace(self.site.rates.spend_all(charges))
            return
        allowance = Allowance(
            rule.get("limit", allowance.limit),
            rule.get("window_s", allowance.window_s),
            None if "window_s" in rule else allowance.ends_at,
        )
        window = self.site.rates.spend(who, bucket, allowance)
        resets_at = window.resets_at + rule.get("reset_skew_s", 0)
        self.window = replace(window, resets_at=resets_at)

    async def _suffer(self, fault: Fault, call: Call) -> web.StreamResponse:
        match fault.kind:
            case "fail":
                if fault.options.get("lands"):
                    self._perform(call)
                return self._respond(self._failure(fault))
            case "drop_before" | "reset":
                return self._cut(reset=fault.kind == "reset")
            case "hang":
                return await self._hang(fault, call)
            case "accept_then_drop":
                self._perform(call)
                return self._cut()
            case "garbage":
                if fault.options.get("lands", True):
                    self._perform(call)
                return self._respond(Answer(200, GARBAGE, content_type="text/html"))
            case "truncated":
                return await self._trickle(self._perform(call), cut_half=True)
            case _:
                interval_s = fault.options.get("interval_ms", 200) / 1000
                return await self._trickle(self._perform(call), interval_s=interval_s)

    def _failure(self, fault: Fault) -> Answer:
        """The ordered failure: the network's own body and headers unless the switch has others."""
        options, now = fault.options, self.world.now()
        status: int = options["status"]
        answer = self.protocol.failure(status)
        left = max(0.0, fault.until - now) if fault.until is not None else 0.0
        retry_after = options.get("retry_after")
        if retry_after == "left":
            retry_after = math.ceil(left)
        if status == 429:
            seconds = retry_after if isinstance(retry_after, int) else left or 900
            limit, length_s = self.endpoint.allowance.limit, self.endpoint.allowance.window_s
            self.window = Window(limit, limit, now + seconds, used_up=True, length_s=length_s)
            answer = self._limited(self.window)
        if retry_after is not None:
            answer.headers["Retry-After"] = str(retry_after)
        if "body" in options:
            answer.status = status  # which some networks' own words would change
            body = options["body"]
            is_text = isinstance(body, str)
            answer.payload = body.encode() if is_text else body
            answer.content_type = "text/html" if is_text else "application/json"
        answer.headers.update({k: str(v) for k, v in options.get("headers", {}).items()})
        return answer

    async def _hang(self, fault: Fault, call: Call) -> web.StreamResponse:
        """Never answer. With `lands_after_ms` the work is done then, client or no client."""
        lands_after_ms = fault.options.get("lands_after_ms")
        if lands_after_ms is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(lands_after_ms / 1000, self._perform, call)
        closing = self.request.app[CLOSING]
        while self.request.transport is not None and not closing.is_set():
            await asyncio.sleep(POLL_SECONDS)
        return self._cut()

    def _cut(self, *, reset: bool = False) -> web.StreamResponse:
        """End the TCP connection without an answer: FIN, or RST."""
        transport = self.request.transport
        if transport is not None and reset:
            # Zero linger turns the close into an RST, which the client sees as "reset by peer".
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            transport.abort()
        elif transport is not None:
            transport.close()
        return web.Response()

    async def _trickle(
        self, answer: Answer, *, cut_half: bool = False, interval_s: float = 0.0
    ) -> web.StreamResponse:
        """Promise the whole body, then send half and close, or drip it byte by byte."""
        body = answer.body()
        response = web.StreamResponse(status=answer.status, headers=self._headers(answer))
        response.content_type = answer.content_type
        response.content_length = len(body)
        try:
            await response.prepare(self.request)
            if cut_half:
                await response.write(body[: len(body) // 2])
                return self._cut()
            for byte in body:
                await response.write(bytes((byte,)))
                await asyncio.sleep(interval_s)
            self._finish(answer.status)
        except ConnectionError:
            pass  # the client lost patience, which is what this switch is for
        return response

    def _respond(self, answer: Answer) -> web.StreamResponse:
        self._finish(answer.status)
        return web.Response(
            status=answer.status,
            body=answer.body(),
            headers=self._headers(answer),
            content_type=answer.content_type,
        )

    def _finish(self, status: int) -> None:
        self.record.status = status
        self.record.answered_at = self.world.now()

    def _headers(self, answer: Answer) -> dict[str, str]:
        headers = {self.protocol.request_id_header: self.world.request_id()}
        if self.window is not None:
            headers |= self.protocol.limit_headers(self.window, self.world.now())
        return headers | {k: v for k, v in answer.headers.items() if not _has_break(v)}


_BREAK = re.compile(r"[\r\n\0]")


def _has_break(value: str) -> bool:
    return _BREAK.search(value) is not None
