"""Bluesky's stage: an account at a server of its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from engine.errors import ServiceError
from platforms.adapters.base import Draft, Segment
from tests.contract.bluesky_case import BLUESKY_CASE, CID, URI
from tests.contract.server import Reply
from tests.platforms import scenes
from tests.platforms.scenes import Scene, Story

ACCOUNT = BLUESKY_CASE.account
WRITTEN = Reply(200, {"uri": URI, "cid": CID})
PUT = "/xrpc/com.atproto.repo.putRecord"

tell = partial(scenes.tell, BLUESKY_CASE)


def records(scene: Scene) -> list[dict[str, Any]]:
    """Return the records that were put so far."""
    return [request.json["record"] for request in scene.requests if request.path == PUT]


def methods(scene: Scene) -> list[str]:
    """Return the XRPC methods called so far, by the last part of their names."""
    return [call.rpartition(".")[2] for call in scene.calls]


def draft(*texts: str, **more: Any) -> Draft:
    segments = tuple(Segment(text) for text in texts)
    return Draft(**{"segments": segments, "account": ACCOUNT, **more})


def refusal(status: int, name: str = "", message: str = "") -> Reply:
    return Reply(status, {"error": name, "message": message})


def failure(story: Story, *answers: Reply) -> ServiceError:
    """Return how a story fails."""
    with pytest.raises(ServiceError) as caught:
        tell(story, *answers)
    return caught.value
