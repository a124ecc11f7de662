"""Which hosts are neighbors: names and addresses of this machine or its local network. Pure.

A web page can give its own public name the address of this machine (DNS rebinding) and then counts
as being of the same origin; its requests still carry that name in `Host`. It can neither give away
a name that public DNS does not hold, nor an address: those are what this module knows.
"""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

Host = str | IPv4Address | IPv6Address
"""A name in lower case without a dot at its end, or an address."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a `Host` header names. `port` None: the default one of the scheme."""

    host: Host
    port: int | None = None


_PLACE: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})(?:%[A-Za-z0-9._~-]{1,64})?\]|([A-Za-z0-9._-]{1,254}))"
    r"(?::([0-9]{1,5}))?"
)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
SUFFIXES: Final = (".localhost", ".local", ".lan", ".home.arpa", ".internal")
"""RFC 6761, RFC 6762, custom of routers, RFC 8375, reserved by ICANN in 2024."""
NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",  # carriers, and overlay networks such as Tailscale
        "::1/128",
        "fe80::/10",
        "fc00::/7",
    )
)


def read_place(text: str) -> Place | None:
    """The host and port in a `Host` header or behind `http://`; None when it is not exactly that.

    An IPv6 address stands in brackets; a zone in it is dropped, and an embedded IPv4 address
    (`::ffff:192.168.1.10`) is that. Browsers send addresses in their usual form, so a name that
    ends in a number but is not such an address (`127.1`, `0x7f000001`) is refused.
    """
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    address, name, digits = found.groups()
    port = int(digits) if digits else None
    host = _address(address) if address else _name(name.lower())
    if host is None or (port is not None and port > 65535):
        return None
    return Place(host, port)


def is_neighbor(host: Host) -> bool:
    """Whether `host` is of this machine or its local network.

    A name of one label is: public DNS has no addresses for top-level domains.
    """
    if isinstance(host, str):
        return "." not in host or host.endswith(SUFFIXES)
    return any(host in network for network in NETWORKS if network.version == host.version)


def _address(text: str) -> Host | None:
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address


def _name(text: str) -> Host | None:
    name = text.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return IPv4Address(name)
        except ValueError:
            return None
    fine = all(0 < len(label) < 64 and label.strip("-") == label for label in labels)
    return name if fine else None
