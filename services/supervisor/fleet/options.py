"""What a service block says about dependencies that come back."""

from enum import StrEnum

from shared.config.services import Block


class OnDependencyRestart(StrEnum):
    """What a running service does when one that it needs was started anew."""

    RESTART = "restart"
    REPROBE = "reprobe"
    IGNORE = "ignore"


def on_dependency_restart(block: Block) -> OnDependencyRestart:
    """What it does when a dependency restarts; anything unknown counts as `reprobe`."""
    try:
        return OnDependencyRestart(block.get("on_dependency_restart", "reprobe"))
    except ValueError:
        return OnDependencyRestart.REPROBE
