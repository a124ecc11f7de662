"""`dumb commands`: what was asked lately and what became of it; `dumb audit`: who did what."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from services.cli.client import LONG_S, Client, RefusedError
from services.cli.roster import choose, read_roster
from services.cli.tables import Cell, Column, harmless
from services.cli.terminal import Terminal
from services.cli.units import seconds, when

COMMANDS: Final = (
    Column("ID", most=25),
    Column("WHEN"),
    Column("ACTION", most=16),
    Column("SERVICE", most=24),
    Column("STATUS"),
)
AUDIT: Final = (
    Column("WHEN"),
    Column("WHO", most=16),
    Column("ACTION", most=15),
    Column("TARGET", most=20),
    Column("OUTCOME", wrap=True),
)
STYLES: Final = {
    "succeeded": "green", "failed": "red", "rejected": "red", "expired": "yellow",
    "cancelled": "yellow", "running": "cyan", "queued": "cyan",
}  # fmt: skip
ANSI: Final = {"succeeded": "32", "failed": "31", "rejected": "31"}


def list_commands(client: Client, terminal: Terminal, name: str, *, limit: int, tree: bool) -> None:
    """The newest first. Raises `DumbError`."""
    query = {"limit": str(limit)}
    if name:
        query["process_name"] = choose(read_roster(client), [name])[0].process_name
    receipts = client.get("/process/commands", query)["commands"]
    if tree:
        print(json.dumps({"commands": receipts}, ensure_ascii=False))
        return
    rows = [
        (
            str(receipt["id"]),
            when(receipt["created_at"]),
            str(receipt["action"]),
            str(receipt["process_name"]),
            Cell(str(receipt["status"]), STYLES.get(str(receipt["status"]), "")),
        )
        for receipt in receipts
    ]
    terminal.table(COMMANDS, rows)


def show_command(client: Client, terminal: Terminal, command_id: str, *, tree: bool) -> None:
    """Each step with its time. Raises `DumbError`."""
    receipt = _find(client, command_id)
    if tree:
        print(json.dumps(receipt, ensure_ascii=False))
        return
    status = str(receipt["status"])
    facts = {
        "id": receipt["id"],
        "action": f"{receipt['action']} {receipt['process_name']}".strip(),
        "by": f"{receipt['actor']} ({receipt['source']})",
        "status": status,
        "detail": receipt["detail"] or "-",
    }
    for word, value in facts.items():
        code = ANSI.get(status, "") if word == "status" else ""
        print(f"{word + ':':<8}{terminal.paint(harmless(str(value)), code)}")
    for line in step_lines(receipt):
        print(harmless(line))


def step_lines(receipt: Mapping[str, Any]) -> list[str]:
    """`20:38:01.123   +0.8 s  spawned pid 77`: when, how long after the first step, what."""
    steps = receipt.get("steps") or []
    first = steps[0]["at"] if steps else 0.0
    lines = []
    for step in steps:
        at = float(step["at"])
        clock = time.strftime("%H:%M:%S", time.localtime(at)) + f"{at % 1:.3f}"[1:]
        lines.append(f"  {clock}  {'+' + seconds(at - first):>9}  {step['what']}")
    return lines


def cancel(client: Client, typed: str) -> None:
    """Returns when it is taken back. Raises `DumbError`: it is over, unknown, or cannot be."""
    command_id = str(_find(client, typed)["id"])
    outcome = client.post(f"{_path(command_id)}/cancel", timeout=LONG_S)
    print(f"{command_id}: {outcome['status']}")


def list_audit(client: Client, terminal: Terminal, *, limit: int, tree: bool) -> None:
    """The newest first. Raises `DumbError`."""
    entries = client.get("/audit", {"limit": str(limit)})["entries"]
    if tree:
        print(json.dumps({"entries": entries}, ensure_ascii=False))
        return
    words = ("actor", "action", "target", "outcome")
    rows = [(when(e["at"]), *(str(e[word]) for word in words)) for e in entries]
    terminal.table(AUDIT, rows)


def _find(client: Client, typed: str) -> dict[str, Any]:
    """The receipt of an id, or of the one recent command whose id begins so."""
    try:
        return client.get(_path(typed))
    except RefusedError as error:
        if error.status != 404:
            raise
        recent = client.get("/process/commands", {"limit": "500"})["commands"]
        begin = typed.rstrip("…")
        found: list[dict[str, Any]] = [r for r in recent if begin and r["id"].startswith(begin)]
        if len(found) != 1:
            raise
        return found[0]


def _path(command_id: str) -> str:
    return f"/process/commands/{quote(command_id, safe='')}"
