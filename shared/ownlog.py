"""This program's own log lines: display format, redacted, to stderr."""

import logging
from typing import Final

from shared.logformat import own_line
from shared.redaction import redact_text

_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        level = record.levelname if record.levelname in _LEVELS else "INFO"
        # Before each line gets its time: a secret of several lines is known by what follows it.
        line = own_line(level, redact_text(message), record.created)
        return line.decode("utf-8", "replace").rstrip("\n")


def install(level: str) -> None:
    """Route every logger of this program to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("asyncio", "redis", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
