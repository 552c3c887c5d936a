"""The same request twice is carried out once and answered twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from accounts.models import IdempotencyKey
from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from tests.api.client import Answer, Api, keyed, soon
from tests.factories import make_connection, make_post, make_workspace


def wish(connection: SocialConnection, **fields: Any) -> dict[str, Any]:
    return {"connection": str(connection.pk), "text": "hello", "scheduled_at": soon(), **fields}


def replayed(answer: Answer) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_a_repeat_is_answered_from_memory(api: Api, connection: SocialConnection) -> None:
    body = wish(connection)
    first = api.post("posts", body, Idempotency_Key="k")
    again = api.post("posts", body, Idempotency_Key="k")
    assert (first.status, replayed(first)) == (201, False)
    assert (again.status, replayed(again)) == (201, True)
    assert again.body == first.body
    assert ScheduledPost.objects.count() == 1


def test_without_a_key_a_repeat_is_a_new_post(api: Api, connection: SocialConnection) -> None:
    body = wish(connection)
    assert api.post("posts", body).body["id"] != api.post("posts", body).body["id"]


def test_another_request_under_the_same_key_is_refused(
    api: Api, connection: SocialConnection
) -> None:
    post = make_post(connection)
    api.post("posts", wish(connection), Idempotency_Key="k")
    for path, body in (
        ("posts", wish(connection, text="other")),
        (f"posts/{post.pk}/cancel", None),
    ):
        api.post(path, body, Idempotency_Key="k").problem(
            422, "idempotency_key_reused", "Idempotency-Key"
        )
    post.refresh_from_db()
    assert post.state == "scheduled"


def test_a_key_belongs_to_its_workspace(api: Api, connection: SocialConnection) -> None:
    other = make_connection(make_workspace())
    assert api.post("posts", wish(connection), Idempotency_Key="k").status == 201
    stranger = keyed(other.workspace)
    assert stranger.post("posts", wish(other), Idempotency_Key="k").status == 201


def test_actions_are_repeatable_too(api: Api, connection: SocialConnection) -> None:
    post = make_post(connection)
    first = api.post(f"posts/{post.pk}/cancel", Idempotency_Key="k")
    again = api.post(f"posts/{post.pk}/cancel", Idempotency_Key="k")
    assert (first.status, again.status, replayed(again)) == (200, 200, True)
    assert post.transitions.count() == 1


def test_a_refusal_is_remembered_as_a_problem(api: Api, connection: SocialConnection) -> None:
    body = wish(connection, scheduled_at="2001-01-01T00:00:00Z")
    api.post("posts", body, Idempotency_Key="k").problem(422, "invalid", "scheduled_at")
    again = api.post("posts", body, Idempotency_Key="k")
    again.problem(422, "invalid", "scheduled_at")
    assert replayed(again)


def test_our_own_faults_are_not_remembered(
    api: Api, connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    body = wish(connection)
    with monkeypatch.context() as broken:
        broken.setattr("api.posts.post_json", fail)
        assert api.post("posts", body, Idempotency_Key="k").status == 500
    assert not ScheduledPost.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert api.post("posts", body, Idempotency_Key="k").status == 201


def test_a_second_request_while_the_first_runs_is_a_conflict(
    api: Api, connection: SocialConnection
) -> None:
    body = wish(connection)
    api.post("posts", body, Idempotency_Key="k")
    IdempotencyKey.objects.update(status=None, body=None)
    answer = api.post("posts", body, Idempotency_Key="k")
    answer.problem(409, "idempotency_key_in_use")
    assert answer.headers["Retry-After"] == "1"


def test_a_key_left_behind_by_a_crash_is_taken_over(api: Api, connection: SocialConnection) -> None:
    body = wish(connection)
    api.post("posts", body, Idempotency_Key="k")
    left = IdempotencyKey.objects.get()
    IdempotencyKey.objects.update(
        status=None, body=None, created_at=timezone.now() - timedelta(seconds=61)
    )
    ScheduledPost.objects.all().delete()  # the crash took its transaction with it
    assert api.post("posts", body, Idempotency_Key="k").status == 201
    kept = IdempotencyKey.objects.get()
    assert (kept.status, kept.pk == left.pk) == (201, False)


def test_a_late_answer_of_a_request_that_was_taken_over_is_undone(
    api: Api, connection: SocialConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api import posts

    show = posts.post_json

    def slow(*args: Any) -> Any:
        IdempotencyKey.objects.update(id="01900000-0000-4000-8000-000000000001")
        return show(*args)

    monkeypatch.setattr(posts, "post_json", slow)
    api.post("posts", wish(connection), Idempotency_Key="k").problem(409, "idempotency_key_lost")
    assert not ScheduledPost.objects.exists()


def test_a_key_is_forgotten_after_a_day(api: Api, connection: SocialConnection) -> None:
    api.post("posts", wish(connection), Idempotency_Key="k")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    answer = api.post("posts", wish(connection, text="other"), Idempotency_Key="k")
    assert (answer.status, replayed(answer)) == (201, False)


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
def test_an_odd_key_is_refused(api: Api, connection: SocialConnection, key: str) -> None:
    api.post("posts", wish(connection), Idempotency_Key=key).problem(
        422, "invalid", "Idempotency-Key"
    )


def test_a_key_may_have_255_characters(api: Api, connection: SocialConnection) -> None:
    assert api.post("posts", wish(connection), Idempotency_Key="k" * 255).status == 201


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_only_one_is_carried_out() -> None:
    connection = make_connection()
    body, answers = wish(connection), []
    api = keyed(connection.workspace)
    barrier = threading.Barrier(6)

    def send() -> None:
        try:
            barrier.wait(10)
            answers.append(Api(**api.headers).post("posts", body, Idempotency_Key="k"))
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 6
    assert ScheduledPost.objects.count() == 1
    assert {answer.status for answer in answers} <= {201, 409}
    assert sum(answer.status == 201 and not replayed(answer) for answer in answers) == 1
    with transaction.atomic():
        assert IdempotencyKey.objects.get().status == 201


@pytest.mark.parametrize(("path", "most"), [("schedule", 13), ("posts", 14)])
def test_a_post_costs_few_statements(
    api: Api,
    connection: SocialConnection,
    django_assert_max_num_queries: Any,
    path: str,
    most: int,
) -> None:
    wish = {"text": "hello", "scheduled_at": soon()}
    if path == "schedule":
        wish |= {"content_id": "c", "platform": "sandbox", "user_id": "u", "org_id": "o"}
        wish |= {"connection_id": str(connection.pk)}
    else:
        wish |= {"external_id": "c", "connection": str(connection.pk)}
    with django_assert_max_num_queries(most + 1):  # a key's first use is noted
        assert api.post(path, wish, Idempotency_Key="k").status == 201
