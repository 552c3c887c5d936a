"""GET /health: open, cheap, and in the predecessor's words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from scheduling.states import PostState
from tests.api.client import Api
from tests.factories import make_connection, make_post


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    cache.delete("queue-counts")


def test_the_queue_is_counted_by_status(db: None) -> None:
    connection = make_connection()
    for state in (
        PostState.QUEUED,
        PostState.HELD,
        PostState.OUTCOME_UNKNOWN,
        PostState.PUBLISHED,
        PostState.FAILED,
        PostState.DEAD_LETTER,
        PostState.CANCELLED,
    ):
        make_post(connection, state=state)
    later = timezone.now() + timedelta(hours=1)
    for _ in range(3):
        make_post(connection, due_at=later)
    for path in ("health", "health/"):
        answer = Api().get(path)
        assert answer.status == 200
        assert answer.body == {
            "status": "healthy",
            "service": "scheduler",
            "queue": {"waiting": 2, "active": 1, "completed": 1, "failed": 2, "delayed": 3},
        }


def test_counts_are_remembered_so_that_probes_cost_nothing(
    db: None, django_assert_num_queries: Any
) -> None:
    Api().get("health")
    with django_assert_num_queries(0):
        assert Api().get("health").status == 200


def test_a_wrong_key_does_not_close_it(db: None) -> None:
    assert Api(X_API_Key="crl_wrong").get("health").status == 200


def test_a_lost_cache_only_makes_it_slower(db: None, settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert Api().get("health").body["status"] == "healthy"
