"""Who is calling, and in which workspace, for whom and with which role they may act."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import ApiKey, Membership, Role, User, Workspace
from accounts.roles import includes
from accounts.services import (
    find_workspace,
    provision_member,
    provision_user,
    provision_workspace,
)
from engine.lookups import at_most_one


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request proved: by an API key, a token (with or without service token) or a session.

    `workspace` is fixed by a key or an org_id claim. `scopes` narrow a key; empty means all.
    """

    actor: str
    user: User | None = None
    workspace: Workspace | None = None
    scopes: frozenset[str] = frozenset()
    key: ApiKey | None = None
    is_service: bool = False
    is_browser: bool = False

    @property
    def is_key(self) -> bool:
        """Say whether a program called with an API key."""
        return self.key is not None

    def has_scope(self, scope: str) -> bool:
        """Say whether the key's scopes cover this one."""
        return not self.scopes or scope in self.scopes


@dataclass(frozen=True, slots=True)
class Access:
    """Where this request acts and as whom; `user` is None for keys that act for nobody known."""

    workspace: Workspace
    actor: str
    role: str
    user: User | None = None

    def may(self, needed: str) -> bool:
        """Say whether the role includes `needed`."""
        return includes(self.role, needed)


class NoAccess(Exception):
    """This caller may not act there or as that person; `field` is where the request says so."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class UnknownWorkspace(Exception):
    """There is no such workspace, or none that this caller may know of."""


class WorkspaceNotNamed(Exception):
    """The caller belongs to several workspaces (or is a service) and did not say which."""


def resolve(caller: Caller, *, org_id: str = "", user_id: str = "", named: str = "") -> Access:
    """Return the access this request has.

    `org_id` and `user_id` are other systems' ids from the body, `named` is a slug or id from the
    X-Workspace header. Raises NoAccess, UnknownWorkspace or WorkspaceNotNamed.
    """
    if caller.is_key:
        return _key_access(caller, org_id, user_id, named)
    if caller.is_service:
        return _service_access(caller, org_id, user_id, named)
    return _user_access(caller, org_id, user_id, named)


def names(workspace: Workspace, name: str) -> bool:
    """Say whether `name` is this workspace's slug, id or external id."""
    return name in {workspace.slug, str(workspace.pk), workspace.external_id}


def _key_access(caller: Caller, org_id: str, user_id: str, named: str) -> Access:
    """A key acts in its own workspace only; until that is linked, any org_id is a mere label."""
    workspace = caller.workspace
    if workspace is None:
        raise UnknownWorkspace
    if named and not names(workspace, named):
        raise UnknownWorkspace
    if org_id and workspace.external_id and not names(workspace, org_id):
        raise NoAccess(
            "org_id", "other_workspace", "This API key belongs to another workspace than org_id."
        )
    members = User.objects.filter(memberships__workspace=workspace)
    member = at_most_one(members.filter(external_id=user_id)) if user_id else None
    return Access(workspace, caller.actor, Role.EDITOR, member)


def _service_access(caller: Caller, org_id: str, user_id: str, named: str) -> Access:
    """A service may act for anybody it names; users and workspaces are made at first sight."""
    if org_id:
        workspace = provision_workspace(org_id)
    elif named:
        workspace = _named(named)
    elif caller.workspace is not None:
        workspace = caller.workspace
    else:
        raise WorkspaceNotNamed
    user = provision_user(user_id) if user_id else caller.user
    if user is None:  # the service itself, which may act as anybody
        return Access(workspace, caller.actor, Role.OWNER)
    if not user.is_active:
        raise NoAccess("user_id", "user_inactive", "This user was deactivated here.")
    role = provision_member(workspace, user).role
    return Access(workspace, f"user:{user.username}", role, user)


def _user_access(caller: Caller, org_id: str, user_id: str, named: str) -> Access:
    user = caller.user
    if user is None:
        raise UnknownWorkspace
    if user_id and user_id not in {user.external_id, str(user.pk)}:
        raise NoAccess(
            "user_id",
            "other_user",
            "A token acts for its own user only: to act for others, send X-Service-Token as well.",
        )
    if caller.workspace is not None:
        if org_id and not names(caller.workspace, org_id):
            raise NoAccess("org_id", "other_workspace", "This token belongs to another org_id.")
        if named and not names(caller.workspace, named):
            raise UnknownWorkspace
        workspace: Workspace = caller.workspace
    else:
        workspace = _chosen(user, org_id, named)
    role = _role_of(user, workspace, is_browser=caller.is_browser)
    if role is None:
        raise UnknownWorkspace
    return Access(workspace, caller.actor, role, user)


def _chosen(user: User, org_id: str, named: str) -> Workspace:
    """Return the workspace the request names, or the only one the user belongs to."""
    if named:
        return _named(named)
    if org_id:
        found = find_workspace(org_id)
        if found is None:
            raise UnknownWorkspace
        return found
    own = list(Workspace.objects.filter(memberships__user=user)[:2])
    if len(own) == 1:
        return own[0]
    raise WorkspaceNotNamed


def _named(name: str) -> Workspace:
    found = Workspace.objects.filter(slug=name).first() or find_workspace(name)
    if found is None:
        raise UnknownWorkspace
    return found


def _role_of(user: User, workspace: Workspace, *, is_browser: bool) -> str | None:
    """Return a member's role; in the browser superusers own, and staff may see, every workspace.

    Tokens get no such rights: whoever can sign one would get them too.
    """
    if is_browser and user.is_superuser:
        return Role.OWNER
    member = at_most_one(Membership.objects.filter(workspace=workspace, user=user))
    if member is not None:
        return member.role
    return Role.VIEWER if is_browser and user.is_staff else None
