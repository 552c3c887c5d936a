"""Our applications at the networks, and the versions of their interfaces that end."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone

from platforms.networks import WARN_BEFORE, ending_versions, half_configured
from scheduling.diagnosis.findings import Finding, fail, ok, warn


def check_applications() -> Iterator[Finding]:
    """Look for networks whose application is set up by half."""
    ways = half_configured()
    for way in ways:
        adapter = way.backend.adapter()
        yield warn(
            "applications",
            f"{adapter.name} is set up by half: {' and '.join(way.missing)} is empty, so nobody "
            "can connect an account.",
            "Set it, or empty the other one.",
        )
    if not ways:
        yield ok("applications", "None is set up by half.")


def check_versions() -> Iterator[Finding]:
    """Look for versions of networks' interfaces that end soon, or have ended."""
    ending = list(ending_versions(timezone.now().date()))
    for adapter, version, days in ending:
        named = f"{adapter.name}'s version {version.value} ({version.variable})"
        remedy = f"Set {version.variable} to a newer one after reading {adapter.name}'s changelog."
        if days < 0:
            yield fail("versions", f"{named} ended on {version.ends}.", remedy)
        else:
            yield warn("versions", f"{named} ends in {days} days, on {version.ends}.", remedy)
    if not ending:
        yield ok("versions", f"None ends within {WARN_BEFORE.days} days.")
