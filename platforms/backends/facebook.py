"""Facebook: people sign in, Pages publish; and the Instagram accounts that are linked to Pages.

The dialog tells with `return_scopes` what was ticked, and asks again with `auth_type=rerequest`
for what was declined before. The code's token lasts for hours, the adapter makes it last.
Source: developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from django.conf import settings

from platforms.backends.meta import MetaOAuth2


class FacebookOAuth2(MetaOAuth2):
    name = "facebook"
    platform = "facebook"
    ACCESS_TOKEN_METHOD = "GET"
    extra_arguments: ClassVar[Mapping[str, str]] = {
        "return_scopes": "true",
        "auth_type": "rerequest",
    }

    def authorization_url(self) -> str:
        return f"{self.config.dialog_base}/{self.config.version}/dialog/oauth"

    def access_token_url(self) -> str:
        return f"{self.config.graph_base}/{self.config.version}/oauth/access_token"

    def granted_scopes(self, response: Mapping[str, Any]) -> list[str]:
        return super().granted_scopes({"scope": self.data.get("granted_scopes", "")})


class InstagramByFacebook(FacebookOAuth2):
    name = "instagram-facebook"
    platform = "instagram"
    way = "through a Facebook Page"
    client_fields = ("facebook_client_id", "facebook_client_secret")

    @classmethod
    def variables(cls) -> list[str]:
        return ["FACEBOOK_CLIENT_ID", "FACEBOOK_CLIENT_SECRET"]

    @classmethod
    def required_scopes(cls) -> Collection[str]:
        return {
            "instagram_basic",
            "instagram_content_publish",
            "pages_show_list",
            "pages_read_engagement",
        }

    def authorization_url(self) -> str:
        dialog = settings.PLATFORMS["facebook"]["dialog_base"]
        return f"{dialog}/{self.config.version}/dialog/oauth"

    def access_token_url(self) -> str:
        return f"{self.config.facebook_base}/{self.config.version}/oauth/access_token"

    def credentials(self, response: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().credentials(response), "login": "facebook"}
