"""The application that speaks to X, and what the errors it is answered with mean.

Sources: as in `platforms.adapters.x`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from engine.errors import ServiceError
from engine.http import Bearer, Http, Response
from platforms.adapters.base import Adapter
from platforms.adapters.x_reading import (
    ERRORS,
    OAUTH2_ERRORS,
    provider_code,
    reason_of,
    retry_after,
)


@dataclass(frozen=True, slots=True)
class XConfig:
    """The application at developer.x.com; consumer keys for OAuth 1.0a, client keys for 2.0."""

    api_base: str = "https://api.x.com"
    token_url: str = "https://api.x.com/2/oauth2/token"
    consumer_key: str = ""
    consumer_secret: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    post_fields_param: str = "tweet.fields"
    authorize_url: str = "https://x.com/i/oauth2/authorize"


class XClient(Adapter):
    """What both halves of the adapter need."""

    errors = ERRORS
    config_class = XConfig
    config: XConfig

    def _error(
        self, http: Http, response: Response, *, wrote: bool = False, upload: bool = False
    ) -> ServiceError:
        table = OAUTH2_ERRORS if isinstance(http.auth, Bearer) else ERRORS
        return self.error(response, wrote=wrote, upload=upload, table=table)

    def provider_code(self, response: Response) -> str:
        return provider_code(response)

    def retry_after(self, response: Response) -> timedelta | None:
        return retry_after(response)

    def explain(self, response: Response) -> str:
        return reason_of(response)
