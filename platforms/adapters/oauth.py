"""Refreshing OAuth 2.0 tokens (RFC 6749, section 6); how a dead grant is told differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from engine.errors import ErrorCategory, ServiceError
from engine.http import Http, Response
from platforms.adapters.base import Adapter, is_id

LIVES = (("expires_at", "expires_in"), ("refresh_expires_at", "refresh_expires_in"))
LONGEST_SECONDS = 10**9  # a longer life is a mistake, and would overflow sums


async def refreshed(
    adapter: Adapter,
    http: Http,
    url: str,
    client: Mapping[str, str],
    credentials: Mapping[str, Any],
    *,
    rotates: bool,
    is_over: Callable[[Response], bool],
) -> dict[str, Any]:
    """Return new credentials for the refresh token in `credentials`; one request.

    `client` are the form fields that name the application. `rotates`: each refresh token works
    once. `is_over` says whether an answer means that the grant is dead: only that raises
    AUTH_ERROR (code invalid_grant). Lives are what the answer says, never what was usual.
    """
    token = str(credentials.get("refresh_token") or "")
    if not token:
        raise _over(adapter, "There is no refresh token.")
    form = {**client, "grant_type": "refresh_token", "refresh_token": token}
    response = await http.post(url, form=form, auth=None, writes=rotates)
    answer = response.json_object()
    if not response.ok or answer.get("error"):
        raise _refusal(adapter, response, is_over)
    if not is_id(answer.get("access_token")):
        raise adapter.unreadable(response, wrote=rotates)
    new = answer.get("refresh_token")
    fresh = {
        **credentials,
        "access_token": answer["access_token"],
        "refresh_token": new if is_id(new) else token,
    }
    for ours, theirs in LIVES:
        if (ends := _end(response, answer.get(theirs))) is not None:
            fresh[ours] = ends.isoformat()
        elif ours == "expires_at":
            fresh.pop(ours, None)  # it was the old token's
    return fresh


def _end(response: Response, life: object) -> datetime | None:
    if not isinstance(life, int) or not 0 < life < LONGEST_SECONDS:
        return None
    return response.received_at + timedelta(seconds=life)


def _refusal(
    adapter: Adapter, response: Response, is_over: Callable[[Response], bool]
) -> ServiceError:
    if is_over(response):
        detail = f"{adapter.name} no longer accepts the refresh token. Connect the account again."
        return _over(adapter, detail, response)
    if response.status == 401 or adapter.provider_code(response) == "invalid_client":
        names = " and ".join(adapter.config_variables.values())
        return ServiceError(
            ErrorCategory.PERMISSION,
            f"{adapter.name} refuses the application: check {names}.",
            http_status=response.status,
            provider_code="invalid_client",
            request_id=response.request_id,
            app_wide=True,
        )
    return adapter.error(response)


def _over(adapter: Adapter, detail: str, response: Response | None = None) -> ServiceError:
    return ServiceError(
        ErrorCategory.AUTH_ERROR,
        detail,
        provider_code="invalid_grant",
        http_status=response.status if response else 0,
        request_id=response.request_id if response else "",
    )
