"""What was prepared and is not wanted any more."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from engine.errors import ErrorCategory, ServiceError
from engine.http import Http
from platforms.adapters.base import Progress
from platforms.models import ConnectionState, SocialConnection
from scheduling import leftovers, services
from scheduling.models import Leftover, ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.desk import Desk, Scripted

pytestmark = pytest.mark.django_db

S = PostState
UPLOADED = {"video": "v1", "sealed": {"session": "s3cr3t"}}
removed: list[Any] = []


@pytest.fixture(autouse=True)
def tidy_network(network: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripted network show what was prepared, and remove it when asked."""
    removed.clear()

    async def discard(self: Scripted, http: Http, progress: Progress) -> None:
        removed.append(progress)
        if "refuses" in progress:
            raise ServiceError(ErrorCategory.SERVER_ERROR, "Not now.")

    monkeypatch.setattr(Scripted, "discard", discard)


def prepared(desk: Desk, progress: dict[str, Any], **fields: Any) -> ScheduledPost:
    return make_post(desk.account(), progress=progress, **fields)


def test_an_edit_and_a_cancellation_remove_what_was_prepared(desk: Desk) -> None:
    edited, cancelled = prepared(desk, UPLOADED), prepared(desk, {"video": "v2"})
    services.edit_post(edited.pk, actor="test", segments=[{"text": "other"}])
    services.cancel_post(cancelled.pk, actor="test")
    assert removed == []  # not in the request of whoever edits
    assert leftovers.clear() == 2
    assert removed == [UPLOADED, {"video": "v2"}]
    assert leftovers.clear() == 0


def test_a_cancelled_post_that_is_requeued_has_nothing_left_over_twice(desk: Desk) -> None:
    post = prepared(desk, {"video": "v1"})
    services.cancel_post(post.pk, actor="test")
    services.requeue_post(post.pk, actor="test")
    assert Leftover.objects.count() == 1
    post.refresh_from_db()
    assert post.progress == {}


def test_nothing_is_removed_of_a_post_of_which_a_part_is_live(desk: Desk) -> None:
    post = prepared(desk, {"published": ["v1"], "video": "v1"}, state=S.FAILED)
    services.cancel_post(post.pk, actor="test")
    assert leftovers.clear() == 0
    assert removed == []


def test_what_cannot_be_removed_is_tried_again_and_then_left(desk: Desk) -> None:
    post = prepared(desk, {"refuses": True})
    services.cancel_post(post.pk, actor="test")
    for number in range(1, leftovers.TRIES_MOST):
        assert leftovers.clear() == 0
        assert Leftover.objects.get().tries == number
        assert leftovers.clear() == 0  # its pause is not over
        Leftover.objects.update(again_at=Now())
    assert leftovers.clear() == 1
    assert not Leftover.objects.exists()


def test_an_account_that_cannot_be_called_waits(desk: Desk) -> None:
    post = prepared(desk, UPLOADED)
    services.cancel_post(post.pk, actor="test")
    SocialConnection.objects.update(state=ConnectionState.NEEDS_RECONNECT)
    assert leftovers.clear() == 0
    SocialConnection.objects.update(state=ConnectionState.ACTIVE)
    assert leftovers.clear() == 1
