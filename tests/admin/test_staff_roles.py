"""Every act of the console has its right: who lacks it sees no button, and a direct POST is 403."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts import staff_roles
from accounts.models import User
from accounts.staff_roles import ADMIN, OPERATOR, ROLES, group_name
from engine import rights
from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin
from engine.models import Pause
from platforms.models import SocialConnection
from scheduling.states import PostState
from tests.admin.console import POSTS, client_of
from tests.admin.crawl import Rows, one_of_each
from tests.factories import make_post, make_user

pytestmark = pytest.mark.django_db

ACTIONS = [
    (registered, action)
    for registered in admin.site._registry.values()
    if isinstance(registered, ConfirmedActionsAdmin)
    for action in registered.confirmed_actions
]
SWITCHES = [
    (Pause.Scope.PLATFORM, rights.PAUSE_PLATFORM),
    (Pause.Scope.WORKSPACE, rights.PAUSE_WORKSPACE),
    (Pause.Scope.HOST, rights.DRAIN),
]
EXPECTED = {"viewer": frozenset[str](), "operator": OPERATOR, "admin": ADMIN}


def person(role: str) -> Client:
    """Return the browser of a member of staff with one role."""
    user = make_user(is_staff=True)
    user.groups.add(Group.objects.get(name=group_name(role)))
    return client_of(user)


@pytest.fixture
def rows(connection: SocialConnection, user: User) -> Rows:
    """Give one row of every model that can be acted on."""
    found = one_of_each(connection, user)
    Pause.objects.all().delete()
    return found


@pytest.mark.parametrize("role", [*ROLES, "superuser"])
@pytest.mark.parametrize(
    ("registered", "action"), ACTIONS, ids=[f"{a.opts.model_name}-{c.name}" for a, c in ACTIONS]
)
def test_an_action_is_open_to_those_who_have_its_right_and_to_nobody_else(
    rows: Rows, registered: ConfirmedActionsAdmin, action: ConfirmedAction, role: str
) -> None:
    superuser = role == "superuser"
    client = client_of(make_user(is_staff=True, is_superuser=True)) if superuser else person(role)
    row = rows[registered.model]
    place = f"admin:{registered.opts.app_label}_{registered.opts.model_name}"
    address = reverse(f"{place}_act", args=[action.name])
    allowed = superuser or action.permission in EXPECTED[role]
    assert (client.get(f"{address}?ids={row.pk}").status_code == 200) == allowed
    page = client.get(reverse(f"{place}_change", args=[row.pk]))
    assert page.status_code == 200
    shown = {button["name"] for button in page.context.get("console_buttons") or []}
    if not allowed:
        assert action.name not in shown
    answer = client.post(address, {"ids": str(row.pk)})
    assert (answer.status_code != 403) == allowed


@pytest.mark.parametrize("role", list(ROLES))
@pytest.mark.parametrize(("scope", "right"), SWITCHES)
def test_a_switch_is_open_to_those_who_have_its_right_and_to_nobody_else(
    connection: SocialConnection, scope: Pause.Scope, right: str, role: str
) -> None:
    client = person(role)
    key = {"platform": "sandbox", "workspace": connection.workspace.slug, "host": "h"}[scope]
    address = reverse("admin:engine_pause_switch", args=["stop"])
    allowed = right in EXPECTED[role]
    assert (client.get(address, {"scope": scope, "key": key}).status_code == 200) == allowed
    form = {"scope": scope, "key": key, "reason": "test"}
    assert (client.post(address, form).status_code == 302) == allowed
    assert Pause.objects.exists() == allowed
    board = client.get(reverse("admin:engine_pause_changelist"))
    assert board.status_code == 200
    assert (f"scope={scope.value}" in board.content.decode()) == allowed


def test_every_right_belongs_to_some_role() -> None:
    assert {f"engine.{codename}" for codename, _ in rights.RIGHTS} <= ADMIN


def test_only_admins_issue_keys_and_change_members(db: None) -> None:
    for role in ROLES:
        client = person(role)
        expected = 200 if role == "admin" else 403
        assert client.get("/admin/accounts/apikey/add/").status_code == expected
        assert client.get("/admin/accounts/workspace/add/").status_code == expected
        assert client.get("/admin/accounts/user/add/").status_code == 403


def test_nobody_but_superusers_writes_posts_by_a_role(connection: SocialConnection) -> None:
    assert person("admin").get(f"{POSTS}add/").status_code == 403


def test_a_group_changed_by_hand_is_put_right_by_the_next_migrate(db: None) -> None:
    group = Group.objects.get(name=group_name("viewer"))
    before = set(group.permissions.values_list("pk", flat=True))
    group.permissions.clear()
    staff_roles.sync()
    assert set(group.permissions.values_list("pk", flat=True)) == before
    assert before


def test_a_viewer_of_the_list_is_offered_no_action(connection: SocialConnection) -> None:
    make_post(connection, state=PostState.FAILED)
    page = person("viewer").get(POSTS).content.decode()
    assert 'value="requeue"' not in page
    assert 'value="requeue"' in person("operator").get(POSTS).content.decode()
