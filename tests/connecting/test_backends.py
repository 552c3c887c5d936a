"""Every backend, from Connect to a connected account, against its network's imitation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from social_django.models import Association, Code, Nonce, Partial, UserSocialAuth

from accounts.models import AuditEvent, Role, User, Workspace
from platforms.adapters.base import Account
from platforms.backends import BACKENDS
from platforms.consents import opened
from platforms.models import ConnectionState, Consent, SocialConnection
from platforms.registry import adapter_for
from platforms.verification import OpenDoor, converse
from tests.connecting.cases import CASES, Case
from tests.connecting.dump import dump
from tests.connecting.person import Person, decide, query_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db
every_backend = pytest.mark.parametrize("backend", BACKENDS)
IN_ADDRESSES = ("code", "state", "oauth_token", "oauth_verifier")
SHORTEST_SECRET = 12


class Flow:
    """One backend's way, as one test walks it."""

    def __init__(self, backend: str, site: str) -> None:
        self.backend = backend
        self.case: Case = CASES[backend]
        self.posted = {name: value.format(site=site) for name, value in self.case.posted.items()}

    def begin(self, person: Person, **more: str) -> str:
        return person.press_connect(self.backend, **self.posted, **more)

    def walk(self, person: Person, account: str, *, begin: Any = None, **more: str) -> str:
        """Connect an account; returns the address the network sent the person back to."""
        answer = decide(begin or self.begin(person, **more), account)
        person.come_back(answer, account)
        return answer


@pytest.fixture
def flow(imitated: str, backend: str) -> Flow:
    return Flow(backend, imitated)


def secrets_of(*texts: str, kept: Any = ()) -> set[str]:
    """Return what must never lie about: what was kept, and the codes and states of addresses."""
    found = {str(value) for values in kept for value in values.values()}
    for address in texts:
        query = query_of(address)
        found |= {query[name] for name in IN_ADDRESSES if name in query}
    return {one for one in found if len(one) >= SHORTEST_SECRET}


@every_backend
def test_connect_is_a_form_that_only_members_can_send(
    flow: Flow, backend: str, workspace: Workspace
) -> None:
    address = f"/oauth/login/{backend}/"
    editor = make_user(workspace, role=Role.EDITOR)
    assert Person(editor).django.get(address).status_code == 405
    strict = Person(editor, enforce_csrf_checks=True)
    assert strict.django.post(address, flow.posted).status_code == 403
    assert Person(None).press_connect(backend) == "/login/?next=/connections/"
    viewer = Person(make_user(workspace, role=Role.VIEWER))
    refused = viewer.django.post(address, flow.posted)
    assert refused.status_code == 403
    assert "role of an editor" in refused.content.decode()
    assert not Consent.objects.exists()


