"""What a browser may do with our answers: the Content-Security-Policy. Pure.

Sources: W3C CSP Level 3; tests/api/rest/test_pages.py loads the pages in a browser.
"""

import re
from typing import Final

from services.api.origins import Origins
from shared.neighbors import Host, read_place

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

SWAGGER: Final = policy(connect_src="'self'", img_src="'self' data:")
"""Swagger UI's style sheet has its icons in it."""

_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,254}")
_DEFAULT_PORT: Final = {"http": 80, "https": 443}


def scalar_policy(pages: Origins, host_header: str) -> str:
    """That of `/scalar`, which the configured frontends may embed.

    A page of the API's own origin may too: dmbdb shows `/scalar` through its own server, so that
    frame and page are of one origin.
    """
    named = [(page.scheme, page.host, page.port) for page in pages.pages]
    place = read_place(host_header)
    if place is not None:
        # `http://0.0.0.0:3005` and `dumb.frontend.port` mean a port of the host by which the
        # request reached us. A source of scheme `http` covers `https` too (CSP3, 6.7.2.8).
        named += [("http", place.host, port) for port in pages.ports]
    allowed = sorted({source for origin in named if (source := _source(*origin))})
    return policy(
        connect_src="'self'",
        # Scalar puts `style` elements and attributes into the page.
        style_src="'self' 'unsafe-inline'",
        frame_ancestors=" ".join(["'self'", *allowed]),
    )


def _source(scheme: str, host: Host, port: int) -> str | None:
    """An origin as a source of `frame-ancestors`; None for what cannot be one.

    CSP has no form for IPv6 addresses, nor for a `_` in a name (CSP3, 2.3.1).
    """
    text = str(host)
    if text == "0.0.0.0" or not _HOST.fullmatch(text):  # noqa: S104 - compared, not bound
        return None
    return f"{scheme}://{text}" + ("" if port == _DEFAULT_PORT[scheme] else f":{port}")
