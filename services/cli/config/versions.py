"""`dumb config versions`, `diff` and `restore`."""

import json
from typing import Any, Final

from services.cli.client import LONG_S, Client
from services.cli.config.document import tell_restarts
from services.cli.tables import Column, harmless
from services.cli.terminal import Terminal
from services.cli.units import when

COLUMNS: Final = (
    Column("VERSION", right=True),
    Column("WHEN"),
    Column("WHO", most=20),
    Column("WHAT", wrap=True),
)
MOST_PATHS: Final = 4
_ABSENT: Final = object()


def list_versions(client: Client, terminal: Terminal, *, tree: bool) -> None:
    """The newest first. Raises `DumbError`."""
    found = client.get("/config/versions")
    if tree:
        print(json.dumps(found, ensure_ascii=False))
        return
    rows = [
        (str(entry["version"]), when(entry["at"]), str(entry["actor"]), _what(entry))
        for entry in found["versions"]
    ]
    terminal.table(COLUMNS, rows)


def diff(client: Client, terminal: Terminal, version: int | None, *, tree: bool) -> None:
    """What a version changed, the newest one for None. Raises `DumbError`."""
    if version is None:
        version = int(client.get("/config/versions")["version"])
    found = client.get(f"/config/versions/{version}/diff")
    if tree:
        print(json.dumps(found, ensure_ascii=False))
        return
    for change in found["changes"]:
        print(terminal.paint(harmless(".".join(change["path"])), "1"))
        for sign, word, code in (("-", "before", "31"), ("+", "after", "32")):
            value = change.get(word, _ABSENT)
            if value is not _ABSENT:
                text = json.dumps(value, ensure_ascii=False, indent=2)
                lines = "\n".join(f"  {sign} {line}" for line in text.splitlines())
                print(terminal.paint(harmless(lines), code))
    if not found["changes"]:
        print(f"Version {version} changed nothing.")


def restore(client: Client, terminal: Terminal, version: int) -> None:
    """Raises `DumbError`."""
    made = client.post(f"/config/versions/{version}/restore", timeout=LONG_S)
    if made["status"] == "restored":
        print(f"The file is as it was in version {version}; this is version {made['version']}.")
    else:
        print(f"The file is as it was in version {version} already.")
    tell_restarts(terminal, made)


def _what(entry: dict[str, Any]) -> str:
    paths = entry["paths"]
    shown = ", ".join(paths[:MOST_PATHS])
    more = f" and {len(paths) - MOST_PATHS} more" if len(paths) > MOST_PATHS else ""
    note = str(entry["note"]) if entry["note"] not in {"", "file", entry["source"]} else ""
    memory = "" if entry["persisted"] else "in memory"
    return "; ".join(part for part in (shown + more, note, memory) if part)
