"""What must be there before a service may be spawned: its `wait_for_…` fields, and those that
follow from which other services are enabled (contract config.md 3, lifecycle.md 2 and 6). Pure."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from services.supervisor.probes.http import Target, target_of
from services.supervisor.spawn import probe_host
from shared.config.dependency_facts import ARRS, MEDIA_SERVERS, core_services
from shared.config.placeholders import fill
from shared.config.services import Block, ServiceBlock

TCP_TIMEOUT_S: Final = 2.0
URL_TIMEOUT_S: Final = 10.0

_WEBDAV: Final = frozenset({"webdav", "dav"})


@dataclass(frozen=True, slots=True)
class PathWait:
    """A path exists, or is a mount point."""

    path: str
    mounted: bool = False

    @property
    def label(self) -> str:
        """As people see it."""
        return f"{'mount' if self.mounted else 'directory'} {self.path}"


@dataclass(frozen=True, slots=True)
class TcpWait:
    """A port takes connections."""

    host: str
    port: int
    name: str = ""
    timeout_s: float = TCP_TIMEOUT_S

    @property
    def label(self) -> str:
        """As people see it."""
        return (f"{self.name} " if self.name else "") + f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UrlWait:
    """An address answers with 2xx, and has `json_path` if there is one."""

    url: str
    target: Target
    json_path: str = ""
    timeout_s: float = URL_TIMEOUT_S

    @property
    def label(self) -> str:
        """As people see it: without user, password and query, which may hold secrets."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"


Wait = PathWait | TcpWait | UrlWait


def waits_of(
    service: ServiceBlock, services: Iterable[ServiceBlock], names: Mapping[str, Any]
) -> list[Wait]:
    """Everything that the service waits for, in the contract's order; each thing once.

    `services`: all there are. `names`: what placeholders may name besides the service's block.

    Raises:
        ValueError: an address that cannot be asked.
    """
    block = fill(service.block, service.block, names)
    directory = block.get("wait_for_dir")
    found: list[Wait] = [PathWait(directory)] if directory else []
    found += (_mount(path) for path in _list(block.get("wait_for_mounts")) if path)
    others = [other for other in services if other.process_name != service.process_name]
    found += _injected_mounts(service, others)
    found += (_tcp(item) for item in _list(block.get("wait_for_tcp")))
    found += (_url(item) for item in _list(block.get("wait_for_url")))
    found += (_url({"url": url}) for url in _injected_urls(service, others))
    return list(dict.fromkeys(found))


def _tcp(item: Block) -> TcpWait:
    timeout = item.get("timeout")
    return TcpWait(
        probe_host(item.get("host")),
        int(item["port"]),
        str(item.get("name") or ""),
        TCP_TIMEOUT_S if timeout is None else max(float(timeout), 0.1),
    )


def _url(item: Block) -> UrlWait:
    url = item["url"]
    target = target_of(url)
    segments = set(urlsplit(url).path.lower().split("/"))
    method = item.get("probe_method") or ("GET" if segments.isdisjoint(_WEBDAV) else "PROPFIND")
    headers = {"Depth": "0"} if method.upper() == "PROPFIND" else {}
    headers |= {name: str(value) for name, value in (item.get("probe_headers") or {}).items()}
    auth = item.get("auth") or {}
    if auth.get("user") or auth.get("password"):
        target = replace(target, auth=(auth.get("user") or "", auth.get("password") or ""))
    timeout = item.get("timeout")
    return UrlWait(
        url,
        replace(target, method=method.upper(), headers=tuple(headers.items())),
        str(item.get("expected_json_path") or ""),
        URL_TIMEOUT_S if timeout is None else max(float(timeout), 0.1),
    )


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def _mount(path: str) -> PathWait:
    """As the kernel spells a mount point: no slash at the end, no `..`."""
    normal = posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path
    return PathWait(normal, mounted=True)


# -- what follows from others --------------------------------------------------------------


def _injected_mounts(service: ServiceBlock, others: list[ServiceBlock]) -> Iterator[PathWait]:
    """Media servers wait for every mount that another service makes."""
    if service.config_key not in MEDIA_SERVERS:
        return
    for other in others:
        if not other.enabled:
            continue
        block = other.block
        path = ""
        if other.config_key == "rclone" and block.get("mount_dir") and block.get("mount_name"):
            path = posixpath.join(str(block["mount_dir"]), str(block["mount_name"]))
        elif other.config_key == "decypharr" and block.get("mount_type") in {"rclone", "dfs"}:
            path = str(block.get("mount_path") or "")
        if path:
            yield _mount(path)


def _injected_urls(service: ServiceBlock, others: list[ServiceBlock]) -> Iterator[str]:
    paths = _asked_by(service)
    for other in others:
        path = paths.get(other.config_key)
        port = other.block.get("port")
        if path is not None and other.enabled and type(port) is int:
            host = probe_host(other.block.get("host"))
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def _asked_by(service: ServiceBlock) -> dict[str, str]:
    """The path by config key of the services that this one waits for."""
    if service.config_key == "prowlarr":
        return dict.fromkeys(ARRS, "/ping")
    if service.config_key == "tautulli":
        return {"plex": "/identity"}
    if service.config_key == "seerr":
        info = "/System/Info/Public"
        known = {"plex": "/identity", "jellyfin": info, "emby": info}
        named = set(core_services(service.block)) & known.keys()
        return {key: path for key, path in known.items() if not named or key in named}
    return {}
