"""Finding the services in a configuration tree (contract rest.md 3.1, config.md 9)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.config.pages import Config

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceBlock:
    """One service as it is configured.

    `config_key` is `sonarr`, `dumb_api_service` and the like; `instance` is empty for a
    singleton; `path` leads to `block` in the tree it was found in.
    """

    process_name: str
    config_key: str
    instance: str
    path: tuple[str, ...]
    block: Block
    enabled: bool


def iter_blocks(tree: Config) -> Iterator[tuple[tuple[str, ...], Block]]:
    """Every object with a `process_name`, in file order, depth-first.

    Such an object is not descended into: `plex.dbrepair` is a helper, not a service. Lists are
    not searched: `dumb.auto_restart.services` refers to services.
    """
    yield from _blocks(tree, ())


def _blocks(tree: Block, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Block]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            if "process_name" in value:
                yield (*path, key), value
            else:
                yield from _blocks(value, (*path, key))


def walk_services(tree: Config) -> list[ServiceBlock]:
    """All services of a valid tree. Blocks without a usable name are left out."""
    return [
        _service(path, block)
        for path, block in iter_blocks(tree)
        if isinstance(block["process_name"], str) and block["process_name"]
    ]


def _service(path: tuple[str, ...], block: Block) -> ServiceBlock:
    is_instance = len(path) > 2 and path[-2] == "instances"
    key_path = path[:-2] if is_instance else path
    return ServiceBlock(
        process_name=block["process_name"],
        config_key="_".join(key_path),
        instance=path[-1] if is_instance else "",
        path=path,
        block=block,
        enabled=block.get("enabled") is True,
    )
