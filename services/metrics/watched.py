"""What a service's block says about its disks and ports (contract websocket.md 4.1). Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from shared.config.pages import Config
from shared.config.services import walk_services

MAX_PATHS: Final = 32
"""Per service."""
PORT_FIELDS: Final = ("port", "frontend_port", "backend_port", "webdav_port")


@dataclass(frozen=True, slots=True)
class Watched:
    """Of one configured service."""

    paths: tuple[str, ...]
    ports: tuple[int, ...]


def watched_services(effective: Config) -> dict[str, Watched]:
    """Every service of the configuration by its process name."""
    shared_paths = [*_texts(effective.get("data_root")), *_mounts(effective.get("rclone"))]
    return {
        service.process_name: Watched(
            paths=_absolute([*_own_paths(service.block), *shared_paths]),
            ports=_ports(service.block),
        )
        for service in walk_services(effective)
    }


def _own_paths(block: Mapping[str, Any]) -> Iterator[str]:
    yield from _texts(block.get("config_dir"))
    for key in ("config_file", "log_file"):
        for file in _texts(block.get(key)):
            yield str(PurePosixPath(file).parent)
    env = block.get("env")
    if isinstance(env, dict):
        for value in env.values():
            yield from _texts(value)


def _mounts(rclone: Any) -> Iterator[str]:
    """Where rclone mounts: `mount_dir`, and in it the mount of each instance."""
    instances = rclone.get("instances") if isinstance(rclone, dict) else None
    for block in instances.values() if isinstance(instances, dict) else ():
        if not isinstance(block, dict):
            continue
        directory, name = block.get("mount_dir"), block.get("mount_name")
        yield from _texts(directory)
        if isinstance(directory, str) and isinstance(name, str) and name:
            yield str(PurePosixPath(directory) / name)


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else []


def _absolute(paths: list[str]) -> tuple[str, ...]:
    """Distinct absolute paths; one with a placeholder is not known here."""
    usable = (p for p in paths if p.startswith("/") and "{" not in p and "\0" not in p)
    return tuple(dict.fromkeys(usable))[:MAX_PATHS]


def _ports(block: Mapping[str, Any]) -> tuple[int, ...]:
    env = block.get("env")
    variables = env if isinstance(env, dict) else {}
    found = [block.get(name) for name in PORT_FIELDS]
    found += [variables.get(name.upper()) for name in PORT_FIELDS]
    return tuple(dict.fromkeys(p for p in map(_port, found) if p is not None))


def _port(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:6])
    return value if type(value) is int and 0 < value < 65536 else None
