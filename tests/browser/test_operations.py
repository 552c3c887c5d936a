"""The operations page and its neighbours as staff see them: alive, honest, readable everywhere.

`PICTURES=somewhere pytest tests/browser/test_operations.py` keeps the pictures that are taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from platforms.models import SocialConnection
from scheduling.states import PostState
from tests.browser.messes import bad_night
from tests.browser.test_staff_console import PHONE, POSTS, log_in
from tests.factories import make_post

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.django_db(transaction=True)
SOON_MS = 20_000
DESK = {"viewport": {"width": 1280, "height": 900}}
PAGES = {
    "operations": "/admin/",
    "posts": POSTS,
    "thread": f"{POSTS}{{thread}}/change/",
    "doubt": f"{POSTS}{{doubt}}/change/",
    "limited": f"{POSTS}{{limited}}/change/",
    "attempts": "/admin/scheduling/publishattempt/",
}


def watched(page: Page) -> list[str]:
    """Return a list that fills with what the browser complains about."""
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    return troubles


def test_the_figures_refresh_themselves_and_keep_what_was_opened(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    bad_night()
    page = log_in(browser, live_server.url)
    troubles = watched(page)
    page.reload()
    held = "#figure-held b"
    assert page.inner_text(held) == "1"
    page.click("#table-hour summary")
    page.focus("#figure-held")
    make_post(connection, state=PostState.HELD)
    page.wait_for_selector(f"{held}:text-is('2')", timeout=SOON_MS)
    assert page.get_attribute("#table-hour", "open") is not None
    assert page.evaluate("document.activeElement.id") == "figure-held"
    assert troubles == []


def test_a_tab_that_nobody_sees_asks_for_nothing(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    page = log_in(browser, live_server.url)
    asked: list[str] = []
    page.on(
        "request", lambda one: asked.append(one.url) if "/admin/operations/" in one.url else None
    )
    page.evaluate(
        """() => {
          const look = (hidden) => {
            Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
            document.dispatchEvent(new Event('visibilitychange'));
          };
          window.look = look;
          look(true);
          document.getElementById('live').addEventListener('htmx:confirm', () => {
            document.body.dataset.ticked = 'yes';
          });
        }"""
    )
    page.wait_for_selector("body[data-ticked]", timeout=SOON_MS)
    assert asked == []
    with page.expect_request("**/admin/operations/", timeout=SOON_MS):
        page.evaluate("window.look(false)")


def test_a_server_that_is_away_is_told_beside_the_old_figures(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    page = log_in(browser, live_server.url)
    assert not page.is_visible("#live-stale")
    page.route("**/admin/operations/", lambda route: route.abort())
    page.wait_for_selector("#live-stale", state="visible", timeout=SOON_MS)
    assert "No answer since" in page.inner_text("#live-stale")
    page.unroute("**/admin/operations/")
    page.wait_for_selector("#live-stale", state="hidden", timeout=SOON_MS)


def test_whoever_was_logged_out_meanwhile_sees_the_login_page(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    page = log_in(browser, live_server.url)
    page.context.clear_cookies()
    page.wait_for_selector("#id_username", timeout=SOON_MS)
    assert "/login/" in page.url


def test_each_number_leads_to_its_list(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    bad_night()
    page = log_in(browser, live_server.url)
    for name in (
        "overdue",
        "held",
        "dead-letters",
        "limits-in-force",
        "waiting-longer-than-planned",
    ):
        page.goto(f"{live_server.url}/admin/")
        number = page.inner_text(f"#figure-{name} b")
        page.click(f"#figure-{name}")
        assert page.inner_text(".paginator").split()[0] == number, name


def test_without_scripts_the_page_is_a_plain_page(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    bad_night()
    page = log_in(browser, live_server.url, java_script_enabled=False)
    assert page.inner_text("#figure-held b") == "1"
    assert page.locator("svg.chart").count() == 2


def test_the_support_bundle_comes_as_a_file(
    browser: Browser, live_server: Any, connection: SocialConnection
) -> None:
    post = make_post(connection, state=PostState.FAILED)
    page = log_in(browser, live_server.url)
    page.goto(f"{live_server.url}{POSTS}{post.pk}/change/")
    with page.expect_download() as coming:
        page.click("#bundle button")
    assert coming.value.suggested_filename == f"carillon-post-{post.pk}.json"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desk", "phone"])
def test_pages_fit_their_screen_and_no_rule_of_content_is_broken(
    browser: Browser, live_server: Any, tmp_path: Path, device: str, scheme: str
) -> None:
    posts = bad_night()
    screen: dict[str, Any] = (
        PHONE if device == "phone" else {"viewport": {"width": 1280, "height": 900}}
    )
    page = log_in(browser, live_server.url, **screen, color_scheme=scheme)
    troubles = watched(page)
    pictures = Path(os.environ.get("PICTURES") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    keys = {name: post.pk for name, post in posts.items()}
    for name, address in PAGES.items():
        page.goto(live_server.url + address.format(**keys))
        width = page.evaluate("document.documentElement.scrollWidth")
        page.screenshot(path=pictures / f"{name}-{device}-{scheme}.png", full_page=True)
        assert width <= screen["viewport"]["width"], name
    assert troubles == []