@every_backend
def test_a_consent_becomes_a_connection_and_nothing_is_stored_in_clear(
    flow: Flow, person: Person, account: str, workspace: Workspace, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    begun = flow.begin(person)
    assert len(query_of(begun).get("code_challenge", "x" * 43)) == 43
    before, waiting = dump(), opened(Consent.objects.get())
    answer = decide(begun, account)
    person.django.get("/")
    assert person.come_back(answer, account) == "/connections/"
    connection = SocialConnection.objects.get()
    assert (connection.workspace, connection.platform) == (
        workspace,
        BACKENDS[flow.backend].platform,
    )
    assert connection.username.casefold() == account  # some networks know names only: "Ada"
    assert connection.state == ConnectionState.ACTIVE
    assert connection.backend == flow.backend
    waiting.pop("server", None)
    tokens = connection.get_credentials()
    tokens.pop("instance_url", None)
    nested = [value for value in waiting.values() if isinstance(value, dict)]
    plain = {name: value for name, value in waiting.items() if isinstance(value, str)}
    secrets = secrets_of(begun, answer, kept=[tokens, plain, *nested])
    assert len(secrets) >= 3
    everything = before + dump() + caplog.text
    assert [secret for secret in secrets if secret in everything] == []
    assert bytes(connection.secret).decode() in dump()
    for model in (UserSocialAuth, Partial, Nonce, Association, Code):
        assert not model.objects.exists()
    event = AuditEvent.objects.get(action="connection.connected")
    assert event.actor.startswith("user:")
    assert account in person.hear()[0].casefold()


@every_backend
def test_the_tokens_work(flow: Flow, person: Person, account: str) -> None:
    flow.walk(person, account)
    connection = SocialConnection.objects.get()
    kept = connection.get_credentials()
    adapter = adapter_for(connection.platform)

    async def ask(open_door: OpenDoor) -> Account:
        auth = adapter.authorize(kept)
        return await adapter.validate(open_door(base_url=adapter.base_url(kept), auth=auth))

    assert converse(adapter.name, ask).external_id == connection.external_id
    assert bool(kept.get("refresh_token")) is flow.case.refreshes
    if flow.case.refreshes:
        assert connection.expires_at is not None
        assert connection.expires_at > timezone.now() + timedelta(minutes=30)


@every_backend
def test_an_answer_is_good_once(flow: Flow, person: Person, account: str) -> None:
    answer = flow.walk(person, account)
    person.hear()
    version = SocialConnection.objects.get().version
    person.come_back(answer)
    assert "was used already" in person.hear()[0]
    assert SocialConnection.objects.get().version == version


@every_backend
def test_an_answer_serves_only_who_asked(
    flow: Flow, person: Person, account: str, workspace: Workspace
) -> None:
    answer = decide(flow.begin(person), account)
    thief = Person(make_user(workspace))
    thief.come_back(answer)
    assert "Somebody else began" in thief.hear()[0]
    assert not SocialConnection.objects.exists()
    person.come_back(answer, account)
    assert SocialConnection.objects.get().created_by_id == int(
        person.django.session["_auth_user_id"]
    )


@every_backend
def test_an_answer_nobody_asked_for_is_refused(flow: Flow, person: Person) -> None:
    made_up = {"code": "c" * 40, "state": "s" * 40, "oauth_token": "t" * 40, "oauth_verifier": "v"}
    query = "&".join(f"{name}={value}" for name, value in made_up.items())
    person.come_back(f"http://testserver/oauth/complete/{flow.backend}/?{query}")
    (said,) = person.hear()
    assert "nothing that was begun here" in said
    person.come_back(f"http://testserver/oauth/complete/{flow.backend}/")
    (said,) = person.hear()
    assert "Begin again" in said
    assert not SocialConnection.objects.exists()


@every_backend
def test_a_session_that_ended_meanwhile_is_told(flow: Flow, person: Person, account: str) -> None:
    answer = decide(flow.begin(person), account)
    Session.objects.all().delete()
    stranger = Person(None)
    assert stranger.come_back(answer) == "/login/?next=/connections/"
    page = stranger.django.get("/login/").content.decode()
    assert "You were logged out in the meantime" in page
    assert query_of(answer).get("code", "never") not in page


@every_backend
def test_cancelling_changes_nothing(flow: Flow, person: Person, account: str) -> None:
    person.come_back(decide(flow.begin(person), account, decision="cancel"))
    (said,) = person.hear()
    assert said.startswith("You cancelled at ")
    assert not SocialConnection.objects.exists()
    assert not Consent.objects.exclude(sealed=b"").exists()


@every_backend
def test_an_answer_that_comes_late_is_told_so(flow: Flow, person: Person, account: str) -> None:
    answer = decide(flow.begin(person), account)
    Consent.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    person.come_back(answer)
    assert "more than 30 minutes" in person.hear()[0]
    assert not SocialConnection.objects.exists()


@every_backend
def test_two_tabs_do_not_disturb_each_other(flow: Flow, person: Person, account: str) -> None:
    first, second = flow.begin(person), flow.begin(person)
    flow.walk(person, f"{account}b", begin=second)
    flow.walk(person, f"{account}a", begin=first)
    names = SocialConnection.objects.order_by("username").values_list("username", flat=True)
    assert [name.casefold() for name in names] == [f"{account}a", f"{account}b"]


@every_backend
def test_a_permission_that_was_not_given_is_named(
    flow: Flow, person: Person, account: str, settings: Any
) -> None:
    scope = flow.case.scope
    if not scope:
        assert BACKENDS[flow.backend].scopes() == []
        return
    name = f"SOCIAL_AUTH_{flow.backend.upper().replace('-', '_')}_SCOPE"
    setattr(settings, name, [one for one in getattr(settings, name) if one != scope])
    flow.walk(person, account)
    connection = SocialConnection.objects.get()
    assert connection.state == ConnectionState.NEEDS_RECONNECT
    assert scope in connection.state_reason
    assert scope not in connection.scopes
    assert scope in person.hear()[0]


@every_backend
def test_connecting_again_keeps_the_row_and_the_refresh_token(
    flow: Flow, person: Person, account: str, settings: Any
) -> None:
    flow.walk(person, account)
    first = SocialConnection.objects.get()
    SocialConnection.objects.update(state=ConnectionState.NEEDS_RECONNECT, state_reason="ended")
    if flow.backend == "x":  # without it X gives no refresh token
        settings.SOCIAL_AUTH_X_SCOPE = settings.SOCIAL_AUTH_X_SCOPE[:-1]
    flow.walk(person, account, connection=str(first.pk))
    second = SocialConnection.objects.get()
    assert (second.pk, second.version) == (first.pk, first.version + 1)
    assert (second.state, second.state_reason) == (ConnectionState.ACTIVE, "")
    old, new = first.get_credentials(), second.get_credentials()
    assert bool(new.get("refresh_token")) == bool(old.get("refresh_token"))
    if flow.backend == "x":
        assert new["refresh_token"] == old["refresh_token"]
        assert new["access_token"] != old["access_token"]
    assert person.hear()[-1].endswith("is connected again.")


@every_backend
def test_another_account_is_kept_beside_the_one_to_repair(
    flow: Flow, person: Person, account: str
) -> None:
    flow.walk(person, account)
    first = SocialConnection.objects.get()
    SocialConnection.objects.update(state=ConnectionState.NEEDS_RECONNECT, state_reason="ended")
    person.hear()
    flow.walk(person, f"{account}other", connection=str(first.pk))
    second = SocialConnection.objects.exclude(pk=first.pk).get()
    assert second.username.casefold() == f"{account}other"
    first.refresh_from_db()
    assert first.state == ConnectionState.NEEDS_RECONNECT
    said = " ".join(person.hear())
    assert "You signed in as another account" in said
    assert account in said.casefold()


@every_backend
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fail": {"status": 500}}, "does not work at the moment"),
        ({"fail": {"status": 429}}, "takes no more attempts"),
        ({"garbage": 1}, "in a way that was not understood"),
    ],
)
def test_trouble_at_the_network_is_one_sentence_without_secrets(
    flow: Flow,
    person: Person,
    account: str,
    switch: Callable[..., None],
    fault: dict[str, Any],
    words: str,
    caplog: Any,
) -> None:
    answer = decide(flow.begin(person), account)
    switch(network=None, on="token", **fault)
    person.come_back(answer)
    page = person.django.get("/connections/").content.decode()
    assert words in page
    for secret in secrets_of(answer):
        assert secret not in page
        assert secret not in caplog.text
    assert not SocialConnection.objects.exists()
    assert not Consent.objects.exclude(sealed=b"").exists()


