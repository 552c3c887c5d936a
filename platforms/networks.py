"""What can be connected here: each network's ways in, what they ask for, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.conf import settings

from platforms.adapters.base import Adapter, ApiVersion
from platforms.backends import BACKENDS
from platforms.backends.base import ConnectBackend
from platforms.registry import ADAPTERS, adapter_for

WARN_BEFORE = timedelta(days=60)  # of the end of a version of a network's interface
IMITATION = "sandbox"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to connect accounts by consent in the browser."""

    backend: type[ConnectBackend]

    @property
    def name(self) -> str:
        """Return the backend's name, part of addresses."""
        return self.backend.name

    @property
    def label(self) -> str:
        """Return how it differs from the network's other ways; "" where there is one."""
        return self.backend.way

    @property
    def missing(self) -> list[str]:
        """Return the variables that must be set before it can be used."""
        return self.backend.unset_variables()


@dataclass(frozen=True, slots=True)
class Network:
    """One network, its ways in (none: a form is filled in) and how far it is set up."""

    adapter: Adapter
    ways: tuple[Way, ...] = field(default=())

    @property
    def slug(self) -> str:
        """Return the platform's slug."""
        return self.adapter.slug

    @property
    def name(self) -> str:
        """Return its name for people."""
        return self.adapter.name

    @property
    def open_ways(self) -> tuple[Way, ...]:
        """Return the ways that are set up."""
        return tuple(way for way in self.ways if not way.missing)

    @property
    def by_form(self) -> bool:
        """Say whether people enter credentials here instead of consenting there."""
        return not self.ways

    @property
    def asks_server(self) -> bool:
        """Say whether people name their server first."""
        return bool(self.ways) and self.adapter.user_given_host()

    @property
    def is_ready(self) -> bool:
        """Say whether people can connect accounts."""
        return self.by_form or bool(self.open_ways)


def all_networks() -> list[Network]:
    """Return every network that is offered here, in the registry's order."""
    return [network_of(slug) for slug in ADAPTERS if slug != IMITATION or settings.OFFER_SANDBOX]


def network_of(slug: str) -> Network:
    """Return one network; raises UnknownPlatform."""
    adapter = adapter_for(slug)
    ways = (Way(backend) for backend in BACKENDS.values() if backend.platform == adapter.slug)
    return Network(adapter, tuple(ways))


def ending_versions(today: date) -> Iterator[tuple[Adapter, ApiVersion, int]]:
    """Yield the versions in use that end soon or have ended, and the days left (negative: over)."""
    for slug in ADAPTERS:
        adapter = adapter_for(slug)
        for version in adapter.api_versions():
            if version.ends is not None and version.ends - today <= WARN_BEFORE:
                yield adapter, version, (version.ends - today).days


def half_configured() -> list[Way]:
    """Return the ways that somebody began to set up and that lack a variable still."""
    return [Way(backend) for backend in BACKENDS.values() if backend.is_half_configured()]
