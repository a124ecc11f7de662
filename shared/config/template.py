"""What each service of the catalogue looks like before anybody changed it (contract config.md 10).

The facts are data: `templates/services.json`. Commands and variables name the fields of their
block (`{port}`), so that another port reaches every place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import orjson

from shared.config.services import Block

FILE: Final = Path(__file__).parent / "templates" / "services.json"


@dataclass(frozen=True, slots=True)
class Template:
    """One service. Do not change `block`: it is everybody's."""

    key: str
    description: str
    block: Block
    instance: str = ""
    """The name of the first instance, "" for a service that has none."""
    debrid_providers: tuple[str, ...] = ()

    def tree(self, block: Block) -> Block:
        """What stands under the root key when `block` is the first of the service."""
        return {"instances": {self.instance: block}} if self.instance else block


@cache
def templates() -> Mapping[str, Template]:
    """Every template by config key; read once."""
    found = {
        key: Template(
            key=key,
            description=entry["description"],
            block=entry["block"],
            instance=entry.get("instance", ""),
            debrid_providers=tuple(entry.get("debrid_providers", ())),
        )
        for key, entry in orjson.loads(FILE.read_bytes()).items()
    }
    return MappingProxyType(found)
