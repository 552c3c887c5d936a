"""Choosing what to hear of, and reading the mails, in a real browser by day and by night."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from notifications.catalog import EVENTS
from notifications.models import Preference, Reader
from tests.factories import make_user, make_workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long pass phrase"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}
SHOTS = os.environ.get("CARILLON_SHOTS", "")  # a folder: look at what was seen


def shot(page: Page, name: str) -> None:
    """Keep a picture for whoever wants to look."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def log_in(browser: Browser, site: str, **device: Any) -> Page:
    make_user(
        make_workspace(name="Bell & Sons", time_zone="Europe/Berlin"),
        username="eve",
        password=PASSWORD,
        email="eve@example.org",
        is_staff=True,
    )
    page = browser.new_page(**device)
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.complaints = complaints  # type: ignore[attr-defined]
    page.goto(f"{site}/notifications/settings/")
    page.fill("#id_username", "eve")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site}/notifications/settings/")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{"viewport": {"width": 1280, "height": 900}}, PHONE])
def test_people_choose_on_any_screen(
    browser: Browser, live_server: Any, scheme: str, device: dict[str, Any]
) -> None:
    page = log_in(browser, str(live_server.url), color_scheme=scheme, **device)
    page.get_by_label("A post was not published: e-mail").select_option("daily")
    page.get_by_role("button", name="Keep these choices").click()
    page.get_by_text("Your choices are kept.").wait_for()
    assert page.get_by_label("A post was not published: e-mail").input_value() == "daily"
    assert Preference.objects.get().mode == "daily"
    page.fill("#id_quiet_from", "22:00")
    page.fill("#id_quiet_until", "07:00")
    page.get_by_role("button", name="Keep these hours").click()
    page.get_by_text("Your hours are kept.").wait_for()
    assert Reader.objects.get().time_zone == "Europe/Berlin"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= device["viewport"]["width"]
    shot(page, f"settings-{scheme}-{device['viewport']['width']}")
    assert page.complaints == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_staff_look_at_every_message(browser: Browser, live_server: Any, scheme: str) -> None:
    site = str(live_server.url)
    page = log_in(browser, site, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    page.goto(f"{site}/setup/notifications/")
    shot(page, f"previews-{scheme}")
    for event in EVENTS.values():
        page.goto(f"{site}/setup/notifications/{event.name}/", wait_until="networkidle")
        shades = [
            frame.evaluate("getComputedStyle(document.body).backgroundColor")
            for frame in page.frames[1:]
        ]
        assert shades == ["rgb(243, 245, 248)", "rgb(21, 24, 29)"], event.name
        shot(page, f"{event.name}-{scheme}")
    assert page.complaints == []  # type: ignore[attr-defined]
