"""Which addresses a host named by a user may lead to: public ones, unless the operator lists more.

`ipaddress.is_global` alone is not enough: it is true for multicast, NAT64, old site-local and, in
some Python releases, 6to4 addresses, which can lead back inside. Checked with Python 3.11 to 3.13.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# NAT64, 6to4 and Teredo carry another address inside; the others are for protocols or old sites.
SPECIAL = tuple(
    ip_network(text)
    for text in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "192.88.99.0/24",
        "192.0.0.0/24",
        "fec0::/10",
    )
)


def is_public(address: Address) -> bool:
    """Say whether `address` is an ordinary address of the public internet."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return address.is_global and not any(address in network for network in SPECIAL)


def parse_address(host: str) -> Address | None:
    """Return `host` as an address when it is one, written in the ordinary way, else None."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Hosts and networks that may be reached although they are private."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowedHosts:
        """Return the list of host names, addresses and CIDR networks in `entries`."""
        names: set[str] = set()
        networks: list[Network] = []
        for entry in entries:
            text = entry.strip().lower()
            try:
                networks.append(ip_network(text.strip("[]"), strict=False))
            except ValueError:
                names.add(text.rstrip("."))
        return cls(frozenset(names), tuple(networks))

    def names_host(self, host: str) -> bool:
        """Say whether `host` itself, a name or an address, is listed."""
        if host.lower().rstrip(".") in self.names:
            return True
        address = parse_address(host)
        return address is not None and self.covers(address)

    def covers(self, address: Address) -> bool:
        """Say whether `address` lies in a listed network."""
        return any(address in network for network in self.networks)

    def may_connect(self, address: Address) -> bool:
        """Say whether a connection to `address` is in order."""
        return is_public(address) or self.covers(address)


def refusal(*, scheme: str, host: str, has_user: bool, allowed: AllowedHosts) -> str:
    """Return why a user-given address is refused before any lookup, or "" when it is not."""
    if has_user:
        return "the address must not contain a user name or password"
    if scheme != "https" and not (scheme == "http" and allowed.names_host(host)):
        return "the address must begin with https://"
    address = parse_address(host)
    if address is not None and not allowed.may_connect(address):
        return f"{host} is not a public address"
    return ""
