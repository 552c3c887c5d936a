"""With SENTRY_DSN errors leave, without anything of people; a receiver of our own looks at them."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from config.sentry import scrub
from tests.environment import ROOT
from tests.processes import wait_until

CODE = """
import logging
import sentry_sdk
from django.test import Client
def work(text):
    token = "local-s3cret-12345"
    raise ValueError(f"refused: access_token=abc123def456 \\nDETAIL: {text}")
log = logging.getLogger("carillon.publisher")
try:
    work("the whale sleeps at noon")
except ValueError:
    log.exception("post.crashed", extra={"post_id": "p-1", "segments": "the whale sleeps"})
log.error("record.refused", extra={"error": "Bearer abcdefgh12345678"})
sentry_sdk.flush(10)
"""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[str]]]:
    """Give a DSN and what arrives there."""
    arrived: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            arrived.append((gzip.decompress(body) if packed else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://public@127.0.0.1:{server.server_port}/1", arrived
    server.shutdown()
    server.server_close()


def _run(**env: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", CODE],
        env={**os.environ, **env}, cwd=ROOT, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def test_errors_leave_with_their_trace_and_nothing_of_people(
    receiver: tuple[str, list[str]],
) -> None:
    dsn, arrived = receiver
    _run(SENTRY_DSN=dsn, SENTRY_ENVIRONMENT="trial")
    wait_until(lambda: "record.refused" in "".join(arrived), what="the events")
    told = "".join(arrived)
    for wanted in (
        "post.crashed",
        "ValueError",
        '"post_id":"p-1"',
        '"environment":"trial"',
        "work",
    ):
        assert wanted in told, wanted
    for secret in ("local-s3cret", "abc123def456", "Bearer abcdefgh", "DETAIL"):
        assert secret not in told, secret
    assert '"segments"' not in told
    assert '"vars"' not in told


def test_without_an_address_nothing_leaves(receiver: tuple[str, list[str]]) -> None:
    _, arrived = receiver
    _run()
    assert arrived == []


def test_of_a_request_only_method_and_path_leave() -> None:
    event: Any = {
        "request": {
            "url": "https://x.example/oauth/complete/x/?code=s3cret",
            "method": "GET",
            "query_string": "code=s3cret",
            "headers": {"Authorization": "Bearer s3cret"},
            "cookies": {"sessionid": "s3cret"},
            "data": {"text": "s3cret"},
        },
        "user": {"email": "s3cret@example.org"},
        "breadcrumbs": {"values": [{"message": "s3cret"}]},
        "message": "broke\nrow: s3cret",
        "extra": {"sys.argv": ["s3cret"], "post_id": "p-1"},
    }
    told = scrub(event, {})
    assert "s3cret" not in str(told)
    assert told["request"] == {"method": "GET", "url": "https://x.example/oauth/complete/x/"}
    assert (told["message"], told["extra"]) == ("broke", {"post_id": "p-1"})
