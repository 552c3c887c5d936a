"""One post's page: what is going on in words, the flight recorder, and editing by the service."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, User
from engine.models import Installation, RateLimitState
from platforms.models import SocialConnection
from platforms.services import pause
from scheduling import services
from scheduling.announcements import PostChange, announce
from scheduling.models import PostTransition, PublishAttempt, ScheduledPost
from scheduling.sealing import seal
from scheduling.states import PostState
from tests.admin.console import POSTS
from tests.factories import make_post

S = PostState


def page_of(client: Client, post: ScheduledPost) -> Any:
    return client.get(f"{POSTS}{post.pk}/change/")


def filled(connection: SocialConnection, **changes: Any) -> dict[str, Any]:
    """Return a complete form for a new post."""
    moment = timezone.now() + timedelta(days=1)
    return {
        "connection": str(connection.pk),
        "text": "hello from staff",
        "wall_clock": f"{moment:%Y-%m-%dT%H:%M:%S}",
        "time_zone": "UTC",
        "priority": "0",
        "late_policy": "hold",
        **changes,
    }


# --- looking ---------------------------------------------------------------------------------
def test_the_page_says_what_is_going_on_and_what_comes_next(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.OUTCOME_UNKNOWN)
    ScheduledPost.objects.update(due_at=None)
    text = page_of(staff, post).content.decode()
    assert "Needs a person: outcome unknown" in text
    assert f"Look at {connection.username}" in text


def test_a_paused_installation_is_told_on_every_page(
    staff: Client, connection: SocialConnection
) -> None:
    Installation.objects.update_or_create(
        pk=1, defaults={"paused": True, "pause_reason": "restored copy"}
    )
    text = page_of(staff, make_post(connection)).content.decode()
    assert "Sending is paused: restored copy" in text
    assert "Sending is paused for the whole installation: restored copy." in text


def test_the_flight_recorder_tells_moves_and_attempts_in_time_order(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.FAILED)
    start = timezone.now() - timedelta(hours=1)
    for seconds, source, target in ((0, "scheduled", "publishing"), (2, "publishing", "failed")):
        PostTransition.objects.create(
            post=post,
            source=source,
            target=target,
            actor="worker-1:17",
            reason="refused",
            at=start + timedelta(seconds=seconds),
        )
    PublishAttempt.objects.create(
        post=post,
        number=1,
        fencing_token=3,
        worker="worker-1:17",
        started_at=start + timedelta(seconds=1),
        outcome="failed",
        category="validation_error",
        http_status=422,
        provider_code="too-long",
        request_id="req-9",
        excerpt="<b>Text is too long</b>",
        decision="fail",
        reason="a person must change something",
    )
    answer = page_of(staff, post)
    kinds = [entry.kind for entry in answer.context["recorder"].entries]
    assert kinds == ["move", "attempt", "move", "note"]
    text = answer.content.decode()
    for told in ("HTTP 422", "too-long", "req-9", "validation error", "a person must change"):
        assert told in text
    assert "&lt;b&gt;Text is too long&lt;/b&gt;" in text  # a network's answer is never markup here


def test_the_flight_recorder_tells_what_people_did_and_what_was_told(
    staff: Client, boss: User, connection: SocialConnection
) -> None:
    boss.email = "boss@x.example"
    boss.save()
    hook = "https://app.example/hook"
    post = make_post(connection, state=S.FAILED, callback_url=hook, created_by=boss)
    other = make_post(connection, state=S.FAILED, callback_url=hook)
    announce(
        [
            PostChange.of(post, event="post.failed"),
            PostChange.of(post, event="post.blocked"),  # its key names the account, not the post
            PostChange.of(other, event="post.failed"),
        ]
    )
    pause(connection, actor="user:ops", reason="campaign over")
    services.edit_post(post.pk, actor="user:ada", first_comment="and one more thing")
    recorder = page_of(staff, post).context["recorder"]
    told = sorted((d.notification.event, d.channel) for d in recorder.deliveries)
    assert told == [
        ("post.blocked", "email"),
        ("post.blocked", "webhook"),
        ("post.failed", "email"),
        ("post.failed", "webhook"),
    ]
    deeds = {entry.event.action for entry in recorder.entries if entry.event}
    assert deeds == {"connection.paused", "post.edited"}


def test_a_move_is_not_told_twice(staff: Client, connection: SocialConnection) -> None:
    post = make_post(connection)
    services.cancel_post(post.pk, actor="user:ada", reason="a typo")
    entries = page_of(staff, post).context["recorder"].entries
    assert [entry.kind for entry in entries] == ["note", "move"]


def test_looks_ahead_and_token_refreshes_are_in_the_flight_recorder(
    staff: Client, connection: SocialConnection
) -> None:
    now = timezone.now()
    post = make_post(
        connection, due_at=now + timedelta(hours=1), preflight_at=now + timedelta(seconds=1)
    )
    SocialConnection.objects.update(
        refresh_again_at=now + timedelta(seconds=90), expires_at=now + timedelta(hours=2)
    )
    answer = page_of(staff, post)
    notes = [entry.note for entry in answer.context["recorder"].entries]
    assert notes == [
        "Written.",
        "Looked at ahead of its moment: nothing found.",
        "The account's access token was refreshed.",
    ]
    assert answer.context["next_at"] == post.due_at
    SocialConnection.objects.update(
        refresh_failing_since=now + timedelta(minutes=1), state_reason="The network is silent."
    )
    notes = [entry.note for entry in page_of(staff, post).context["recorder"].entries]
    assert notes[-1].endswith("could not be refreshed. The network is silent.")


def test_the_page_tells_why_a_post_waits_until_then_and_links_what_rules_it(
    staff: Client, connection: SocialConnection
) -> None:
    now = timezone.now()
    due = now + timedelta(minutes=2)
    post = make_post(
        connection, attempts=1, scheduled_at=now, due_at=due, last_category="rate_limit"
    )
    PublishAttempt.objects.create(
        post=post,
        number=1,
        fencing_token=1,
        started_at=now,
        finished_at=now,
        retry_after_seconds=120.0,
        decision="retry",
    )
    RateLimitState.objects.create(
        scope="connection", key=str(connection.pk), blocked_until=due, reason="429 from the sandbox"
    )
    answer = page_of(staff, post)
    assert "because Sandbox asked us to wait 120 s." in answer.context["explanation"].next_step
    text = answer.content.decode()
    assert f"/admin/platforms/socialconnection/{connection.pk}/change/" in text
    assert f"/admin/engine/ratelimitstate/?q={connection.pk}" in text
    assert "429 from the sandbox" in text


def test_each_button_says_what_it_does(staff: Client, connection: SocialConnection) -> None:
    text = page_of(staff, make_post(connection, state=S.DEAD_LETTER)).content.decode()
    assert "A new run with a full set of attempts" in text
    assert "Nothing is sent. A cancelled post can be requeued." in text


def test_the_page_takes_few_queries_whatever_the_history(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.FAILED)

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            assert page_of(staff, post).status_code == 200
        return len(captured)

    queries()
    few = queries()
    for number in range(20):
        PublishAttempt.objects.create(
            post=post, number=number, fencing_token=1, started_at=timezone.now()
        )
        PostTransition.objects.create(
            post=post, source="a", target="b", actor="w", at=timezone.now()
        )
    assert queries() == few <= 14


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (S.SCHEDULED, {"publish_now", "cancel"}),
        (S.PUBLISHED, set()),
        (S.DEAD_LETTER, {"requeue", "cancel"}),
        (
            S.OUTCOME_UNKNOWN,
            {"reconcile_now", "resolve_live", "resolve_not_live", "requeue_in_doubt"},
        ),
        (S.CANCELLED, {"requeue"}),
    ],
)
def test_the_page_offers_only_what_would_work(
    staff: Client, connection: SocialConnection, state: str, expected: set[str]
) -> None:
    answer = page_of(staff, make_post(connection, state=state))
    assert {button["name"] for button in answer.context["console_buttons"]} == expected


@pytest.mark.parametrize("state", [S.SCHEDULED, S.PUBLISHED, S.DRAFT])
def test_the_machine_s_columns_are_never_inputs(
    staff: Client, connection: SocialConnection, state: str
) -> None:
    text = page_of(staff, make_post(connection, state=state)).content.decode()
    for column in ("state", "due_at", "attempts", "fencing_token", "permalink", "progress"):
        assert f'name="{column}"' not in text


def test_what_gives_power_is_not_even_shown_encrypted(
    staff: Client, connection: SocialConnection
) -> None:
    progress = dict(seal({"sealed": {"session": "https://upload.example"}, "offset": 8}))
    text = page_of(staff, make_post(connection, progress=progress)).content.decode()
    assert '"sealed": "(encrypted)"' in html.unescape(text)
    assert progress["sealed"] not in text


def test_an_unknown_id_leads_back_with_a_message(staff: Client) -> None:
    answer = staff.get(f"{POSTS}01a20140-3697-7cd0-aaff-6f51cbbc318f/change/", follow=True)
    assert "Perhaps it was deleted" in answer.content.decode()


# --- writing ---------------------------------------------------------------------------------
def test_a_new_post_goes_through_the_service(
    staff: Client, boss: User, connection: SocialConnection
) -> None:
    form = filled(
        connection,
        text="one\r\n---\r\ntwo",
        wall_clock="2031-07-01T09:00:00",
        time_zone="Europe/Berlin",
    )
    answer = staff.post(f"{POSTS}add/", form)
    assert answer.status_code == 302
    post = ScheduledPost.objects.get()
    assert post.segments == [{"text": "one"}, {"text": "two"}]
    assert post.scheduled_at == post.due_at == datetime(2031, 7, 1, 7, tzinfo=UTC)
    assert (post.state, post.workspace_id, post.created_by) == (
        S.SCHEDULED,
        connection.workspace_id,
        boss,
    )


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"text": "x" * 20_000}, "text", "limit"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "IANA time zone"),
        ({"wall_clock": "2001-01-01T00:00:00"}, "wall_clock", "passed over"),
        ({"wall_clock": "tomorrow"}, "wall_clock", "Give a date and a time of day"),
        ({"wall_clock": "2031-01-01T00:00:00+01:00"}, "wall_clock", "Give a date and a time"),
        ({"priority": "12"}, "priority", "0 to 9"),
        (
            {"wall_clock": "2031-03-30T02:30:00", "time_zone": "Europe/Berlin"},
            "wall_clock",
            "Clocks in Europe/Berlin skip this time",
        ),
    ],
)
def test_what_the_service_refuses_stands_beside_its_field(
    staff: Client, connection: SocialConnection, changes: dict[str, str], field: str, told: str
) -> None:
    answer = staff.post(f"{POSTS}add/", filled(connection, **changes))
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert told in " ".join(errors[field])
    assert not ScheduledPost.objects.exists()


def edit_form(client: Client, post: ScheduledPost) -> dict[str, Any]:
    """Return the edit form's values as a browser would send them back unchanged."""
    form = page_of(client, post).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values["wall_clock"] = f"{values['wall_clock']:%Y-%m-%dT%H:%M:%S}"
    return {name: "" if value is None else value for name, value in values.items()}


