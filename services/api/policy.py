"""What a browser may do with our answers: the Content-Security-Policy. Pure.

Sources: W3C CSP Level 3; tests/api/rest/test_pages.py loads the pages in a browser.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from services.api.hosts import host_name

_STRICT: Final = {
    "default-src": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def policy(**changes: str) -> str:
    """The header's value. `changes` add or replace directives: `img_src="'self' data:"`."""
    named = {name.replace("_", "-"): sources for name, sources in changes.items()}
    return "; ".join(f"{name} {sources}" for name, sources in (_STRICT | named).items())


DEFAULT: Final = policy()
"""For JSON, errors, scripts, and pages that need nothing more."""

SWAGGER: Final = policy(img_src="'self' data:")
"""Swagger UI's style sheet has its icons in it."""

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}")
_SCHEMES: Final = frozenset({"http", "https"})


def scalar_policy(origins: Iterable[str], host_header: str) -> str:
    """That of `/scalar`, which the configured frontends may embed.

    A page of the API's own origin may too: dmbdb shows `/scalar` through its own server, so that
    frame and page are of one origin.
    """
    found = (_ancestor(origin, host_header) for origin in origins)
    allowed = sorted({ancestor for ancestor in found if ancestor})
    return policy(
        # Scalar puts `style` elements and attributes into the page.
        style_src="'self' 'unsafe-inline'",
        frame_ancestors=" ".join(["'self'", *allowed]),
    )


def _ancestor(origin: str, host_header: str) -> str | None:
    """A configured origin as a source of `frame-ancestors`; None for what cannot be one.

    `http://0.0.0.0:3005` is how the sample writes "port 3005 of this machine": the host by which
    the request reached us, on that port. CSP has no form for IPv6 addresses. A source of scheme
    `http` covers `https` as well (CSP3, 6.7.2.8).
    """
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES:
        return None
    if host in _WILDCARDS:
        host = host_name(host_header)
    if host is None or not _HOST.fullmatch(host):
        return None
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")
