"""One id follows a post from the caller's request to the callback; its text follows nowhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from scheduling.models import PublishAttempt, ScheduledPost
from scheduling.states import PostState
from tests.journeys.stage import Stage
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

TEXT, COMMENT = "the whale sleeps at noon", "and wakes at one"


@pytest.fixture
def heard() -> Iterator[tuple[str, list[tuple[Any, Any]]]]:
    """Give somebody's callback address, and what it hears: headers and body."""
    requests: list[tuple[Any, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.headers, json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", requests
    server.shutdown()
    server.server_close()


def test_the_callers_id_reaches_log_and_callback_and_nothing_secret_reaches_the_log(
    stage: Stage, heard: tuple[str, list[tuple[Any, Any]]]
) -> None:
    from tests.api.client import keyed

    hook, requests = heard
    account = stage.account("sandbox")
    refused = stage.account("sandbox", 1)
    token = refused.get_credentials()["access_token"]
    stage.judge.ask("/_control/tokens", {"network": "sandbox", "token": token, "action": "revoke"})
    cluster = stage.cluster(LOG_LEVEL="debug", LOG_FORMAT="json", QUEUE_LOG_LEVEL="DEBUG")
    api = keyed(stage.workspace)

    def schedule(connection: Any, request_id: str) -> str:
        answer = api(
            "POST",
            "posts",
            {
                "connection": str(connection.pk),
                "segments": [{"text": TEXT}],
                "first_comment": COMMENT,
                "scheduled_at": (timezone.now() + timedelta(seconds=1)).isoformat(),
                "callback_url": hook,
            },
            X_Request_ID=request_id,
        )
        assert answer.status == 201, answer.body
        assert answer.headers["X-Request-ID"] == request_id
        found: str = answer.body["id"]
        return found

    good, bad = schedule(account, "order-4711"), schedule(refused, "order-4712")
    stage.wait_for(ScheduledPost.objects.get(pk=good), state=PostState.PUBLISHED)
    stage.wait_for(ScheduledPost.objects.get(pk=bad), state=PostState.BLOCKED)
    assert ScheduledPost.objects.get(pk=good).correlation_id == "order-4711"
    wait_until(
        lambda: any(body["type"] == "post.published" for _, body in requests),
        what="the callback",
    )
    for headers, body in requests:
        expected = "order-4711" if body["data"]["job_id"] == good else "order-4712"
        assert (headers["X-Request-ID"], body["data"]["correlation_id"]) == (expected, expected)
    cluster.end()
    lines = [json.loads(line) for line in cluster.output.splitlines() if line.startswith("{")]
    ours = {line["message"]: line for line in lines if line.get("correlation_id") == "order-4711"}
    ended = ours["post.published"]
    assert (ended["post_id"], ended["platform"], ended["attempt"]) == (good, "sandbox", 1)
    older = ("correlationId", "jobId", "postId", "attemptNumber", "maxAttempts", "uploadMode")
    assert [ended[name] for name in older] == ["order-4711", good, good, 1, 7, "none"]
    (stopped,) = [line for line in lines if line["message"] == "post.blocked"]
    assert (stopped["level"], stopped["correlation_id"]) == ("info", "order-4712")
    assert PublishAttempt.objects.filter(post_id=good).count() == 1
    key = api.headers["Authorization"].split()[1]
    secrets = [TEXT, COMMENT, key, settings.SECRET_KEY, *settings.CREDENTIAL_KEYS]
    tokens = [each.get_credentials()["access_token"] for each in (account, refused)]
    assert [secret for secret in (*secrets, *tokens) if secret in cluster.output] == []
