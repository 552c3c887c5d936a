"""All checks in the order in which one explains the next."""

from __future__ import annotations

from collections.abc import Iterator

from scheduling.diagnosis import doors, foundations, networks, publishing
from scheduling.diagnosis.findings import Check, Finding, examine

BEFORE_THE_DATABASE: tuple[tuple[str, Check], ...] = (
    ("settings", foundations.check_settings),
    ("database", foundations.check_database),
    ("broker", foundations.check_broker),
    ("cache", foundations.check_cache),
    ("media", foundations.check_media),
    ("site", doors.check_site),
    ("email", doors.check_email),
    ("callbacks", doors.check_callbacks),
    ("applications", networks.check_applications),
    ("versions", networks.check_versions),
)
ON_THE_DATABASE: tuple[tuple[str, Check], ...] = (
    ("clock", foundations.check_clock),
    ("installation", publishing.check_installation),
    ("pauses", publishing.check_pauses),
    ("slots", publishing.check_slots),
    ("canary", publishing.check_canary),
    ("posts", publishing.check_posts),
    ("preflight", publishing.check_preflight),
    ("held", publishing.check_held),
    ("staff", doors.check_staff),
    ("credentials", doors.check_credentials),
    ("platforms", doors.check_platforms),
)


def diagnose(*, network: bool = False) -> Iterator[Finding]:
    """Yield every finding; while the database is not ready, only those that need none."""
    yield from examine(BEFORE_THE_DATABASE)
    if foundations.database_is_ready():
        yield from examine(ON_THE_DATABASE)
        if network:
            yield from examine([("network", doors.check_network)])
