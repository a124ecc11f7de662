"""One entry of the stream `dumb:audit`: who did what (docs/protocol.md, "The rest")."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from shared.texts import encodable

LENGTH: Final = 10_000
"""About how many entries are kept."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`at` is epoch seconds; `command` the id of its receipt, "" where there is none."""

    at: float
    actor: str
    source: str
    action: str
    target: str
    outcome: str
    command: str = ""

    def to_hash(self) -> dict[Any, Any]:
        """The fields of the entry, as `XADD` takes them."""
        fields = {name: encodable(str(value)) for name, value in asdict(self).items()}
        if not self.command:
            del fields["command"]
        return fields

    @classmethod
    def from_hash(cls, entry_id: bytes, raw: Mapping[bytes, bytes]) -> "AuditEntry":
        """Whatever somebody wrote there. Without a time it has that of its id."""
        text = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in raw.items()}
        try:
            at = float(text.get("at", ""))
        except ValueError:
            at = int(entry_id.partition(b"-")[0]) / 1000
        words = ("actor", "source", "action", "target", "outcome", "command")
        return cls(at, *(text.get(word, "") for word in words))
