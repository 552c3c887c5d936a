"""The connections of one workspace by every name a person may write for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from platforms.models import SocialConnection
from platforms.registry import UnknownPlatform, slug_of
from scheduling.import_cells import BadRow

PLAIN_USERNAME = re.compile(r"\w[\w.@-]*")


class ConnectionNames:
    """The connections of one workspace by every name a person may write for them."""

    def __init__(self, connections: Iterable[SocialConnection]) -> None:
        self._by_name: dict[str, list[SocialConnection]] = {}
        for connection in connections:
            username = connection.username.lower()
            names = {
                str(connection.pk),
                username,
                f"{connection.platform}:{username}",
                f"{connection.platform}:id={connection.external_id}",
            }
            for name in names:
                self._by_name.setdefault(name, []).append(connection)

    def get(self, name: str) -> SocialConnection:
        """Return the connection called `name` (id, platform:username, username); raises BadRow."""
        if not name:
            raise BadRow(("connection", "is empty: write an id, platform:username or username."))
        found = self._by_name.get(name) or self._by_name.get(_plain(name), [])
        if len(found) == 1:
            return found[0]
        if not found:
            raise BadRow(("connection", f"this workspace has no connection {name[:100]!r}."))
        choices = sorted({f"{c.platform}:{c.username}" for c in found})
        if len(choices) == 1:
            choices = sorted(str(c.pk) for c in found)
        raise BadRow(("connection", f"{name!r} names several: write {' or '.join(choices)}."))

    def name_of(self, connection: SocialConnection) -> str:
        """Return a name that leads to this connection in any workspace that has the account."""
        name = f"{connection.platform}:{connection.username}"
        if PLAIN_USERNAME.fullmatch(connection.username):
            with suppress(BadRow):
                if self.get(name).pk == connection.pk:
                    return name
        return f"{connection.platform}:id={connection.external_id}"


def _plain(name: str) -> str:
    """Return `Twitter:@Ada` as `x:ada`."""
    platform, colon, username = name.lower().rpartition(":")
    try:
        platform = slug_of(platform) if colon else ""
    except UnknownPlatform:
        raise BadRow(("connection", f"{platform!r} is not a platform.")) from None
    return f"{platform}{colon}{username.strip().removeprefix('@')}"
