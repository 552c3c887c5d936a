"""No page runs a script or a style that is not a file of ours, and each says so to the browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from platforms.models import SocialConnection
from tests.admin.console import client_of
from tests.admin.crawl import Rows, one_of_each, pages, questions
from tests.factories import make_user
from tests.monitoring.here import ask_here
from tests.security.crawl import api_reads, site_pages

pytestmark = pytest.mark.django_db
HOOKS = ("/api/v1/hooks/sendgrid", "/api/v1/hooks/twilio/1")
# Data that no browser runs: Django's admin keeps its texts for scripts so.
DATA = {"application/json"}


class Inline(HTMLParser):
    """Collects everything in a page that a strict policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = dict(attrs)
        is_inline = tag == "style" or (tag == "script" and not given.get("src"))
        if is_inline and given.get("type") not in DATA:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith(("on", "hx-on")):
                self.found.append(f"{tag} {name}")
            if (value or "").strip().lower().startswith(("javascript:", "data:text/html")):
                self.found.append(f"{tag} {name}={value}")
            if tag == "script" and name == "src" and not re.match(r"/(?!/)", value or ""):
                self.found.append(f"script from {value}")


@pytest.fixture
def rows(connection: SocialConnection, user: User, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Give one row of each kind, with a text that tries to be code."""
    ask_here(monkeypatch)
    connection.display_name = connection.username = "<script>alert(1)</script>"
    connection.avatar_url = "javascript:alert(1)"
    connection.save()
    return one_of_each(connection, user)


def directives_of(policy: str) -> dict[str, list[str]]:
    """Return a policy's parts by name."""
    parts = [part.split() for part in policy.split(";") if part.strip()]
    return {part[0]: part[1:] for part in parts}


def test_every_answer_has_a_policy_that_allows_nothing_inline(
    rows: Rows, connection: SocialConnection
) -> None:
    owner = make_user(connection.workspace, is_staff=True, is_superuser=True)
    client = client_of(owner)
    addresses = [*pages(rows), *questions(rows), *site_pages(connection), *api_reads(rows), *HOOKS]
    looked_at = 0
    for who in (client, Client()):
        for address in addresses:
            answer: Any = who.get(address)
            policy = answer.headers.get("Content-Security-Policy", "")
            if address in {"/health", "/ready"}:  # JSON for probes, before any middleware
                assert answer["Content-Type"] == "application/json"
                continue
            found = directives_of(policy)
            assert found["default-src"] == ["'none'"], address
            assert found["script-src"] == found["style-src"] == ["'self'"], address
            assert found["base-uri"] == found["frame-ancestors"] == ["'none'"], address
            assert "unsafe" not in policy, address
            assert answer["X-Content-Type-Options"] == "nosniff", address
            if answer["Content-Type"].startswith("text/html"):
                page = Inline()
                page.feed(answer.content.decode())
                assert page.found == [], address
                looked_at += 1
    assert looked_at > 100


def test_the_search_finds_what_a_policy_refuses() -> None:
    page = Inline()
    page.feed(
        '<p style="x"><b onclick="y"></b><style></style><script>1</script>'
        '<script src="https://elsewhere.example/x.js"></script><a href=" JavaScript:z">'
        '<script type="application/json">{}</script><script src="/static/x.js"></script>'
    )
    assert page.found == [
        "p style",
        "b onclick",
        "<style>",
        "<script>",
        "script from https://elsewhere.example/x.js",
        "a href= JavaScript:z",
    ]


def test_our_own_scripts_build_no_code_from_text() -> None:
    from django.conf import settings

    ours = [path for path in (settings.BASE_DIR / "static").rglob("*.js") if path.is_file()]
    assert ours
    for path in ours:
        found = re.findall(
            r"\b(eval|Function|document\.write|insertAdjacentHTML)\s*\(", path.read_text()
        )
        assert found == [], path.name
