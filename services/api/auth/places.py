"""Where a request comes from, as limits see it."""

import hashlib
import ipaddress


def place_of(address: str) -> str:
    """An IPv4 address, or the /64 network of an IPv6 address: one customer has 2^64 of those.

    Text that is no address (a socket file, a proxy that says "unknown") is a place of its own.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def digest(text: str) -> str:
    """32 hexadecimal digits that stand for `text` in names of Redis keys."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
