"""A minimal X in its own process: `POST /2/tweets` takes 50 ms and costs next to no CPU.

    python -m benchmarks.stub_x --port 8099 [--latency-ms 50]

Just enough HTTP/1.1 for keep-alive clients that send a Content-Length. A request counts as received
when its last byte is here. What is not needed for the answer (reading texts, checking one signature
in `CHECK_EVERY`) happens in `GET /_report`, after the burst. `POST /_reset` forgets everything.

The answer's headers are those X sends; consumer and token secrets are the ones below.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import signal
import time
from collections import Counter, deque
from typing import Any

from oauthlib.oauth1 import Client
from oauthlib.oauth1.rfc5849.utils import parse_authorization_header

from benchmarks.texts import read_text

CONSUMER_KEY, CONSUMER_SECRET = "bench-consumer", "bench-consumer-secret"
CHECK_EVERY = 50
ALLOWANCE = 100_000  # more than any benchmark sends: nothing here is about limits


def token_of(account: int) -> tuple[str, str]:
    """Return (oauth_token, oauth_token_secret) of an account."""
    token = f"{account}-bench-token"
    return token, _secret_of(token)


def _secret_of(token: str) -> str:
    return f"secret-of-{token}"


class Memory:
    """What was received: (number, due, received) is read from the bodies when asked for."""

    def __init__(self) -> None:
        self.requests: list[tuple[float, bytes]] = []  # epoch seconds, body
        self.sample: list[bytes] = []  # whole heads, signatures included
        self.uploaded = 0  # bytes of media
        self.cpu_before = _cpu_seconds()

    def report(self, port: int) -> dict[str, Any]:
        """Return the figures; `received` has [number, due, received at] in epoch seconds."""
        cpu = _cpu_seconds() - self.cpu_before
        found = [(read_text(body), at) for at, body in self.requests]
        received = [(text[0], text[1], at) for text, at in found if text]
        copies = Counter(number for number, _, _ in received)
        return {
            "count": len(self.requests),
            "unreadable": len(found) - len(received),
            "uploaded": self.uploaded,
            "duplicates": sum(copies.values()) - len(copies),
            "received": received,
            "signatures_checked": len(self.sample),
            "bad_signatures": sum(not is_signed(head, port) for head in self.sample),
            "cpu_seconds": cpu,
        }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def is_signed(head: bytes, port: int) -> bool:
    """Say whether a request's OAuth 1.0a signature is what oauthlib computes for it."""
    given = _authorization(head)
    client = Client(
        CONSUMER_KEY,
        client_secret=CONSUMER_SECRET,
        resource_owner_key=given.get("oauth_token", ""),
        resource_owner_secret=_secret_of(given.get("oauth_token", "")),
        nonce=given.get("oauth_nonce", ""),
        timestamp=given.get("oauth_timestamp", ""),
    )
    _, headers, _ = client.sign(f"http://127.0.0.1:{port}/2/tweets", http_method="POST")
    return dict(parse_authorization_header(headers["Authorization"])) == given


def _authorization(head: bytes) -> dict[str, str]:
    """Return the parts of a request's Authorization header, empty when it is no OAuth header."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        if name.lower() == "authorization" and value.startswith("OAuth "):
            return dict(parse_authorization_header(value))
    return {}


class Server:
    """The answers, each due a fixed time after its request: one timer serves them all."""

    def __init__(self, port: int, latency: float) -> None:
        self.port = port
        self.memory = Memory()
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._due: deque[tuple[float, asyncio.Transport, bytes]] = deque()
        self._second = 0
        self._head = ""

    def tweet(self, transport: asyncio.Transport, head: bytes, body: bytes) -> None:
        """Note a post now and answer it later."""
        memory = self.memory
        memory.requests.append((time.time(), body))
        number = len(memory.requests)
        if number % CHECK_EVERY == 1:
            memory.sample.append(head)
        tweet_id = 1_990_000_000_000_000_000 + time.time_ns() // 1000
        data = b'{"data":{"id":"%d","edit_history_tweet_ids":["%d"],' % (tweet_id, tweet_id)
        content = data + body[1:-1] + b"}}"
        head_text = self._headers() % (number, ALLOWANCE - number, len(content))
        answer = head_text.encode() + content
        if not self._due:
            self._loop.call_later(self._latency, self._send_due)
        self._due.append((self._loop.time() + self._latency, transport, answer))

    def _send_due(self) -> None:
        now = self._loop.time() + 0.0005
        while self._due and self._due[0][0] <= now:
            _, transport, answer = self._due.popleft()
            transport.write(answer)
        if self._due:
            self._loop.call_at(self._due[0][0], self._send_due)

    def _headers(self) -> str:
        """Return the head of an answer, made once a second; three numbers are still missing."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            reset, tomorrow = second // 900 * 900 + 900, second // 86400 * 86400 + 86400
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(second))
            self._head = "\r\n".join(
                [
                    "HTTP/1.1 201 Created",
                    f"date: {date}",
                    "perf: 7402827104",
                    "content-type: application/json; charset=utf-8",
                    "cache-control: no-cache, no-store, max-age=0",
                    "x-access-level: read-write",
                    "x-frame-options: SAMEORIGIN",
                    "x-transaction-id: %016x",
                    "api-version: 2.167",
                    f"x-rate-limit-limit: {ALLOWANCE}",
                    "x-rate-limit-remaining: %d",
                    f"x-rate-limit-reset: {reset}",
                    f"x-app-limit-24hour-limit: {ALLOWANCE}",
                    f"x-app-limit-24hour-remaining: {ALLOWANCE}",
                    f"x-app-limit-24hour-reset: {tomorrow}",
                    "x-content-type-options: nosniff",
                    "strict-transport-security: max-age=631138519",
                    "content-length: %d",
                    "\r\n",
                ]
            )
        return self._head

    def media(self, transport: asyncio.Transport, head: bytes, size: int) -> None:
        """Take a step of a chunked upload; the bytes are counted and thrown away."""
        self.memory.uploaded += size
        content = b'{"data":{"id":"7","media_key":"7_7","expires_after_secs":86400}}'
        transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content)

    def other(self, transport: asyncio.Transport, head: bytes) -> None:
        """Answer the benchmark's own questions."""
        line = head.split(b"\r\n", 1)[0]
        answer: Any = {"count": len(self.memory.requests)}
        if line.startswith(b"GET /_report"):
            answer = self.memory.report(self.port)
        elif line.startswith(b"POST /_reset"):
            self.memory = Memory()
            gc.collect()
            gc.freeze()
        content = json.dumps(answer).encode()
        transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content)


class Connection(asyncio.Protocol):
    """One client connection; requests come one after the other, each in one or more pieces."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._pending:
            data = self._pending + data
        while data:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3:
                break
            head = data[:end]
            stop = end + _content_length(head)
            if len(data) < stop:
                break
            if head.startswith(b"POST /2/tweets "):
                self._server.tweet(self._transport, head, data[end:stop])
            elif head.startswith(b"POST /2/media/upload"):
                self._server.media(self._transport, head, stop - end)
            else:
                self._server.other(self._transport, head)
            data = data[stop:]
        self._pending = data


def _content_length(head: bytes) -> int:
    at = head.find(b"Content-Length: ")
    if at < 0:
        return 0
    return int(head[at + 16 : head.find(b"\r\n", at)])


async def serve(port: int, latency: float) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    server = Server(port, latency)
    listener = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=1024)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)
    await ended.wait()
    listener.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.latency_ms / 1000))


if __name__ == "__main__":
    main()
