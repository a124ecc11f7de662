"""Which web pages may drive this API (docs/architecture.md, "Smaller rules")."""

from typing import Final
from urllib.parse import urlsplit

DEFAULT_ORIGINS: Final = frozenset({"http://localhost", "http://localhost:8000"})
"""Used when `dumb.frontend.origins` names none (contract rest.md 0, CORS)."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORT: Final = {"http": 80, "https": 443}


def configured_origins(value: object) -> frozenset[str]:
    """The origins of `dumb.frontend.origins`: a string or a list; `*` and non-strings do not count.

    An empty or unusable value gives `DEFAULT_ORIGINS`.
    """
    items = value if isinstance(value, list) else [value]
    texts = (item.strip().rstrip("/") for item in items if isinstance(item, str))
    return frozenset(text for text in texts if text and text != "*") or DEFAULT_ORIGINS


def allowed_origin(origin: str, host_header: str, allowed: frozenset[str]) -> bool:
    """Whether a page of `origin` may change things or open sockets.

    Yes for the configured origins, for the host that the request itself names (the page came from
    here), and for loopback with any port. `origin` is the whole header, for example
    `https://nas.lan:3005`; anything that is no http origin (`null`) is refused.
    """
    if origin in allowed:
        return True
    place = _place(origin)
    if place is None:
        return False
    scheme, host, port = place
    if host in _LOOPBACK:
        return True
    return (host, port) == _host_and_port(host_header, _DEFAULT_PORT[scheme])


def _place(origin: str) -> tuple[str, str, int] | None:
    scheme, separator, rest = origin.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORT or any(c in rest for c in "/?#@\\ "):
        return None
    found = _host_and_port(rest, _DEFAULT_PORT[scheme])
    return (scheme, *found) if found else None


def _host_and_port(text: str, default_port: int) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port or default_port) if host else None
