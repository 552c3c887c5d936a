"""Several accounts came with one consent: the page on which people tick theirs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Role, User, Workspace
from platforms import consents
from platforms.adapters.base import Account, Target
from platforms.connecting import settle
from platforms.models import Consent, SocialConnection
from tests.factories import make_connection, make_user
from tests.web.browsers import browser_of, messages_of, text_of

pytestmark = pytest.mark.django_db


def target(name: str, problem: str = "") -> Target:
    account = Account(name, name, f"The {name}")
    return Target(account, {"access_token": f"secret-of-{name}"}, problem)


@pytest.fixture
def consent(workspace: Workspace, member: User) -> Consent:
    made, _ = consents.begin(workspace, member, "x", backend="x")
    make_connection(workspace, platform="x", external_id="known", username="known")
    settle(made, [target("fresh"), target("known"), target("shut", "You may not post there.")])
    return made


def test_the_accounts_are_shown_with_why_some_cannot_be_chosen(
    browser: Client, consent: Consent
) -> None:
    response = browser.get(f"/connections/choose/{consent.pk}/")
    page = text_of(response)
    assert "Which accounts of X?" in page
    assert "The known known connected already Its access is renewed." in page
    assert "The shut shut You may not post there." in page
    html = response.content.decode()
    assert 'value="shut" disabled' in html
    assert 'value="known" checked' in html
    assert "secret-of" not in html


def test_the_ticked_ones_are_connected_and_the_rest_is_forgotten(
    browser: Client, consent: Consent
) -> None:
    address = f"/connections/choose/{consent.pk}/"
    answer = browser.post(address, {"account": ["fresh", "known", "shut", "made-up"]})
    assert answer["Location"] == "/connections/"
    names = SocialConnection.objects.order_by("username").values_list("username", flat=True)
    assert list(names) == ["fresh", "known"]
    assert messages_of(browser) == [
        "fresh (X) is connected.",
        "known (X) is connected again.",
    ]
    assert browser.post(address, {"account": "fresh"})["Location"] == "/connections/"
    assert "no longer kept" in messages_of(browser)[0]


def test_ticking_nothing_is_asked_about(browser: Client, consent: Consent) -> None:
    response = browser.post(f"/connections/choose/{consent.pk}/", {"account": "shut"})
    assert response.status_code == 422
    assert "Tick at least one account." in text_of(response)
    assert SocialConnection.objects.count() == 1


def test_a_choice_is_only_for_who_signed_in(consent: Consent, workspace: Workspace) -> None:
    other = browser_of(make_user(workspace))
    address = f"/connections/choose/{consent.pk}/"
    assert other.get(address)["Location"] == "/connections/"
    assert "no longer kept" in messages_of(other)[0]
    workspace.memberships.update(role=Role.VIEWER)
    owner = browser_of(consent.user)
    assert owner.post(address, {"account": "fresh"}).status_code == 403
    assert not SocialConnection.objects.filter(username="fresh").exists()


def test_nothing_to_tick_leaves_no_button(
    browser: Client, workspace: Workspace, member: User
) -> None:
    made, _ = consents.begin(workspace, member, "x", backend="x")
    settle(made, [target("a", "Not yours."), target("b", "Not yours either.")])
    response: Any = browser.get(f"/connections/choose/{made.pk}/")
    main = response.content.decode().partition("<main")[2]
    assert "<button" not in main
    assert "Not yours either." in main
