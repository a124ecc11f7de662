"""How much the programs say: the key `dumb:log-level` (docs/protocol.md, "The rest")."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DEBUG: Final = "DEBUG"


@dataclass(frozen=True, slots=True)
class LogLevel:
    """`configured`: of the configuration. `debug`: a person wants to see more, for a while."""

    configured: str = "INFO"
    debug: bool = False

    @property
    def effective(self) -> str:
        """What counts."""
        return DEBUG if self.debug else self.configured

    def to_json(self) -> bytes:
        """The value of the key, and the message on the channel."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> "LogLevel":
        """Raises `ValueError` when somebody wrote something else there."""
        tree = orjson.loads(data)
        if not isinstance(tree, dict) or tree.get("configured") not in LEVELS:
            raise ValueError("no log level")
        return cls(tree["configured"], tree.get("debug") is True)


def usable_level(value: Any, fallback: str) -> str:
    """A level in whatever case it was written, else the fallback."""
    word = value.strip().upper() if isinstance(value, str) else ""
    return word if word in LEVELS else fallback
