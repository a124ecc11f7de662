"""The part of a configuration that can be used when some blocks of services cannot."""

from collections.abc import Iterable

from shared.config.catalogue import GLOBALS
from shared.config.pages import Config, config_of
from shared.config.services import iter_blocks
from shared.config.trees import MISSING, with_value
from shared.errors import ConfigError


def without_bad_services(tree: Config, problems: Iterable[ConfigError]) -> Config | None:
    """The tree without the services at fault; None when more than single services is wrong."""
    blocks = [path for path, _ in iter_blocks(tree)]
    for error in problems:
        if not error.keys or error.keys[0] in GLOBALS:
            return None
        tree = config_of(with_value(tree, _place(error.keys, blocks), MISSING))
    return tree


def _place(keys: tuple[str, ...], blocks: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The block that a problem lies in, or what was meant as one."""
    inside = next((path for path in blocks if keys[: len(path)] == path), None)
    if inside is not None:
        return inside
    return keys[:3] if keys[1:2] == ("instances",) and len(keys) > 2 else keys[:1]