def test_an_edit_goes_through_the_service_and_keeps_what_was_not_touched(
    staff: Client, connection: SocialConnection
) -> None:
    moment = timezone.now().replace(microsecond=123_000) + timedelta(hours=5)
    post = make_post(connection, due_at=moment, time_zone="Europe/Berlin")
    answer = staff.post(
        f"{POSTS}{post.pk}/change/", {**edit_form(staff, post), "text": "a better text"}
    )
    assert answer.status_code == 302
    post.refresh_from_db()
    assert post.segments == [{"text": "a better text"}]
    assert post.scheduled_at == moment
    assert post.content_version == 2
    assert AuditEvent.objects.get(action="post.edited").actor == "user:boss"


def test_an_edit_of_a_post_that_was_changed_meanwhile_is_refused(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, due_at=timezone.now() + timedelta(hours=5))
    form = {**edit_form(staff, post), "text": "mine"}
    services.edit_post(post.pk, actor="user:ada", segments=[{"text": "theirs"}])
    answer = staff.post(f"{POSTS}{post.pk}/change/", form)
    assert "changed meanwhile" in answer.content.decode()
    post.refresh_from_db()
    assert post.segments == [{"text": "theirs"}]


def test_a_published_post_cannot_be_edited_by_a_forged_form(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, state=S.PUBLISHED)
    answer = staff.post(f"{POSTS}{post.pk}/change/", filled(connection, text="rewritten"))
    assert answer.status_code == 403
    post.refresh_from_db()
    assert post.segments == [{"text": "hello"}]


