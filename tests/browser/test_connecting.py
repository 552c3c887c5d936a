"""Connecting an account as people do: log in, press Connect, allow it over there, be back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import Role
from platforms.backends import BACKENDS
from platforms.models import ConnectionState, SocialConnection
from platforms.networks import network_of
from tests.factories import make_user, make_workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long pass phrase"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}


@pytest.fixture
def site(imitated: str, live_server: Any, settings: Any) -> str:
    """Give the site's address, where networks send people back to."""
    settings.PUBLIC_URL = live_server.url
    return str(live_server.url)


def log_in(browser: Browser, site: str, **device: Any) -> Page:
    """Return the page that an editor of a workspace sees after logging in."""
    make_user(
        make_workspace(name="Bell & Sons"), role=Role.EDITOR, username="eve", password=PASSWORD
    )
    page = browser.new_page(**device)
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.complaints = complaints  # type: ignore[attr-defined]
    page.goto(site)
    page.fill("#id_username", "eve")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site}/connections/")
    return page


def test_login_connect_consent_connected_at_every_network(
    browser: Browser, site: str, account: str
) -> None:
    page = log_in(browser, site)
    for backend in BACKENDS:
        connect(page, site, backend, f"{account}{backend.replace('-', '')}")
        connection = SocialConnection.objects.get(backend=backend)
        assert connection.state == ConnectionState.ACTIVE, backend
        assert page.complaints == [], backend  # type: ignore[attr-defined]


def connect(page: Page, site: str, backend: str, account: str) -> None:
    """Press Connect, allow it over there, choose the first if there are several, be back."""
    network = network_of(BACKENDS[backend].platform)
    section = page.get_by_role("region", name=network.name, exact=True)
    if network.asks_server:
        section.get_by_role("link", name="Connect an").click()
        page.get_by_role("button", name="Go to the server").click()
    else:
        section.locator(f".card-head form[action='/oauth/login/{backend}/'] button").click()
    page.fill("input[name=account]", account)
    page.click("button[value=allow]")
    page.wait_for_url(f"{site}/connections/**")
    if "/choose/" in page.url:
        page.locator("input[type=checkbox]:enabled").first.check()
        page.get_by_role("button", name="Connect").click()
        page.wait_for_url(f"{site}/connections/#main")
    assert page.url.removesuffix("#main") == f"{site}/connections/", backend
    assert "is connected." in page.inner_text(".messages"), backend
    assert "works" in section.inner_text(), backend


def test_an_account_is_paused_and_disconnected_with_a_mouse(
    browser: Browser, site: str, account: str
) -> None:
    page = log_in(browser, site)
    section = page.get_by_role("region", name="Sandbox")
    section.get_by_text("Connect an account").click()
    page.fill("#id_access_token", f"demo-{account}")
    page.get_by_role("button", name="Connect").click()
    page.get_by_role("button", name=f"Pause {account}").click()
    assert "paused" in section.inner_text()
    page.get_by_role("button", name=f"Resume {account}").click()
    page.get_by_role("link", name=f"Disconnect {account} …").click()
    page.get_by_role("button", name="Disconnect").click()
    assert "disconnected" in section.inner_text()
    assert SocialConnection.objects.get().state == ConnectionState.REVOKED


@pytest.mark.parametrize(
    "address", ["/login/", "/connections/", "/connections/new/mastodon/", "/setup/"]
)
def test_a_phone_never_scrolls_sideways(
    browser: Browser, site: str, address: str, account: str
) -> None:
    if address == "/login/":
        page = browser.new_page(**PHONE)
    else:
        page = log_in(browser, site, **PHONE)
        workspace = make_workspace(name="Another with a rather long name for a phone")
        SocialConnection.objects.create(
            workspace=workspace, platform="x", external_id=account, username="a" * 60
        )
        from accounts.models import Membership, User

        user = User.objects.get(username="eve")
        user.is_staff = True
        user.save()
        Membership.objects.create(workspace=workspace, user=user, role=Role.EDITOR)
    page.goto(site + address)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]


def test_the_site_is_dark_at_night(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{site}/login/")
    read = "getComputedStyle(document.body).backgroundColor"
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(page.evaluate(read))
    assert grounds == ["rgb(248, 248, 248)", "rgb(18, 18, 18)"]


def test_the_keyboard_is_enough(browser: Browser, site: str) -> None:
    page = log_in(browser, site)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Connect an account"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
