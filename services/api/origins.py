"""Which hosts and which web pages may use the API while no login is required. Pure.

The rules and their reasons: docs/security.md, "Who may ask".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.neighbors import Host, Place, is_neighbor, read_place

DEFAULT_ORIGINS: Final = frozenset({"http://localhost", "http://localhost:8000"})
"""Used when `dumb.frontend.origins` names none (contract rest.md 0, CORS)."""
FRONTEND_PORT: Final = 3005
"""Of `dumb.frontend`, unless it says another one (contract config.md 3)."""

_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_ADVICE: Final = "If it is yours, add its origin to dumb.frontend.origins."
_SHOWN: Final = 100
"""How many characters of a refused header are repeated."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a web page comes from."""

    scheme: str
    host: Host
    port: int


@dataclass(frozen=True, slots=True)
class Origins:
    """What the configuration says about pages.

    `texts`: the origins as they are written. `pages`: those that could be read. `hosts`: theirs.
    `ports`: at which the pages of any neighbor count. `wildcard`: `*` was among the origins, which
    only takes credentials away.
    """

    texts: frozenset[str]
    wildcard: bool
    pages: frozenset[Origin]
    hosts: frozenset[Host]
    ports: frozenset[int]

    @classmethod
    def of(cls, value: Any, frontend_port: Any = None) -> "Origins":
        """From `dumb.frontend.origins` and `dumb.frontend.port`, whatever these hold.

        `http://0.0.0.0:3005` means: the pages of any neighbor at port 3005.
        """
        items = value if isinstance(value, list) else [value]
        texts = configured_origins(value)
        pages = {page for page in map(_read_configured, texts) if page is not None}
        anywhere = {page for page in pages if _is_any(page.host)}
        known = isinstance(frontend_port, int) and not isinstance(frontend_port, bool)
        own = frontend_port if known and 0 < frontend_port < 65536 else FRONTEND_PORT
        return cls(
            texts,
            "*" in items,
            frozenset(pages),
            frozenset(page.host for page in pages - anywhere),
            frozenset({own, *(page.port for page in anywhere)}),
        )

    def allow(self, origin: str, own_port: int | None) -> bool:
        """Whether pages of `origin`, an `Origin` header, may read what the API answers.

        Args:
            own_port: at which the API listens, None when it is not known.
        """
        if origin in self.texts and "://" in origin:  # a page without an origin sends `null`
            return True
        page = read_origin(origin)
        if page is None:
            return False
        return page in self.pages or (
            self.knows(page.host) and (page.port == own_port or page.port in self.ports)
        )

    def knows(self, host: Host) -> bool:
        """Whether `host` is a neighbor, or that of a configured origin."""
        return is_neighbor(host) or host in self.hosts

    def refusal(
        self, hosts: Sequence[str], origins: Sequence[str], own_port: int | None
    ) -> str | None:
        """Why a request without a login is refused for these headers; None when it is not.

        Args:
            hosts, origins: the values of all `Host` and `Origin` headers.
            own_port: as for `allow`.
        """
        place = read_place(hosts[0]) if len(hosts) == 1 else None
        if place is None:
            return "The request must name the API in exactly one well-formed Host header."
        if not self.knows(place.host):
            return (
                f"The host '{hosts[0][:_SHOWN]}' is not on your local network, and no login is "
                f"required. {_ADVICE}"
            )
        for origin in origins:
            if not (self.allow(origin, own_port) or _same(read_origin(origin), place)):
                return (
                    f"Pages of '{origin[:_SHOWN]}' may not use this API while no login is "
                    f"required. {_ADVICE}"
                )
        return None


def configured_origins(value: object) -> frozenset[str]:
    """The origins of `dumb.frontend.origins`: a string or a list; `*` and non-strings do not count.

    An empty or unusable value gives `DEFAULT_ORIGINS`.
    """
    items = value if isinstance(value, list) else [value]
    texts = (item.strip().rstrip("/") for item in items if isinstance(item, str))
    return frozenset(text for text in texts if text and text != "*") or DEFAULT_ORIGINS


def read_origin(text: str) -> Origin | None:
    """An `Origin` header of a page that came over HTTP; None for anything else, such as `null`."""
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    place = read_place(rest) if separator and scheme in _DEFAULT_PORT else None
    if place is None:
        return None
    return Origin(scheme, place.host, place.port or _DEFAULT_PORT[scheme])


def _read_configured(text: str) -> Origin | None:
    """People write names in their own letters; browsers send them in ASCII."""
    scheme, separator, rest = text.partition("://")
    try:
        return read_origin(f"{scheme}{separator}{rest.encode('idna').decode()}")
    except UnicodeError:
        return None


def _is_any(host: Host) -> bool:
    return not isinstance(host, str) and host.is_unspecified


def _same(page: Origin | None, place: Place) -> bool:
    """Whether a page came from the host and port that the request itself names."""
    if page is None:
        return False
    return (page.host, page.port) == (place.host, place.port or _DEFAULT_PORT[page.scheme])


NOT_CONFIGURED: Final = Origins.of(None)
"""While no configuration can be read."""
