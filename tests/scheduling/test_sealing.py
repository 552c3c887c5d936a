"""Progress that gives access by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from platforms.adapters.base import Continue, Ready
from scheduling.sealing import opened, sealed, shown
from scheduling.states import PostState
from tests.factories import make_post
from tests.scheduling.desk import Desk, Scripted

ADDRESS = "https://upload.example/session?id=s3cr3t-session"


@pytest.mark.django_db
def test_an_upload_session_is_a_ciphertext_in_the_row_and_itself_for_the_adapter(
    desk: Desk, network: Scripted
) -> None:
    moment = timezone.now() + timedelta(minutes=4)
    post = make_post(desk.account(), state=PostState.QUEUED, due_at=moment, needs_preparation=True)
    progress = {"sent": 1, "secret": {"session": ADDRESS}}
    network.will(prepare=[Continue(progress), Ready({**progress, "sent": 2})])
    (job,) = desk.claim()
    desk.record(desk.call(job))
    with database.cursor() as cursor:
        cursor.execute("SELECT CAST(progress AS text) FROM scheduling_scheduledpost")
        ((row,),) = cursor.fetchall()
    assert "s3cr3t" not in row
    assert "sent" in row
    post.refresh_from_db()
    assert "s3cr3t" not in str(shown(post.progress))
    assert opened(post.progress) == {"sent": 2, "secret": {"session": ADDRESS}}


def test_a_secret_that_no_key_opens_is_left_out() -> None:
    assert opened({"sent": 1, "secret": "garbage"}) == {"sent": 1}


def test_progress_without_a_secret_is_left_alone() -> None:
    progress = {"published": ["1"]}
    assert sealed(progress) is progress
    assert opened(progress) is progress
    assert shown(progress) is progress