def test_a_forged_state_in_the_form_changes_nothing(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(connection, due_at=timezone.now() + timedelta(hours=5))
    form = {**edit_form(staff, post), "state": S.PUBLISHED, "attempts": "99"}
    staff.post(f"{POSTS}{post.pk}/change/", form)
    post.refresh_from_db()
    assert (post.state, post.attempts) == (S.SCHEDULED, 0)


# --- what was found a day ahead ---------------------------------------------------------------
def test_warnings_stand_on_the_page_until_the_post_is_out(
    staff: Client, connection: SocialConnection
) -> None:
    post = make_post(
        connection,
        warnings=[{"code": "token_ends", "message": "The access ends <tomorrow>: reconnect."}],
        preflight_at=timezone.now(),
    )
    assert "The access ends &lt;tomorrow&gt;: reconnect." in page_of(staff, post).content.decode()
    ScheduledPost.objects.update(state=S.PUBLISHED, due_at=None)
    assert "The access ends" not in page_of(staff, post).content.decode()


def test_staff_may_leave_the_late_policy_to_the_workspace(
    staff: Client, connection: SocialConnection
) -> None:
    connection.workspace.late_policy = "publish"
    connection.workspace.save()
    assert "as the workspace has it" in staff.get(f"{POSTS}add/").content.decode()
    staff.post(f"{POSTS}add/", filled(connection, late_policy=""))
    assert ScheduledPost.objects.get().late_policy == "publish"


def test_staff_set_and_see_how_late_a_post_may_be(
    staff: Client, connection: SocialConnection
) -> None:
    staff.post(f"{POSTS}add/", filled(connection, late_policy="publish", late_limit_minutes="30"))
    post = ScheduledPost.objects.get()
    assert (post.late_policy, post.late_limit_minutes) == ("publish", 30)
    page = page_of(staff, post).content.decode()
    assert '<option value="publish" selected>' in page
    assert 'name="late_limit_minutes" value="30"' in page
