"""LinkedIn: no PKCE, no discovery; who signed in is asked by the adapter.

One scope that the application was not given makes the whole consent fail, so the default asks for
personal profiles alone; organizations need more in LINKEDIN_SCOPES.
Source: learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Collection

from platforms.backends.base import OAuth2

MEMBER, ORGANIZATION = "w_member_social", "w_organization_social"


class LinkedInOAuth2(OAuth2):
    name = "linkedin"
    platform = "linkedin"
    DEFAULT_USE_PKCE = False

    @classmethod
    def required_scopes(cls) -> Collection[str]:
        """Return the right to post for those that were asked for; people cannot untick either."""
        return {MEMBER, ORGANIZATION} & set(cls.scopes()) or {MEMBER}

    def authorization_url(self) -> str:
        return f"{self.config.oauth_base}/authorization"

    def access_token_url(self) -> str:
        return f"{self.config.oauth_base}/accessToken"
