"""Log chunks on the wire and the display format of a line (contract websocket.md 2)."""

import re
from dataclasses import dataclass
from typing import Final

import orjson

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

LINE_PATTERN: Final = re.compile(r"^(.{20,24}?) - (\w+) - (.*)$", re.DOTALL)
"""`Nov 23, 2026 22:20:38 - INFO - text`."""


def output_log(process_name: str) -> str:
    """The log name of captured output, for a service whose own `log_file` is tailed."""
    return f"{process_name}:output"


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Whole display lines of one log: a message of `dumb:logs:<log name>`.

    `start` and `end` are byte offsets in the logical log, so `end - start == len(data)`.
    `quiet` says that the service has `suppress_logging`: only who names it gets it live.
    `live` says that `/ws/logs` shows it (a tailed file is for `GET /logs` alone).
    """

    log_name: str
    process_name: str
    generation: str
    start: int
    end: int
    data: bytes
    quiet: bool = False
    live: bool = True

    def encode(self) -> bytes:
        """One JSON line, then the lines themselves."""
        return chunk_header(self) + b"\n" + self.data

    @classmethod
    def decode(cls, message: bytes) -> "LogChunk":
        """Parse a message. Raises `ValueError` when it is not one."""
        head, newline, data = message.partition(b"\n")
        if not newline:
            raise ValueError("a log message has a header line")
        try:
            tree = orjson.loads(head)
            return cls(
                log_name=tree["log"],
                process_name=tree["name"],
                generation=tree["g"],
                start=int(tree["start"]),
                end=int(tree["end"]),
                data=data,
                quiet=bool(tree.get("quiet")),
                live=bool(tree.get("live", True)),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a log message lacks {error}") from error


def chunk_header(chunk: LogChunk) -> bytes:
    """The header line of a log message, without its newline."""
    tree: dict[str, object] = {
        "g": chunk.generation,
        "start": chunk.start,
        "end": chunk.end,
        "log": chunk.log_name,
        "name": chunk.process_name,
    }
    if chunk.quiet:
        tree["quiet"] = True
    if not chunk.live:
        tree["live"] = False
    return orjson.dumps(tree)
