"""The fields that a wizard sets (contract lifecycle.md 8): null means "as it is"."""

from collections.abc import Mapping
from typing import Any, Final

from services.supervisor.core.errors import PlanError
from shared.config.catalogue import known_fields
from shared.config.fields import FIELD_CHECKS
from shared.config.services import Block
from shared.config.template import Template

OURS: Final = ("enabled", "process_name")
"""What a start decides by itself."""


def with_options(block: Block, options: Mapping[str, Any], template: Template) -> Block:
    """The block with these fields.

    Raises:
        PlanError: the service has no such field, or it cannot hold the value.
    """
    fields = known_fields(template.key)
    changed = dict(block)
    for name, given in options.items():
        if given is None:
            continue
        if name in OURS or (name not in block and name not in fields):
            raise PlanError(f"The option '{name[:100]}' cannot be set here.")
        value = _as_number(given, template.block.get(name))
        check = FIELD_CHECKS.get(name)
        why = (check(value) if check else "") or _misfit(value, template.block.get(name))
        if why:
            raise PlanError(f"The option '{name}' {why}.")
        changed[name] = value
    return changed


def _as_number(value: Any, usual: Any) -> Any:
    """Forms send numbers as text."""
    digits = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10
    return int(value) if type(usual) is int and digits else value


_KINDS: Final = (
    (bool, "must be true or false"),
    ((int, float), "must be a number"),
    ((str, list), "must be text, or a list"),
    (dict, "must be an object"),
)


def _misfit(value: Any, usual: Any) -> str:
    """Why a value is of another kind than the template's; "" when it fits."""
    if usual is None:
        return ""
    kinds, why = next(row for row in _KINDS if isinstance(usual, row[0]))
    fits = isinstance(value, kinds) and isinstance(value, bool) == isinstance(usual, bool)
    return "" if fits else why
