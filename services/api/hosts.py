"""Which `Host` headers a loopback bind takes (docs/architecture.md, "Smaller rules"). Pure.

A web page can give its own name the address 127.0.0.1 and then counts as being of our origin; its
requests still carry its own name in `Host`.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from shared.api_address import is_loopback


def host_name(header: str) -> str | None:
    """The name in a `Host` header, without port; None when it is none."""
    try:
        parts = urlsplit(f"//{header}")
        port_is_fine = parts.port is None or parts.port >= 0
    except ValueError:
        return None
    if not port_is_fine or parts.path or parts.query or parts.fragment or "@" in header:
        return None
    return parts.hostname


def known_host(header: str, bind_host: str, origins: Iterable[str]) -> bool:
    """Whether `header` names this machine, the bind address or the host of a known origin."""
    name = host_name(header)
    if name is None:
        return False
    if is_loopback(name) or name == bind_host.lower():
        return True
    return any(name == urlsplit(origin).hostname for origin in origins)
