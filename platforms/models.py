"""Connected accounts, and what connecting them leaves behind; every secret is encrypted at rest."""

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
    backend = models.CharField(max_length=32, blank=True, default="")  # it was connected through
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


class Consent(models.Model):
    """One consent under way: begun here, answered at the network, its accounts perhaps chosen here.

    `state_sha256` is the digest of what the network's answer must present; it is answered once
    (`answered_at`). `sealed` is encrypted JSON: first what the answer must be met with (a PKCE
    verifier, a request token, the server), later the accounts to choose from with their tokens.
    Rows live for minutes; see `platforms.consents`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    platform = models.CharField(max_length=32)
    backend = models.CharField(max_length=32, blank=True, default="")  # "": a form was filled in
    connection = models.ForeignKey(  # the one to be repaired, if it began there
        SocialConnection, on_delete=models.SET_NULL, null=True, blank=True
    )
    state_sha256 = models.CharField(max_length=64, unique=True)
    sealed = models.BinaryField(editable=False, default=b"")
    created_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"consent of {self.user} at {self.platform}"


class MastodonApp(models.Model):
    """Our application at one Mastodon server, registered when somebody first connects there."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    server = models.URLField(max_length=500)  # as in SocialConnection.instance_url
    redirect_uri = models.URLField(max_length=500)
    client_id = models.CharField(max_length=255)
    secret = models.BinaryField(editable=False)  # {"client_secret": ...}, encrypted
    scopes = models.CharField(max_length=500)  # separated by spaces; consents may ask for no more
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["server", "redirect_uri"], name="one_app_per_server")
        ]

    def __str__(self) -> str:
        return self.server
