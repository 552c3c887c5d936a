"""A connected account at a network, with its credentials encrypted at rest."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from accounts.models import User, Workspace
from engine.ids import uuid7
from platforms.credentials import decrypt, encrypt


class ConnectionState(models.TextChoices):
    ACTIVE = "active", "active"
    NEEDS_RECONNECT = "needs_reconnect", "needs reconnect"  # its owner must connect again
    REVOKED = "revoked", "revoked"  # disconnected on purpose
    PAUSED = "paused", "paused"  # staff or owner stopped it for now


class SocialConnection(models.Model):
    """One account of one network in one workspace.

    `secret` holds the credentials as one encrypted JSON object (see `platforms.credentials`);
    `version` rises with every change so that running loops notice. Never shown, never logged.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="connections")
    platform = models.CharField(max_length=32)
    external_id = models.CharField(max_length=255)
    username = models.CharField(max_length=255, blank=True, default="")
    display_name = models.CharField(max_length=255, blank=True, default="")
    avatar_url = models.URLField(max_length=1000, blank=True, default="")
    instance_url = models.URLField(max_length=500, blank=True, default="")
    secret = models.BinaryField(editable=False, default=b"")
    version = models.PositiveIntegerField(default=1)
    scopes = models.JSONField(default=list, blank=True)
    limits = models.JSONField(
        default=dict, blank=True
    )  # per-account limits, e.g. {"text_chars": 4000}
    expires_at = models.DateTimeField(null=True, blank=True)
    refresh_expires_at = models.DateTimeField(null=True, blank=True)
    # The life of one refresh; see `platforms.tokens`.
    refresh_lease_until = models.DateTimeField(null=True, blank=True)  # somebody refreshes now
    refresh_fence = models.PositiveIntegerField(default=0)  # raised by every turn and reconnect
    refresh_unanswered_at = models.DateTimeField(null=True, blank=True)  # sent, no answer kept
    refresh_failing_since = models.DateTimeField(null=True, blank=True)
    refresh_again_at = models.DateTimeField(null=True, blank=True)  # not before
    state = models.CharField(
        max_length=16, choices=ConnectionState.choices, default=ConnectionState.ACTIVE
    )
    state_reason = models.CharField(max_length=500, blank=True, default="")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "platform", "external_id"], name="one_connection_per_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.platform}: {self.username or self.external_id}"

    def set_credentials(self, credentials: dict[str, Any]) -> None:
        """Encrypt and keep `credentials` (each adapter documents the keys); not saved yet."""
        self.secret = encrypt(credentials)

    def get_credentials(self) -> dict[str, Any]:
        """Return the decrypted credentials; raises `CredentialError` if no key opens them."""
        return decrypt(bytes(self.secret))
