"""Names and blocks of new instances (contract lifecycle.md 8, step 4e)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.supervisor.core.errors import PlanError
from shared.config.labels import label_of
from shared.config.services import Block
from shared.config.template import Template
from shared.config.trees import same

LONGEST: Final = 64
_ODD: Final = re.compile(r"[^A-Za-z0-9 _-]")


def clean_name(wished: str) -> str:
    """What is left of an instance name: letters, digits, spaces, `_` and `-`.

    Raises:
        PlanError: nothing, or too much.
    """
    name = " ".join(_ODD.sub("", wished).split())
    if not re.search(r"[A-Za-z0-9]", name):
        raise PlanError("instance_name holds no letter and no digit.")
    if len(name) > LONGEST:
        raise PlanError(f"instance_name has more than {LONGEST} characters.")
    return name


def find_instance(instances: Iterable[str], name: str) -> str | None:
    """The instance of this name; one that differs in case alone would share its directories."""
    wanted = _directory(name)
    return next((known for known in instances if _directory(known) == wanted), None)


def new_instance(template: Template, name: str, instances: Mapping[str, Block]) -> Block:
    """The block of a new instance, with directories of its own.

    Who configured a command for another instance has the application: the new one gets it too.
    """
    directory = _directory(name)
    block: Block = {
        key: _moved(value, _directory(template.instance), directory)
        for key, value in template.block.items()
    }
    if not block.get("command"):
        for known, other in instances.items():
            if other.get("command"):
                block["command"] = _moved(other["command"], _directory(known), directory)
                break
    if name != template.instance:
        block["process_name"] = f"{label_of(template.key)} {name}"
    return block


def untouched(block: Mapping[str, Any], template: Template) -> bool:
    """Whether an instance is nothing but the template's, and not enabled."""
    if block.get("enabled") is True:
        return False
    return all(key in template.block and same(block[key], template.block[key]) for key in block)


def _directory(name: str) -> str:
    return name.lower().replace(" ", "_")


def _moved(value: Any, old: str, new: str) -> Any:
    """Paths that have the directory of one instance in them, with that of another."""
    if isinstance(value, str):
        return "/".join(new if part == old else part for part in value.split("/"))
    if isinstance(value, list):
        return [_moved(item, old, new) for item in value]
    if isinstance(value, dict):
        return {key: _moved(item, old, new) for key, item in value.items()}
    return value
