"""What Meta's networks share: commas between scopes, no PKCE, limits told by codes of their own."""

from __future__ import annotations

from typing import Any

from social_core.exceptions import AuthProviderError, SocialAuthBaseException

from platforms.backends.base import OAuth2

# Too many calls: of the application, a user, a page, a kind; and those of a business use case.
LIMITS = frozenset({4, 17, 32, 341, 613, *range(80_000, 80_015)})


class MetaOAuth2(OAuth2):
    DEFAULT_USE_PKCE = False
    SCOPE_SEPARATOR = ","

    def get_provider_error(
        self, data: object, *, stage: Any = "callback", **told: Any
    ) -> SocialAuthBaseException | None:
        """Read Graph's `{"error": {"code": ...}}`, whose status is 400 for most things."""
        error = super().get_provider_error(data, stage=stage, **told)
        if error is not None and error.provider_code in LIMITS:
            return AuthProviderError(
                self, code="rate_limited", stage=stage, provider_code=error.provider_code
            )
        return error