@every_backend
def test_a_right_that_was_lost_meanwhile_is_missed_when_coming_back(
    flow: Flow, person: Person, account: str, workspace: Workspace
) -> None:
    answer = decide(flow.begin(person), account)
    workspace.memberships.update(role=Role.VIEWER)
    person.come_back(answer)
    assert "may no longer connect accounts" in person.hear()[0]
    assert not SocialConnection.objects.exists()


@every_backend
def test_without_its_application_nobody_is_sent_away(
    flow: Flow, person: Person, settings: Any, imitated: str
) -> None:
    backend = BACKENDS[flow.backend]
    slug = backend.platform
    empty = dict.fromkeys(backend.client_fields, "")
    settings.PLATFORMS = {**settings.PLATFORMS, slug: {**settings.PLATFORMS[slug], **empty}}
    adapter_for.cache_clear()
    if not empty:
        assert backend.unset_variables() == []
        return
    assert flow.begin(person) == "/connections/"
    (said,) = person.hear()
    assert all(variable in said for variable in backend.unset_variables())
    assert not Consent.objects.exists()


@every_backend
def test_people_at_another_address_are_told_where_to_go(
    flow: Flow, editor: User, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://post.example.org"
    person = Person(editor)
    assert flow.begin(person) == "/connections/"
    assert "https://post.example.org/connections/" in person.hear()[0]
