"""People, workspaces, the keys programs use, and the audit log of what anybody did."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

from engine.ids import uuid7


class User(AbstractUser):
    """A person. `external_id` is the id another system (a JWT issuer) knows them by."""

    external_id = models.CharField(max_length=255, null=True, blank=True, unique=True)


class ApprovalRule(models.TextChoices):
    """Whose posts somebody else must approve before they go out."""

    NOBODY = "nobody", "nobody's"
    EDITORS = "editors", "everybody's but the owners'"
    EVERYBODY = "everybody", "everybody's"


class Workspace(models.Model):
    """The owner of everything: connections, posts, media. People belong to it by Membership."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=255)
    external_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    late_limit_minutes = models.PositiveIntegerField(null=True, blank=True)  # null: the setting's
    late_policy = models.CharField(  # of new posts that say nothing about it
        max_length=8,
        choices=[("hold", "hold for a person"), ("publish", "publish however late")],
        default="hold",
    )
    approval_rule = models.CharField(  # whose posts need approval
        max_length=16, choices=ApprovalRule.choices, default=ApprovalRule.NOBODY
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; each includes what the ones below it may."""

    OWNER = "owner", "owner"  # members, keys and everything below
    EDITOR = "editor", "editor"  # connections and posts
    APPROVER = "approver", "approver"  # decides on posts awaiting approval
    VIEWER = "viewer", "viewer"  # reads


class Membership(models.Model):
    """One person's role in one workspace; `public_id` is what the outside calls it."""

    public_id = models.UUIDField(default=uuid7, editable=False, unique=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.EDITOR)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_membership_each")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}"


class Invitation(models.Model):
    """A place in a workspace for whoever presents its token: shown once, stored as SHA-256.

    It names an e-mail address or another system's id, whether or not somebody here has it: nobody
    learns by inviting who is known here.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(blank=True, default="")
    external_id = models.CharField(max_length=255, blank=True, default="")
    role = models.CharField(max_length=16, choices=Role.choices)
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=(Q(email="") & ~Q(external_id="")) | (~Q(email="") & Q(external_id="")),
                name="invitations_name_one_person",
            )
        ]

    def __str__(self) -> str:
        return f"invitation to {self.workspace}"


class ApiKey(models.Model):
    """A program's key: shown once as `crl_<prefix>_<secret>`, stored as prefix and SHA-256.

    After a rotation the secret before is good as well until `previous_until`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=255)
    prefix = models.CharField(max_length=16, unique=True)
    secret_sha256 = models.CharField(max_length=64, editable=False)
    previous_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    scopes = models.JSONField(default=list, blank=True)  # e.g. ["posts:read", "posts:write"]
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class AppendOnly(Exception):
    """Somebody tried to change or delete an audit event; they are only ever added."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Adds and reads; the database refuses the rest anyway, this says so before it is asked."""

    def update(self, **kwargs: Any) -> int:
        """Refuse."""
        raise AppendOnly("Audit events cannot be changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise AppendOnly("Audit events cannot be deleted.")


class AuditEvent(models.Model):
    """What somebody did, for ever: rows are added and never changed (triggers refuse, see 0002)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, related_name="audit_events"
    )
    actor = models.CharField(max_length=255)  # "user:ada", "key:crl_ab12", "system"
    action = models.CharField(max_length=64)  # "post.cancelled", noun.verb
    target = models.CharField(max_length=255)  # "post:<id>"
    reason = models.TextField(blank=True, default="")
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["workspace", "id"], name="audit_of_workspace"),
            models.Index(fields=["target", "id"], name="audit_by_target"),
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the event; refuse to write an existing one again."""
        if not self._state.adding:
            raise AppendOnly("Audit events cannot be changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise AppendOnly("Audit events cannot be deleted.")


class IdempotencyKey(models.Model):
    """The answer already given to a request that carried this `Idempotency-Key`; kept 24 hours."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of method, path and body
    status = models.PositiveSmallIntegerField(null=True)  # null while the first call is running
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "key"], name="one_answer_per_key")
        ]

    def __str__(self) -> str:
        return self.key
