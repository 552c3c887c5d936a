"""Mastodon: every server is a network of its own, where our application registers itself first.

Source: docs.joinmastodon.org/methods/oauth and /methods/apps, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from social_core.exceptions import AuthConfigurationError

from platforms import consents, mastodon_apps
from platforms.backends.base import OAuth2


class MastodonOAuth2(OAuth2):
    name = "mastodon"
    platform = "mastodon"
    ends_tokens = True  # with the application's own secret, which the adapter does not have
    client_fields = ()  # made for each server, see `mastodon_apps`
    # Without it a second account at the same server could never be connected.
    extra_arguments: ClassVar[Mapping[str, str]] = {"force_login": "true"}

    @property
    def server(self) -> str:
        """Return the server of the consent, as `mastodon_apps.server_address` writes it."""
        return str(consents.opened(self.consent).get("server", ""))

    def authorization_url(self) -> str:
        return f"{self.server}/oauth/authorize"

    def access_token_url(self) -> str:
        return f"{self.server}/oauth/token"

    def get_key_and_secret(self) -> tuple[str, str]:
        return mastodon_apps.key_and_secret(self.server, self.redirect_address())

    def request_access_token(self, url: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return super().request_access_token(url, *args, **kwargs)
        except AuthConfigurationError:
            # The server forgot us (they used to tidy idle applications away): begin afresh.
            mastodon_apps.forget(self.server, self.redirect_address())
            raise

    @classmethod
    def end(cls, credentials: Mapping[str, Any]) -> None:
        server = str(credentials["instance_url"])
        client_id, secret = mastodon_apps.key_and_secret(server, cls.redirect_address())
        token = str(credentials["access_token"])
        form = {"client_id": client_id, "client_secret": secret, "token": token}
        response = cls.ask("POST", f"{server}/oauth/revoke", form=form)
        if not response.ok:
            raise cls.adapter().error(response)

    def credentials(self, response: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().credentials(response), "instance_url": self.server}
