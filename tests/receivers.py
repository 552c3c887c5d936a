"""Somebody's server that takes callbacks, for tests whose sender is another process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

from notifications.signing import secrets


@dataclass
class Receiver:
    """What arrived, verified with a library that is not ours; answers `status` until told else."""

    status: int = 200
    location: str = ""
    url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def of(self, post_id: object) -> list[dict[str, Any]]:
        """Return the events of one post, in the order in which they arrived."""
        return [event for event in self.heard if event["data"]["job_id"] == str(post_id)]

    def types(self, post_id: object) -> list[str]:
        """Return what was told of one post."""
        return [event["type"] for event in self.of(post_id)]


@contextmanager
def receiving(**told: Any) -> Iterator[Receiver]:
    """Run a receiver on a free port of loopback."""
    receiver = Receiver(**told)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            Webhook(secrets()[0]).verify(body, dict(self.headers))  # raises: then it is not heard
            receiver.heard.append(json.loads(body))
            receiver.ids.append(self.headers["webhook-id"])
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
