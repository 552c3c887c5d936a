"""Our applications at Mastodon servers: registered at first sight, one per server and address.

The server is named by a user, so it is asked through the guarded client only.
Source: docs.joinmastodon.org/methods/apps, read 2026-11.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings
from social_core.exceptions import AuthConfigurationError

from engine.errors import ErrorCategory, ServiceError
from engine.http import Response
from platforms.credentials import decrypt, encrypt
from platforms.models import MastodonApp
from platforms.verification import OpenDoor, converse

CLIENT_NAME = "Carillon"
HANDLE = re.compile(r"@?[\w.-]+@(?P<host>[^@/]+)")


def server_address(given: str) -> str:
    """Return a server's address as we keep it: scheme, lower-case host, no slash at the end.

    People type "mastodon.social", its address, or their whole handle "@ada@mastodon.social".
    Raises ServiceError (VALIDATION_ERROR).
    """
    text = given.strip()
    if handle := HANDLE.fullmatch(text):
        text = handle["host"]
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and (parts.port or True)
    except ValueError:
        known = False
    if not known or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise ServiceError(
            ErrorCategory.VALIDATION_ERROR,
            "This is not a server's address. Write it like mastodon.social.",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def ensure_app(server: str, redirect_uri: str, scopes: list[str]) -> MastodonApp:
    """Return our application at a server, registered now unless it is known and covers `scopes`.

    Raises ServiceError when the server cannot be reached, or is no Mastodon.
    """
    known = MastodonApp.objects.filter(server=server, redirect_uri=redirect_uri).first()
    if known is not None and set(scopes) <= set(known.scopes.split()):
        return known
    client_id, client_secret = _register(server, redirect_uri, scopes)
    app, _ = MastodonApp.objects.update_or_create(
        server=server,
        redirect_uri=redirect_uri,
        defaults={
            "client_id": client_id,
            "secret": encrypt({"client_secret": client_secret}),
            "scopes": " ".join(scopes),
        },
    )
    return app


def key_and_secret(server: str, redirect_uri: str) -> tuple[str, str]:
    """Return the application's credentials; raises AuthConfigurationError when there is none."""
    app = MastodonApp.objects.filter(server=server, redirect_uri=redirect_uri).first()
    if app is None:
        raise AuthConfigurationError(None, code="missing_setting", parameter="MastodonApp")
    return app.client_id, str(decrypt(bytes(app.secret))["client_secret"])


def forget(server: str, redirect_uri: str) -> None:
    """Register anew the next time somebody connects there."""
    MastodonApp.objects.filter(server=server, redirect_uri=redirect_uri).delete()


def _register(server: str, redirect_uri: str, scopes: list[str]) -> tuple[str, str]:
    form = {
        "client_name": CLIENT_NAME,
        "redirect_uris": redirect_uri,
        "scopes": " ".join(scopes),
        "website": settings.PUBLIC_URL,
    }

    async def talk(open_door: OpenDoor) -> Response:
        return await open_door(base_url=server).post("/api/v1/apps", form=form)

    host = urlsplit(server).netloc
    response = converse(host, talk, user_given_host=True)
    answer = response.json_object()
    client_id, secret = answer.get("client_id"), answer.get("client_secret")
    if response.ok and isinstance(client_id, str) and isinstance(secret, str):
        return client_id, secret
    if response.status in {429, 500, 502, 503, 504}:
        raise ServiceError(
            ErrorCategory.SERVER_ERROR,
            f"{host} cannot take new applications now (HTTP {response.status}). Try again later.",
            http_status=response.status,
        )
    raise ServiceError(
        ErrorCategory.VALIDATION_ERROR,
        f"{host} does not answer like a Mastodon server (HTTP {response.status}). "
        "Look at its address.",
        http_status=response.status,
    )
