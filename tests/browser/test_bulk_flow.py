"""Staff at three in the morning: a thousand refused posts, a network to be paused, and a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from engine.models import Installation, Pause
from platforms.models import SocialConnection
from scheduling import bulk_jobs, bulk_work, pauses
from scheduling.models import BulkJob, ScheduledPost
from scheduling.states import PostState
from tests.browser.test_staff_console import PHONE, POSTS, log_in
from tests.factories import make_post

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.django_db(transaction=True)

S = PostState
SWITCHES = "/admin/engine/pause/"


def test_all_that_match_are_requeued_and_the_page_follows(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    for number in range(60):  # more than a page of the list
        make_post(connection, state=S.FAILED, last_category="auth_error", text=f"number {number}")
    make_post(connection, state=S.FAILED, last_category="validation_error", text="too long")
    make_post(connection, state=S.PUBLISHED, last_category="auth_error", text="out already")
    page = log_in(browser, live_server.url)
    page.goto(f"{live_server.url}{POSTS}?category=auth_error")
    since = timezone.now() - timedelta(hours=1)
    page.fill("input[name=since]", f"{since:%Y-%m-%dT%H:%M}")
    page.click("form:has(input[name=since][type=datetime-local]) input[type=submit]")
    page.click("text=Act on all 61 that match …")
    assert "matches 61 posts" in page.inner_text(".consequence")
    page.select_option("#bulk-action", "requeue")
    page.click("text=Count and look")
    assert "Nothing has happened yet" in page.inner_text(".consequence")
    assert "already published" in page.inner_text(".job-reasons")
    assert not ScheduledPost.objects.filter(state=S.SCHEDULED).exists()
    page.fill("#id_reason", "the account was connected again")
    page.click("input[value='Requeue 60 posts']")
    assert page.locator("progress").count() == 1
    job = BulkJob.objects.get()
    bulk_work.run(job.pk)
    page.wait_for_selector(".job-figures .good:has-text('60')")  # the page follows by itself
    page.wait_for_selector("progress", state="detached")
    states = dict(ScheduledPost.objects.values_list("segments__0__text", "state"))
    assert states.pop("too long") == S.FAILED
    assert states.pop("out already") == S.PUBLISHED
    assert set(states.values()) == {S.SCHEDULED}


def test_a_network_and_then_everything_is_paused_on_a_phone(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    page = log_in(browser, live_server.url, **PHONE)
    page.goto(live_server.url + SWITCHES)
    page.click("section[aria-label=Platforms] li:has-text('Sandbox') a.button")
    page.click(".submit-row input[type=submit]")
    assert "This field is required" in page.inner_text(".errorlist")
    page.fill("#id_reason", "maintenance")
    page.click(".submit-row input[type=submit]")
    assert "Sandbox is paused by boss since" in page.inner_text("section[aria-label=Platforms]")
    assert Pause.objects.get().reason == "maintenance"
    page.click("text=Pause all sending …")
    page.fill("#id_reason", "stop")
    page.click(".submit-row input[type=submit]")
    assert Installation.objects.get().paused


@pytest.mark.parametrize(
    "address",
    [
        SWITCHES,
        f"{SWITCHES}switch/stop/?scope=platform&key=sandbox",
        "{job}",
        f"{POSTS}bulk/?category=auth_error",
    ],
)
def test_a_phone_never_scrolls_sideways_at_the_desk(
    browser: Browser, live_server: Any, connection: SocialConnection, address: str
) -> None:
    make_post(connection, state=S.FAILED, last_category="auth_error", text="word " * 40)
    job = bulk_jobs.propose(
        ScheduledPost.objects.all(), action="reschedule", actor="user:boss", filter={"q": "w" * 90}
    )
    pauses.pause(Pause.Scope.PLATFORM, "x", actor="user:ada", reason="why " * 50)
    page = log_in(browser, live_server.url, **PHONE)
    page.goto(live_server.url + address.format(job=f"/admin/scheduling/bulkjob/{job.pk}/change/"))
    assert page.locator("#content").count() == 1
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]
