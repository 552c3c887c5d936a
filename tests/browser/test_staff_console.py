"""The staff console as staff use it: with a mouse, by day, at night, and on a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from platforms.models import SocialConnection
from scheduling.models import ScheduledPost
from scheduling.states import PostState
from tests.factories import make_post, make_user

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long pass phrase"
POSTS = "/admin/scheduling/scheduledpost/"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}


def log_in(browser: Browser, url: str, **device: Any) -> Page:
    """Return a page on which a superuser has logged in by the form."""
    make_user(username="boss", password=PASSWORD, is_staff=True, is_superuser=True)
    page = browser.new_page(**device)
    page.goto(f"{url}/admin/login/")
    page.fill("#id_username", "boss")
    page.fill("#id_password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(f"{url}/admin/")
    return page


def test_a_selection_is_requeued_after_a_look_at_what_will_happen(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    make_post(connection, state=PostState.FAILED, text="try me again")
    make_post(connection, state=PostState.PUBLISHED, text="leave me alone")
    page = log_in(browser, live_server.url)
    page.goto(live_server.url + POSTS)
    page.click("#action-toggle")
    page.select_option("select[name=action]", "requeue")
    page.click("button[name=index]")
    assert "already published" in page.inner_text(".plan")
    page.fill("#id_reason", "network is back")
    page.click(".submit-row input[type=submit]")
    assert page.inner_text(".messagelist") == "1 requeued, 1 refused: already published."
    states = dict(ScheduledPost.objects.values_list("segments__0__text", "state"))
    assert states == {"try me again": "scheduled", "leave me alone": "published"}


def test_a_post_is_written_with_the_account_chooser(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    page = log_in(browser, live_server.url)
    page.goto(f"{live_server.url}{POSTS}add/")
    page.click(".field-connection .select2-selection")
    page.fill(".select2-search__field", connection.username)
    page.click(f".select2-results__option:has-text('{connection.username}')")
    page.fill("#id_text", "written with a mouse")
    page.fill("#id_wall_clock", "2031-07-01T09:00:00")
    page.fill("#id_time_zone", "Europe/Berlin")
    page.click("input[name=_save]")
    assert "was added successfully" in page.inner_text(".messagelist")
    post = ScheduledPost.objects.get()
    assert post.scheduled_at.isoformat() == "2031-07-01T07:00:00+00:00"


@pytest.mark.parametrize("address", ["/admin/", POSTS, f"{POSTS}{{id}}/change/"])
def test_a_phone_never_scrolls_sideways(
    browser: Browser, live_server: Any, connection: SocialConnection, address: str
) -> None:
    post = make_post(connection, due_at=timezone.now() + timedelta(hours=1), text="word " * 40)
    page = log_in(browser, live_server.url, **PHONE)
    page.goto(live_server.url + address.format(id=post.pk))
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]


def test_badges_follow_the_dark_theme(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    make_post(connection, state=PostState.FAILED)
    page = log_in(browser, live_server.url)
    page.goto(live_server.url + POSTS)
    read = "getComputedStyle(document.querySelector('.badge')).backgroundColor"
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.append(page.evaluate(read))
    assert colours == ["rgb(255, 220, 216)", "rgb(90, 23, 16)"]
