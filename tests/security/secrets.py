"""Every kind of secret that an installation holds, planted where it belongs, and a search for all.

A secret is looked for as it is, in hexadecimal and in base64: encoding hides nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django_otp.oath import TOTP

from accounts import members, second_factor, services
from accounts.models import Role, User
from notifications import targets
from platforms.credentials import encrypt
from platforms.models import MastodonApp, SocialConnection


@dataclass
class Planted:
    """What was planted, by name; `key` is the API key that opens the whole workspace."""

    secrets: dict[str, str] = field(default_factory=dict)
    key: str = ""

    def found_in(self, text: str) -> set[str]:
        """Return the names of the secrets that `text` holds."""
        return {
            name
            for name, secret in self.secrets.items()
            if any(form in text for form in _forms(secret))
        }


def _forms(secret: str) -> tuple[str, ...]:
    raw = secret.encode()
    return (secret, raw.hex(), base64.b64encode(raw).decode().rstrip("="))


def _made(name: str) -> str:
    """Return a text that stands nowhere else."""
    return f"Zq{name}7secret9of3this5test1"


def configure(settings: Any) -> Planted:
    """Give the settings secrets, as an installation with every channel and network has them."""
    planted = Planted()

    def plant(name: str, made: str = "") -> str:
        planted.secrets[name] = made or _made(name)
        return planted.secrets[name]

    settings.SECRET_KEY = plant("SecretKey")
    settings.JWT_SECRET = [plant("JwtSecret")]
    settings.SERVICE_TOKEN = plant("ServiceToken")
    settings.METRICS_TOKEN = plant("MetricsToken")
    settings.CALLBACK_SECRET = [
        "whsec_" + plant("CallbackSecret", base64.b64encode(b"callback-secret-of-24-by").decode())
    ]
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_PHONE_NUMBER = "AC" + "1" * 32, "+3225550100"
    settings.TWILIO_AUTH_TOKEN = plant("TwilioAuthToken")
    settings.SENDGRID_API_KEY = plant("SendgridApiKey")
    settings.SLACK_BOT_TOKEN = plant("SlackBotToken")
    settings.EMAIL_HOST_PASSWORD = plant("EmailPassword")
    settings.FIREBASE_SERVICE_ACCOUNT = json.dumps({"private_key": plant("FirebaseKey")})
    settings.SENTRY_DSN = f"https://{plant('SentryKey')}@sentry.example/1"
    settings.PLATFORMS = {
        slug: {
            name: plant(f"{slug}{name}") if name.endswith(("_secret", "consumer_key")) else value
            for name, value in given.items()
        }
        for slug, given in settings.PLATFORMS.items()
    }
    for number, key in enumerate(settings.CREDENTIAL_KEYS):
        plant(f"CredentialKey{number}", key)
    return planted


def furnish(planted: Planted, connection: SocialConnection, user: User) -> None:
    """Save rows that hold secrets, by the services that people and programs use."""
    workspace = connection.workspace

    def plant(name: str, made: str = "") -> str:
        planted.secrets[name] = made or _made(name)
        return planted.secrets[name]

    connection.set_credentials({"token": plant("Token"), "refresh_token": plant("RefreshToken")})
    connection.save()
    key, before = services.issue_api_key(workspace=workspace, name="robot", actor="user:ada")
    plant("OldApiKey", before.split("_", 2)[2])
    _, planted.key = services.rotate_api_key(key, overlap=timedelta(days=1), actor="user:ada")
    plant("ApiKey", planted.key.split("_", 2)[2])
    _, invitation = members.invite(
        workspace, role=Role.EDITOR, actor="user:ada", own_role=Role.OWNER, email="bob@x.example"
    )
    plant("InvitationToken", invitation)
    targets.register_device(user=user, token=plant("DeviceToken"), platform="web")
    user.set_password(plant("Password"))
    user.save()
    MastodonApp.objects.create(
        server="https://mastodon.example",
        redirect_uri="https://here.example/",
        client_id="an-id",
        secret=encrypt({"client_secret": plant("MastodonAppSecret")}),
        scopes="read",
    )


def second_factor_of(planted: Planted, user: User) -> None:
    """Switch the user's second factor on; its secret and recovery codes are planted."""
    device = second_factor.begin_enrolment(user)
    planted.secrets["TotpSecret"] = device.key
    planted.secrets["TotpTyped"] = second_factor.typed_secret(device)
    code = TOTP(device.bin_key, device.step, device.t0, device.digits).token()
    for number, recovery in enumerate(
        second_factor.confirm_enrolment(user, f"{code:06d}", actor=f"user:{user.username}")
    ):
        planted.secrets[f"RecoveryCode{number}"] = recovery


def said_by(record: Any) -> str:
    """Return everything that a log record holds, whoever formats it."""
    return json.dumps({k: repr(v) for k, v in vars(record).items()}) + record.getMessage()
