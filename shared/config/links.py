"""What service blocks say of one another by addresses, paths and names (contract lifecycle.md 7).

Such a link is guessed from a port or a mount path. Those of the waits are needs too: what a
service waits for must be there before it, whoever says so.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from shared.config.dependency_facts import (
    ARRS,
    CORE_DEPENDENCIES,
    SCOPED,
    WAIT_FOR_MOUNTS,
    core_services,
)
from shared.config.labels import key_of
from shared.config.names import loose
from shared.config.services import Block, ServiceBlock

WAIT_FOR_URL: Final = "wait_for_url"
WAIT_FOR_DIR: Final = "wait_for_dir"
CORE_FIELDS: Final = "core_service_fields"
ZILEAN: Final = "zilean_optional_integration"
DOCUMENTED: Final = "documented_integration"

_LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104
_PORTS: Final = ("port", "frontend_port", "backend_port", "webdav_port")
_NAMED_BY: Final = ("process_name", "core_service", "service")
_ZILEAN_USERS: Final = (*ARRS, "prowlarr", "riven_backend", "cli_debrid")
_DOCUMENTED: Final[dict[str, tuple[str, ...]]] = {
    "seerr": ("sonarr", "radarr"),
    "aiostreams": ("zilean", "prowlarr", "infinidysk", "altmount"),
}


@dataclass(frozen=True, slots=True)
class Link:
    """`service` has to do with `on`; both are process names. `signal`: how we know."""

    service: str
    on: str
    signal: str


def wait_links(services: Sequence[ServiceBlock]) -> list[Link]:
    """Which enabled service each one waits for, by its `wait_for_*`."""
    places = _Places(service for service in services if service.enabled)
    found: dict[Link, None] = {}
    for service in services:
        for target, signal in _waited(service, places):
            if target.process_name != service.process_name and _serves(target, service):
                found[Link(service.process_name, target.process_name, signal)] = None
    return list(found)


def field_links(services: Sequence[ServiceBlock]) -> list[Link]:
    """Who belongs to which core service, by `core_service`; mounts serve it, others use it."""
    by_key = _by_key(services)
    links = []
    for service in services:
        for key in core_services(service.block):
            if key not in CORE_DEPENDENCIES:
                continue
            for core in by_key[key]:
                pair = (service, core)
                user, on = reversed(pair) if service.config_key in SCOPED else pair
                links.append(Link(user.process_name, on.process_name, CORE_FIELDS))
    return [link for link in links if link.service != link.on]


def soft_links(services: Sequence[ServiceBlock]) -> list[Link]:
    """Who works with whom, and can do without."""
    by_key = _by_key(services)
    pairs = [(key, "zilean", ZILEAN) for key in _ZILEAN_USERS]
    pairs += [(key, on, DOCUMENTED) for key, row in _DOCUMENTED.items() for on in row]
    return [
        Link(service.process_name, on.process_name, signal)
        for key, on_key, signal in pairs
        for service in by_key[key]
        for on in by_key[on_key]
    ]


class _Places:
    """Where enabled services are found."""

    def __init__(self, services: Iterable[ServiceBlock]) -> None:
        self.by_port: dict[int, list[ServiceBlock]] = defaultdict(list)
        self.by_name: dict[str, list[ServiceBlock]] = defaultdict(list)
        self.mounts: list[tuple[str, ServiceBlock]] = []
        for service in services:
            for port in {service.block.get(key) for key in _PORTS}:
                if type(port) is int:
                    self.by_port[port].append(service)
            for name in {loose(service.process_name), service.config_key}:
                self.by_name[name].append(service)
            if mount := _mount_of(service):
                self.mounts.append((mount, service))

    def named(self, text: str) -> list[ServiceBlock]:
        """By process name or by key, as people spell them."""
        return self.by_name.get(loose(text)) or self.by_name.get(key_of(text)) or []

    def at(self, url: str) -> list[ServiceBlock]:
        """Who answers at an address, as far as it tells."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return []
        if host not in _LOCAL:
            return self.named(host)
        segments = [part for part in parts.path.split("/") if part]
        if len(segments) > 1 and segments[0] == "ui" and (known := self.named(segments[1])):
            return known
        here = self.by_port.get(port or 0, [])
        return here if len(here) == 1 else []

    def below(self, path: str) -> list[ServiceBlock]:
        """Who mounts the place where a path lies."""
        wanted = posixpath.normpath(path)
        return [service for mount, service in self.mounts if f"{wanted}/".startswith(f"{mount}/")]


def _waited(service: ServiceBlock, places: _Places) -> Iterator[tuple[ServiceBlock, str]]:
    block = service.block
    for entry in _listed(block.get("wait_for_url")):
        for target in _answers(entry, places):
            yield target, WAIT_FOR_URL
    for key, signal in (("wait_for_dir", WAIT_FOR_DIR), ("wait_for_mounts", WAIT_FOR_MOUNTS)):
        for path in _listed(block.get(key)):
            if isinstance(path, str) and path:
                for target in places.below(path):
                    yield target, signal


def _answers(entry: Any, places: _Places) -> list[ServiceBlock]:
    if not isinstance(entry, dict):
        return []
    for key in _NAMED_BY:
        text = entry.get(key)
        if isinstance(text, str) and (known := places.named(text)):
            return known
    url = entry.get("url")
    return places.at(url) if isinstance(url, str) else []


def _serves(target: ServiceBlock, service: ServiceBlock) -> bool:
    """A mount that belongs to certain core services serves no others."""
    theirs = core_services(target.block) if target.config_key in SCOPED else ()
    ours = {service.config_key, *core_services(service.block)}
    return not theirs or not ours.isdisjoint(theirs)


def _mount_of(service: ServiceBlock) -> str:
    """The absolute path that a service mounts, "" when it mounts none."""
    block: Block = service.block
    if service.config_key == "rclone":
        parts = (block.get("mount_dir"), block.get("mount_name"))
        path = "/".join(part for part in parts if isinstance(part, str) and part)
    else:
        path = block.get("mount_path") or ""
    if not isinstance(path, str) or not path.startswith("/"):
        return ""
    return posixpath.normpath(path).rstrip("/")


def _by_key(services: Iterable[ServiceBlock]) -> dict[str, list[ServiceBlock]]:
    found: dict[str, list[ServiceBlock]] = defaultdict(list)
    for service in services:
        found[service.config_key].append(service)
    return found


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]
