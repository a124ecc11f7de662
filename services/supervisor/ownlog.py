"""The control plane's own log lines: to stderr, and into the log that `/ws/logs` shows."""

import logging
import sys
import time
from collections.abc import Callable

from shared.logformat import own_line
from shared.redaction import redact_text


class OwnLogHandler(logging.Handler):
    """Formats a record once, redacts it, prints it, and hands it on when somebody listens."""

    def __init__(self) -> None:
        super().__init__()
        self.sink: Callable[[bytes], None] | None = None
        self._busy = False

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a log line must not end what it tells about."""
        if self._busy:  # a sink that logs would feed itself
            return
        self._busy = True
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
            # Before each line gets its time: a secret of several lines is known by what follows it.
            data = own_line(_level(record.levelno), redact_text(message), time.time())
            sys.stderr.buffer.write(data)
            sys.stderr.flush()
            if self.sink is not None:
                self.sink(data)
        except (OSError, ValueError):
            # stderr is closed or the disk is full: there is nowhere left to say so.
            return
        finally:
            self._busy = False


def _level(number: int) -> str:
    for limit, name in ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO")):
        if number >= limit:
            return name
    return "DEBUG"


def install(level: str) -> OwnLogHandler:
    """Route every logger of this program through one handler."""
    handler = OwnLogHandler()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("asyncio", "redis"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return handler
