"""The caller's id is taken over when it can stand in a header, and replaced when it cannot."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from config.logs import JsonFormatter, TextFormatter
from engine import correlation
from platforms.models import SocialConnection
from scheduling import services
from tests.api.client import keyed

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OWN = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-ID": "order-4711"}, "order-4711"),
        ({"X-Request-ID": " a.b:c_d/e=f+g@h "}, "a.b:c_d/e=f+g@h"),
        ({"X-Request-ID": "x" * 64}, "x" * 64),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, TRACE),
        ({"X-Request-ID": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, "mine"),
    ],
)
def test_what_is_well_formed_is_taken_over(headers: dict[str, str], expected: str) -> None:
    assert correlation.id_of(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Request-ID": ""},
        {"X-Request-ID": "x" * 65},
        {"X-Request-ID": "two words"},
        {"X-Request-ID": "line\nbreak"},
        {"X-Request-ID": "ünïcode"},
        {"X-Request-ID": '"><script>'},
        {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"},
        {"traceparent": f"ff-{TRACE}-00f067aa0ba902b7-01"},
        {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
        {"traceparent": TRACE},
    ],
)
def test_anything_else_is_replaced_by_an_id_of_ours(headers: dict[str, str]) -> None:
    assert OWN.fullmatch(correlation.id_of(headers))


@pytest.mark.django_db
def test_every_answer_echoes_the_id_problems_too(client: Client) -> None:
    for path in ("/", "/api/v1/posts", "/nowhere", "/admin/"):
        answer = client.get(path, headers={"X-Request-ID": "order-1"})
        assert answer["X-Request-ID"] == "order-1", path
    assert OWN.fullmatch(client.get("/")["X-Request-ID"])
    assert correlation.current() == ""


@pytest.mark.django_db
def test_a_post_keeps_the_id_of_its_request_or_gets_one(connection: SocialConnection) -> None:
    answer = keyed(connection.workspace)(
        "POST",
        "posts",
        {
            "connection": str(connection.pk),
            "segments": [{"text": "hello"}],
            "scheduled_at": "2099-01-01T09:00:00Z",
        },
        X_Request_ID="order-2",
    )
    assert (answer.status, answer.body["correlation_id"]) == (201, "order-2")
    post, _ = services.schedule_post(
        workspace=connection.workspace,
        connection=connection,
        segments=[{"text": "hello"}],
        scheduled_at=datetime(2099, 1, 1, tzinfo=UTC),
        actor="user:test",
    )
    assert OWN.fullmatch(post.correlation_id)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_log_lines_carry_the_id_of_what_is_worked_on(formatter: logging.Formatter) -> None:
    record = logging.makeLogRecord({"msg": "post.held", "post_id": "1"})
    with correlation.working_on("order-3"):
        line = formatter.format(record)
    assert "order-3" in line
    if isinstance(formatter, JsonFormatter):
        found = json.loads(line)
        assert (found["correlationId"], found["jobId"], found["postId"]) == ("order-3", "1", "1")


def test_tasks_side_by_side_do_not_mix_their_ids() -> None:
    async def one(name: str) -> str:
        with correlation.working_on(name):
            await asyncio.sleep(0)
            return correlation.current()

    async def both() -> list[str]:
        return list(await asyncio.gather(one("a"), one("b")))

    assert asyncio.run(both()) == ["a", "b"]
