"""The fields that a wizard sets (contract lifecycle.md 8)."""

from collections.abc import Mapping
from typing import Any, Final

from services.supervisor.core.errors import PlanError
from shared.config.catalogue import known_fields
from shared.config.pages import config_of
from shared.config.services import Block
from shared.config.template import Template
from shared.config.validate import problems

OURS: Final = ("enabled", "process_name")
"""What a start decides by itself."""


def with_options(block: Block, options: Mapping[str, Any], template: Template) -> Block:
    """The block with these fields.

    Raises:
        PlanError: the service has no such field, or it cannot hold the value.
    """
    fields = known_fields(template.key)
    changed = dict(block)
    for name, value in options.items():
        if name in OURS or (name not in block and name not in fields):
            raise PlanError(f"The option '{name[:100]}' cannot be set here.")
        changed[name] = _as_number(value, template.block.get(name))
    depth = 3 if template.instance else 1
    for error in problems(config_of({template.key: template.tree(changed)})):
        raise PlanError(f"The option '{'.'.join(error.keys[depth:])}' {error.message}.")
    return changed


def _as_number(value: Any, usual: Any) -> Any:
    """Forms send numbers as text."""
    digits = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10
    return int(value) if type(usual) is int and digits else value
