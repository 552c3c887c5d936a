"""A raw loopback server that answers exactly what a test says, or not at all."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived: `path` with its query, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; `body` that is not bytes is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        given = {"content-length": str(len(body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} Told", *(f"{k}: {v}" for k, v in given.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes, then the connection is closed, or left open and silent with `hang`."""

    content: bytes
    hang: bool = False


DROP = Raw(b"")  # read the request, close without a word
HANG = Raw(b"", hang=True)
RESET = "reset"  # read the request, tear the connection down

Step = Reply | Raw | str
Script = Callable[[Request], Step]


@dataclass(slots=True)
class Scripted:
    """A running server. `script` may be replaced at any time; `requests` lists all that arrived."""

    url: str
    script: Script
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def always(self, step: Step) -> None:
        """Answer everything like this from now on, and forget what arrived so far."""
        self.script = lambda request: step
        self.requests.clear()

    def in_turn(self, *steps: Step) -> None:
        """Answer with these, one after the other; more requests than steps fail the test."""
        left = iter(steps)
        self.script = lambda request: next(left)
        self.requests.clear()


@asynccontextmanager
async def serve(
    script: Script | Step | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """Run a scripted server on a free loopback port."""
    chosen = script if callable(script) else (lambda request: script or Reply())
    scripted = Scripted("", chosen)
    over = asyncio.Event()
    writers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scripted.connections += 1
        writers.add(writer)
        try:
            while request := await _read(reader):
                scripted.requests.append(request)
                if not await _act(scripted.script(request), writer, over.wait):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scripted.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield scripted
    finally:
        over.set()
        server.close()
        for writer in writers.copy():  # since Python 3.12 wait_closed waits for idle clients too
            writer.close()
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    start, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = start.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


async def _act(
    step: Step, writer: asyncio.StreamWriter, over: Callable[[], Awaitable[Any]]
) -> bool:
    """Do one step; returns whether the connection goes on."""
    if isinstance(step, Reply):
        writer.write(step.encode())
        await writer.drain()
        return True
    if isinstance(step, Raw):
        writer.write(step.content)
        await writer.drain()
        if step.hang:
            await over()
        return False
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def closed_port() -> int:
    """Return a loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
