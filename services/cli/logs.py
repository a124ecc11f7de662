"""`dumb logs NAME`: the last lines, and with `-f` the ones that follow."""

import sys
import time
from typing import Any, Final

from services.cli.client import Client
from shared.errors import DumbError

PAUSE_S: Final = 0.5
LINE_BYTES: Final = 400
"""A generous line, to ask for enough bytes; what is asked for stays in what `/logs` allows."""

LEAST_BYTES: Final = 262_144
MOST_BYTES: Final = 8_388_608


def show_logs(client: Client, name: str, *, lines: int, follow: bool) -> None:
    """Print the last `lines` lines of a service's log; follow until interrupted.

    Raises:
        DumbError: the API does not answer or refuses, or there is no such log.
    """
    query = {
        "process_name": name,
        "tail_bytes": str(max(LEAST_BYTES, min(MOST_BYTES, lines * LINE_BYTES))),
    }
    answer = client.get("/logs", query)
    if answer.get("file_id") is None and not follow:
        client.get("/process", {"process_name": name})  # an unknown name is told by its 404
        raise DumbError(f"'{name}' has not written a log yet.")
    _show(_last(str(answer.get("chunk") or ""), lines))
    while follow:
        time.sleep(PAUSE_S)
        answer = client.get("/logs", query | _position(answer))
        _show(str(answer.get("chunk") or ""))


def _position(answer: dict[str, Any]) -> dict[str, str]:
    """Where the next read goes on. Without a log there is no position yet."""
    if answer.get("file_id") is None:
        return {}
    return {"cursor": str(answer.get("cursor", 0)), "file_id": str(answer["file_id"])}


def _last(text: str, lines: int) -> str:
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
