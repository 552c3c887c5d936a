"""Asking a network whose credentials these are, before anything is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings

from engine.errors import ErrorCategory, ServiceError
from engine.http import HttpPool
from platforms.adapters.base import Account, Adapter
from platforms.registry import adapter_for
from platforms.tokens import expiry_of

DEADLINE = timedelta(seconds=15)
OURS = frozenset({"expires_at", "refresh_expires_at"})  # understood for every network


def verify_credentials(
    platform: str, entered: Mapping[str, Any]
) -> tuple[Account, Mapping[str, Any]]:
    """Return whose credentials were entered, and those to keep; at most 15 seconds.

    They differ where the network makes a session from an app password (`Adapter.sign_in`).

    Not for use inside a running event loop. Raises ServiceError: VALIDATION_ERROR for keys that
    are missing, unknown or malformed, AUTH_ERROR and its kin when the network refuses them,
    NETWORK_ERROR, RATE_LIMIT or SERVER_ERROR when it cannot tell now.
    """
    adapter = adapter_for(platform)
    check_keys(adapter, entered)
    return asyncio.run(_ask(adapter, entered))


def check_keys(adapter: Adapter, credentials: Mapping[str, Any]) -> None:
    """Raise VALIDATION_ERROR, naming each wrong key and what belongs there."""
    documented = {name.rstrip("?"): text for name, text in adapter.credential_keys.items()}
    required = [name for name in adapter.credential_keys if not name.endswith("?")]
    problems = [
        f"{name} is missing ({documented[name]})" for name in required if not credentials.get(name)
    ]
    problems += [
        f"{name} is not one of {', '.join(documented)}"
        for name in credentials
        if name not in documented and name not in OURS
    ]
    problems += [
        f"{name} must be text"
        for name, value in credentials.items()
        if name not in OURS and not isinstance(value, str)
    ]
    try:
        expiry_of(credentials)
    except (ValueError, OverflowError, OSError):
        problems.append("expires_at must be an ISO 8601 instant or seconds since 1970")
    if problems:
        raise ServiceError(
            ErrorCategory.VALIDATION_ERROR, f"{adapter.name} credentials: {'; '.join(problems)}."
        )


async def _ask(adapter: Adapter, entered: Mapping[str, Any]) -> tuple[Account, Mapping[str, Any]]:
    pool = HttpPool(max_connections=2)
    open_door = partial(
        pool.http,
        deadline=DEADLINE,
        guard_private=adapter.user_given_host(),
        allow_private=settings.PRIVATE_HOSTS_ALLOWED,
    )
    try:
        async with asyncio.timeout(DEADLINE.total_seconds()):
            outside = open_door(base_url=adapter.base_url(entered))
            credentials = await adapter.sign_in(outside, entered)
            inside = open_door(
                base_url=adapter.base_url(credentials), auth=adapter.authorize(credentials)
            )
            return await adapter.validate(inside), credentials
    except TimeoutError:
        raise ServiceError(
            ErrorCategory.NETWORK_ERROR,
            f"{adapter.name} did not answer within {DEADLINE.total_seconds():.0f} seconds.",
        ) from None
    finally:
        await pool.close()
