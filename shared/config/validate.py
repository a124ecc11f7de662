"""Whether a configuration tree can be used. Unknown keys are kept and fine."""

from collections.abc import Iterator
from typing import Any, Final

from shared.config.conform import misfits
from shared.config.fields import FIELD_CHECKS, MAX_ID, integer, port
from shared.config.health import health_problems
from shared.config.pages import Config
from shared.config.schedule import schedule_problems
from shared.config.schema import config_schema, service_schema
from shared.config.services import Block, iter_blocks
from shared.config.sizes import parse_size
from shared.errors import ConfigError

MAX_DEPTH: Final = 64
MAX_NAME: Final = 200

Problem = tuple[tuple[str, ...], str]


def validate(tree: Config, file: str = "") -> None:
    """Raise the first of `problems`.

    Raises:
        ConfigError: with `file` and the dotted path of the key.
    """
    for error in problems(tree, file):
        raise error


def problems(tree: Config, file: str = "") -> list[ConfigError]:
    """Everything that makes `tree` unusable, in file order per kind; empty when it is fine."""
    too_deep = _too_deep(tree)
    found = [too_deep] if too_deep else list(_problems(tree))
    return [ConfigError(why, file=file, keys=path) for path, why in found]


def _problems(tree: Config) -> Iterator[Problem]:
    found = list(_rules(tree))
    yield from found
    named = {path for path, _ in found}
    for path, why in _misfits(tree):
        if not any(path[: len(known)] == known for known in named):
            yield path, why


def _misfits(tree: Config) -> Iterator[Problem]:
    """What does not fit the schema; blocks of services that are not in it follow."""
    whole = config_schema()
    yield from misfits(tree, whole)
    for path, block in iter_blocks(tree):
        if path[0] not in whole["properties"]:
            yield from misfits(block, service_schema(path[0]), path)


def _rules(tree: Config) -> Iterator[Problem]:
    """What a schema cannot say, or not in such words."""
    for key in ("puid", "pgid"):
        why = integer(tree.get(key), 0, MAX_ID)
        if why:
            yield (key,), why
    yield from _dumb(tree.get("dumb"))
    yield from _unnamed(tree)
    seen: dict[str, tuple[str, ...]] = {}
    for path, block in iter_blocks(tree):
        yield from _block(path, block)
        yield from _name(path, block["process_name"], seen)


def _block(path: tuple[str, ...], block: Block) -> Iterator[Problem]:
    for key, check in FIELD_CHECKS.items():
        if key in block:
            why = check(block[key])
            if why:
                yield (*path, key), why
    for below, why in health_problems(block.get("health")):
        yield (*path, "health", *below), why
    for below, why in schedule_problems(block.get("schedule")):
        yield (*path, "schedule", *below), why


def _name(
    path: tuple[str, ...], name: object, seen: dict[str, tuple[str, ...]]
) -> Iterator[Problem]:
    at = (*path, "process_name")
    if not isinstance(name, str) or not name.strip():
        yield at, "must be a name"
    elif len(name) > MAX_NAME:
        yield at, f"is longer than {MAX_NAME} characters"
    elif not name.isprintable():
        yield at, "holds a control character"
    elif name in seen:
        yield at, f"'{name}' is also the name of '{'.'.join(seen[name])}'"
    else:
        seen[name] = path


def _unnamed(tree: Block) -> Iterator[Problem]:
    """Blocks that were surely meant as services but could never be addressed."""
    for key, block in tree.items():
        if not isinstance(block, dict) or "process_name" in block:
            continue
        if "command" in block:
            yield (key,), "has a 'command' but no 'process_name'"
        instances = block.get("instances", {})
        if not isinstance(instances, dict):
            yield (key, "instances"), "must be an object of instances"
            continue
        for name, instance in instances.items():
            if not isinstance(instance, dict):
                yield (key, "instances", name), "must be an object"
            elif "process_name" not in instance:
                yield (key, "instances", name), "has no 'process_name'"


def _dumb(dumb: object) -> Iterator[Problem]:
    if dumb is None:
        return
    if not isinstance(dumb, dict):
        yield ("dumb",), "must be an object"
        return
    why = integer(dumb.get("log_count"), 0, 1000)
    if why:
        yield ("dumb", "log_count"), why
    why = _log_size(dumb.get("log_size"))
    if why:
        yield ("dumb", "log_size"), why
    yield from _api_service(dumb.get("api_service"))


def _api_service(api: object) -> Iterator[Problem]:
    at = ("dumb", "api_service")
    if api is None:
        return
    if not isinstance(api, dict):
        yield at, "must be an object"
        return
    if "process_name" in api:
        return  # checked with the services
    if not isinstance(api.get("host", ""), str):
        yield (*at, "host"), "must be text"
    why = port(api.get("port"))
    if why:
        yield (*at, "port"), why


def _log_size(value: Any) -> str:
    if value is None:
        return ""
    try:
        parse_size(str(value) if type(value) is int else value)
    except (ValueError, AttributeError):
        return "must be a size such as 10M, 512K or 1G"
    return ""


def _too_deep(tree: Block) -> Problem | None:
    """Without recursion, so that it can speak about any depth."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while waiting:
        path, value = waiting.pop()
        if len(path) >= MAX_DEPTH and isinstance(value, dict | list):
            return path[:4], f"is nested deeper than {MAX_DEPTH} levels"
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, str(at)), item) for at, item in enumerate(value)]
    return None
