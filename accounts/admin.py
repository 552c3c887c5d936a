"""People, workspaces, keys and the audit log in the staff console."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import members, second_factor, services
from accounts.admin_filters import (
    ActionFilter,
    ActorFilter,
    SinceFilter,
    TargetFilter,
    UntilFilter,
    WorkspaceFilter,
)
from accounts.keys import SCOPES
from accounts.models import ApiKey, AuditEvent, Invitation, Membership, User, Workspace
from engine import rights
from engine.admin_actions import ConfirmedAction, ConfirmedActionsAdmin, Refused, actor_of
from engine.admin_cells import BAD, GOOD, MUTED, WAIT, badge, time_cell
from engine.admin_lists import CappedAdmin, ShownOnly
from engine.admin_types import AnyModelAdmin, AnyModelForm, AnyTabularInline, AnyUserAdmin

for _model in (TOTPDevice, StaticDevice):  # their pages would show secrets
    admin.site.unregister(_model)


def _reset_second_factor(pk: Any, actor: str, answers: Mapping[str, Any]) -> None:
    second_factor.disable(User.objects.get(pk=pk), actor=actor, reason=answers["reason"])


@admin.register(User)
class UserAdmin(ConfirmedActionsAdmin, AnyUserAdmin):
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "is_active")
    confirmed_actions = (
        ConfirmedAction(
            name="reset_second_factor",
            label="Reset the second factor",
            button="Reset second factor",
            done="without a second factor now",
            consequence=(
                "The password alone logs this person in, until they set up a second factor again. "
                "Make sure that it is really them who asks."
            ),
            permission="accounts.change_user",
            run=_reset_second_factor,
            refusal=lambda user: (
                "" if second_factor.has_second_factor(user) else "has no second factor"
            ),
            bulk=False,  # each person is to be recognised
        ),
    )
    search_fields = ("username", "email", "first_name", "last_name", "external_id")
    fieldsets = (
        *(AnyUserAdmin.fieldsets or ()),
        ("Other systems", {"fields": ("external_id",)}),
    )


class MembershipInline(AnyTabularInline):
    model = Membership
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Workspace)
class WorkspaceAdmin(AnyModelAdmin):
    list_display = (
        "name",
        "slug",
        "time_zone",
        "late_policy",
        "late_limit_minutes",
        "approval_rule",
        "created_at",
    )
    search_fields = ("name", "slug", "external_id")
    ordering = ("name",)
    inlines = (MembershipInline,)
    readonly_fields = ("created_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return False  # it would take every post and its history along


class ApiKeyForm(AnyModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None: everything in its workspace.",
    )
    valid_days = forms.IntegerField(
        required=False, min_value=1, max_value=3650, help_text="Empty: until it is revoked."
    )

    class Meta:
        model = ApiKey
        fields = ("workspace", "name")


def _revoke(pk: UUID, actor: str, answers: Mapping[str, Any]) -> None:
    key = ApiKey.objects.select_related("workspace").get(pk=pk)
    services.revoke_api_key(key, actor=actor, reason=answers["reason"])


@admin.register(ApiKey)
class ApiKeyAdmin(CappedAdmin, ConfirmedActionsAdmin):
    form = ApiKeyForm
    list_display = (
        "name",
        "prefix",
        "workspace",
        "condition",
        "expires",
        "last_used",
        "created_by",
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace", "created_by")
    search_fields = ("name", "prefix", "workspace__slug", "workspace__name")
    autocomplete_fields = ("workspace",)
    confirmed_actions = (
        ConfirmedAction(
            name="revoke",
            label="Revoke",
            button="Revoke this key",
            done="revoked",
            consequence="Programs that use these keys are refused from now on. This is for good.",
            permission=rights.REVOKE_KEY,
            run=_revoke,
            refusal=lambda key: "revoked already" if key.revoked_at else "",
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False  # a key is issued or revoked, never changed

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("workspace", "name", "scopes", "valid_days")
        return (
            "condition",
            "name",
            "prefix",
            "workspace",
            "scopes",
            "expires_at",
            "previous_until",
            "last_used_at",
            "revoked_at",
            "created_by",
            "created_at",
        )

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Issue the key; its text travels with the request, to be shown once and kept nowhere."""
        days = form.cleaned_data["valid_days"]
        key, text = services.issue_api_key(
            workspace=form.cleaned_data["workspace"],
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            valid_for=timedelta(days=days) if days else None,
            actor=actor_of(request),
            created_by=request.user,  # type: ignore[arg-type]
        )
        obj.pk = key.pk
        obj.prefix = key.prefix
        request.issued_key = text  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> TemplateResponse:
        """Show the key: the only page it ever stands on (the admin marks its pages no-store)."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"The key {obj.name!r}",
            "opts": self.opts,
            "key_text": request.issued_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/accounts/apikey/issued.html", context)

    @admin.display(description="condition")
    def condition(self, key: ApiKey) -> SafeString:
        if key.revoked_at is not None:
            return badge("revoked", MUTED)
        over = key.expires_at is not None and key.expires_at <= timezone.now()
        return badge("expired", BAD) if over else badge("valid", GOOD)

    @admin.display(description="expires")
    def expires(self, key: ApiKey) -> SafeString | str:
        return time_cell(key.expires_at) if key.expires_at else "never"

    @admin.display(description="last used")
    def last_used(self, key: ApiKey) -> SafeString | str:
        return time_cell(key.last_used_at) if key.last_used_at else "never"


def _why_over(invitation: Invitation) -> str:
    """Return why it can no longer be accepted, or "" while it can."""
    if invitation.accepted_at is not None:
        return "accepted already"
    if invitation.revoked_at is not None:
        return "revoked already"
    return "expired" if invitation.expires_at <= timezone.now() else ""


def _revoke_invitation(pk: UUID, actor: str, answers: Mapping[str, Any]) -> None:
    invitation = Invitation.objects.select_related("workspace").get(pk=pk)
    if over := _why_over(invitation):
        raise Refused(over)
    members.revoke_invitation(invitation, actor=actor, reason=answers["reason"])


@admin.register(Invitation)
class InvitationAdmin(ShownOnly, CappedAdmin, ConfirmedActionsAdmin):
    """Made by a workspace's own people over the API; staff see who was offered what, and end it."""

    list_display = ("condition", "who", "role", "workspace", "expires", "invited_by", "made")
    list_display_links = ("who",)
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace", "invited_by")
    list_filter = ("role",)
    search_fields = ("email", "external_id", "workspace__slug", "workspace__name")
    fields = (
        "condition",
        "email",
        "external_id",
        "role",
        "workspace",
        "invited_by",
        "created_at",
        "expires_at",
        "accepted_at",
        "revoked_at",
    )
    confirmed_actions = (
        ConfirmedAction(
            name="revoke",
            label="Revoke invitations",
            button="Revoke this invitation",
            done="revoked",
            consequence="Whoever holds its token is refused from now on. Members stay members.",
            permission="accounts.change_membership",
            run=_revoke_invitation,
            refusal=_why_over,
        ),
    )

    @admin.display(description="condition")
    def condition(self, invitation: Invitation) -> SafeString:
        over = _why_over(invitation).removesuffix(" already")
        tones = {"": WAIT, "accepted": GOOD, "revoked": MUTED, "expired": MUTED}
        return badge(over or "pending", tones[over])

    @admin.display(description="who")
    def who(self, invitation: Invitation) -> str:
        return invitation.email or invitation.external_id

    @admin.display(description="expires")
    def expires(self, invitation: Invitation) -> SafeString | str:
        return time_cell(invitation.expires_at)

    @admin.display(description="made")
    def made(self, invitation: Invitation) -> SafeString | str:
        return time_cell(invitation.created_at, with_distance=True)


@admin.register(AuditEvent)
class AuditEventAdmin(ShownOnly, CappedAdmin):
    list_display = ("when", "actor", "action", "target", "reason", "workspace")
    list_display_links = ("when",)
    list_select_related: ClassVar[tuple[str, ...]] = ("workspace",)
    list_filter = (
        ActionFilter,
        ActorFilter,
        TargetFilter,
        WorkspaceFilter,
        SinceFilter,
        UntilFilter,
    )
    date_hierarchy = None
    search_fields = ("actor", "action", "target")
    search_help_text = "Who (user:ada), what (post.cancelled) or on what (post:…)"
    fields = ("at", "actor", "action", "target", "reason", "detail", "workspace")

    class Media:
        css: ClassVar = {"all": ["console/desk.css"]}

    @admin.display(description="when")
    def when(self, event: AuditEvent) -> SafeString | str:
        return time_cell(event.at)
