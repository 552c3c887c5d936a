"""Talking to a network while a person waits: whose credentials are these, and what may they do?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from django.conf import settings

from engine.errors import ErrorCategory, ServiceError
from engine.http import Auth, Http, HttpPool
from platforms.adapters.base import Account, Adapter, Target
from platforms.registry import adapter_for
from platforms.tokens import expiry_of

DEADLINE = timedelta(seconds=15)
OURS = frozenset({"expires_at", "refresh_expires_at"})  # understood for every network
T = TypeVar("T")


class OpenDoor(Protocol):
    """Gives an `Http` to an address, with or without authorization."""

    def __call__(self, *, base_url: str, auth: Auth | None = None) -> Http:
        """See `HttpPool.http`."""


def verify_credentials(
    platform: str, entered: Mapping[str, Any], *, external_id: str = ""
) -> tuple[Account, Mapping[str, Any]]:
    """Return whose credentials were entered, and those to keep; at most 15 seconds.

    They differ where the network makes a session from an app password (`Adapter.sign_in`), or
    where they speak for many pages or channels, of which `external_id` then names one; without it
    it is the one whose token this is, if the network says so (a member, beside organizations).

    Not for use inside a running event loop. Raises ServiceError: VALIDATION_ERROR for keys that
    are missing, unknown or malformed and for several accounts of which none was named, AUTH_ERROR
    and its kin when the network refuses them, NETWORK_ERROR, RATE_LIMIT or SERVER_ERROR when it
    cannot tell now.
    """
    adapter = adapter_for(platform)
    check_keys(adapter, entered)
    targets, own = _targets_and_own(platform, entered, wants_own=not external_id)
    wanted = external_id or own
    found = [one for one in targets if wanted in ("", one.account.external_id)]
    if not found:
        raise ServiceError(
            ErrorCategory.PERMISSION,
            f"{adapter.name} lists no such account that these credentials may publish to.",
        )
    if len(found) > 1:
        names = ", ".join(f"{t.account.external_id} ({t.account.username})" for t in found)
        raise ServiceError(
            ErrorCategory.VALIDATION_ERROR,
            f"These credentials are for several accounts of {adapter.name}; name one: {names}.",
        )
    if found[0].problem:
        raise ServiceError(ErrorCategory.PERMISSION, found[0].problem)
    return found[0].account, found[0].credentials


def list_targets(platform: str, entered: Mapping[str, Any]) -> list[Target]:
    """Sign in with what a consent brought or a person entered; return the accounts it is for.

    Several where one person signs in for many pages or channels. At most 15 seconds; raises as
    `verify_credentials`, but looks at no keys, for a consent brings what the network likes.
    """
    return _targets_and_own(platform, entered)[0]


def _targets_and_own(
    platform: str, entered: Mapping[str, Any], *, wants_own: bool = False
) -> tuple[list[Target], str]:
    """Return the accounts, and of several the id of the one whose token this is ("": unknown)."""
    adapter = adapter_for(platform)

    async def talk(open_door: OpenDoor) -> tuple[list[Target], str]:
        outside = open_door(base_url=adapter.base_url(entered))
        credentials = await adapter.sign_in(outside, entered)
        inside = open_door(
            base_url=adapter.base_url(credentials), auth=adapter.authorize(credentials)
        )
        targets = await adapter.targets(inside, credentials)
        if not wants_own or len(targets) < 2:
            return targets, ""
        try:
            own = (await adapter.validate(inside)).external_id
        except ServiceError:
            return targets, ""  # a person's token, where only their pages publish
        return targets, own if any(own == one.account.external_id for one in targets) else ""

    return converse(adapter.name, talk, user_given_host=adapter.user_given_host())


def converse(
    name: str, talk: Callable[[OpenDoor], Awaitable[T]], *, user_given_host: bool = False
) -> T:
    """Run one conversation with a network, of at most 15 seconds in all; raises ServiceError."""
    return asyncio.run(_converse(name, talk, user_given_host=user_given_host))


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


async def _converse(
    name: str, talk: Callable[[OpenDoor], Awaitable[T]], *, user_given_host: bool
) -> T:
    pool = HttpPool(max_connections=2)
    open_door = partial(
        pool.http,
        deadline=DEADLINE,
        guard_private=user_given_host,
        allow_private=settings.PRIVATE_HOSTS_ALLOWED,
    )
    try:
        async with asyncio.timeout(DEADLINE.total_seconds()):
            return await talk(open_door)
    except TimeoutError:
        raise ServiceError(
            ErrorCategory.NETWORK_ERROR,
            f"{name} did not answer within {DEADLINE.total_seconds():.0f} seconds.",
        ) from None
    finally:
        await pool.close()
