"""What a service block says of its end: one-shots, and dependencies that come back."""

from enum import StrEnum
from typing import Any

from shared.config.services import Block


class OnDependencyRestart(StrEnum):
    """What a running service does when one that it needs was started anew."""

    RESTART = "restart"
    REPROBE = "reprobe"
    IGNORE = "ignore"


def restarts(block: Block) -> bool:
    """Whether it may be restarted by itself at all: `"restart": "no"` says it may not."""
    return block.get("restart") not in ("no", False)


def expected_exits(block: Block) -> frozenset[int]:
    """The exit codes that mean success: none, unless `expected_exit` lists them."""
    value: Any = block.get("expected_exit")
    codes = value if isinstance(value, list) else [value]
    return frozenset(code for code in codes if type(code) is int)


def on_dependency_restart(block: Block) -> OnDependencyRestart:
    """What it does when a dependency restarts; anything unknown counts as `reprobe`."""
    try:
        return OnDependencyRestart(block.get("on_dependency_restart", "reprobe"))
    except ValueError:
        return OnDependencyRestart.REPROBE
