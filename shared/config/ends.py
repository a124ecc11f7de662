"""What a service block says about its end: which exits are a success, and what follows. Pure."""

from typing import Any

from shared.config.services import Block


def restarts(block: Block) -> bool:
    """Whether it may be restarted by itself at all: `"restart": "no"` says it may not."""
    return block.get("restart") not in ("no", False)


def expected_exits(block: Block) -> frozenset[int]:
    """The exit codes that mean success: none, unless `expected_exit` lists them."""
    value: Any = block.get("expected_exit")
    codes = value if isinstance(value, list) else [value]
    return frozenset(code for code in codes if type(code) is int)


def did_its_work(block: Block, exit_code: int | None) -> bool:
    """Whether an end counts as success: an expected code, or 0 of a service that ends for good."""
    return exit_code in expected_exits(block) or (exit_code == 0 and not restarts(block))
