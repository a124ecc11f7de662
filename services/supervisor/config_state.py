"""The configuration at one moment: file, memory, what is effective. Never changed in place.

Page memory (`dumb.ui`) is in none of it: see shared/config/pages.py.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from shared.config.dependencies import Dependencies, dependencies
from shared.config.environment import Variable
from shared.config.in_force import explicit
from shared.config.overrides import Overridden, override
from shared.config.pages import Config, config_of
from shared.config.services import ServiceBlock, walk_services
from shared.config.trees import Path, same, with_value
from shared.config.validate import validate

Tree = dict[str, Any]
Patches = Mapping[Path, Any]
"""Values that were set in memory only, by their whole path."""


@dataclass(frozen=True)
class ConfigState:
    """`file` is what is on the disk, `live` that with the changes in memory, `effective` that with
    the environment's overrides."""

    file: Config
    live: Config
    effective: Config
    patches: Patches = field(default_factory=dict)
    overridden: tuple[Overridden, ...] = ()

    @cached_property
    def services(self) -> list[ServiceBlock]:
        """Every service block that is effective, in the order of the file."""
        return walk_services(self.effective)

    @cached_property
    def dependencies(self) -> Dependencies:
        """Who needs whom."""
        return dependencies(self.effective)

    @cached_property
    def file_digest(self) -> str:
        """Of the file, without page memory: that is outside of versions."""
        return _digest(self.file)

    @cached_property
    def digest(self) -> str:
        """Of everything that a version stands for."""
        return _digest([self.file, self.effective])


def make_state(
    file: Config, patches: Patches, variables: Mapping[str, Variable], name: str = ""
) -> ConfigState:
    """Put it together, and check it.

    Args:
        name: of the file, for the message.

    Raises:
        ConfigError: the file's tree, or what the environment makes of it, cannot be used.
    """
    validate(file, name)
    live = file
    for path, value in patches.items():
        live = config_of(with_value(live, path, value))
    texts = {key: variable.text for key, variable in variables.items()}
    blank = frozenset(key for key, text in texts.items() if not text.strip())
    effective, overridden = override(live, texts, blank=blank)
    if patches:
        validate(live)
    if overridden:
        validate(effective, "the environment's overrides")
    return ConfigState(file, live, effective, dict(patches), tuple(overridden))


def restart_required(
    before: Iterable[ServiceBlock], after: ConfigState, running: frozenset[str], top_changed: bool
) -> list[str]:
    """Which running services would run otherwise if they were started now, in the file's order.

    `top_changed`: a global value that a placeholder may name is another one.
    """
    old = {block.path: block for block in before}
    names = []
    for service in after.services:
        known = old.get(service.path)
        if known is None or service.process_name not in running:
            continue
        filled = "{" in str([service.block.get(key) for key in _FILLED])
        before_it, after_it = _weighty(known), _weighty(service)
        if (top_changed and filled) or not same(before_it, after_it):
            names.append(service.process_name)
    return names


_FILLED = ("command", "env", "config_dir")
_AT_ONCE = frozenset(
    {
        "enabled",
        "process_name",
        "stop_signal",
        "stop_attempts",
        "stop_wait",
        "start_window",
        "start_timeout",
        "wait_for_dir",
        "wait_for_mounts",
        "wait_for_tcp",
        "wait_for_url",
        "wait_timeout",
        "env_copy",
        "health",
        "restart",
        "expected_exit",
        "on_dependency_restart",
        "commit_sha",
        "repo_owner",
        "repo_name",
        "pinned_version",
        "clear_on_update",
        "exclude_dirs",
        "platforms",
        "core_service",
        "core_services",
        "depends_on",
    }
)
_AT_ONCE_PREFIXES = ("auto_update", "symlink_backup_", "release_version", "branch")


def _weighty(service: ServiceBlock) -> dict[str, Any]:
    """The part of a block that a process was started with."""
    return {
        key: value
        for key, value in explicit(service.block, service.config_key).items()
        if key not in _AT_ONCE and not key.startswith(_AT_ONCE_PREFIXES)
    }


def _digest(tree: Any) -> str:
    return hashlib.sha256(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)).hexdigest()
