"""What `dumb status`, `start`, `stop` and `restart` do."""

from typing import Any

from services.cli.client import Client
from shared.errors import DumbError


def show_status(client: Client, names: list[str], *, everything: bool) -> None:
    """Print a table of services: all named ones, else those enabled or running.

    Raises:
        DumbError: the API does not answer, refuses, or knows no service of a given name.
    """
    entries = client.get("/process/processes").get("processes")
    known = [entry for entry in entries if isinstance(entry, dict)] if entries else []
    unknown = set(names) - {str(entry.get("process_name")) for entry in known}
    if unknown:
        raise DumbError(f"No service is named '{min(unknown)}'.")
    rows = []
    for entry in known:
        name = str(entry.get("process_name"))
        if names and name not in names:
            continue
        state = client.get(
            "/process/service-status", {"process_name": name, "include_health": "true"}
        )
        if names or everything or entry.get("enabled") or state.get("status") == "running":
            rows.append(_row(entry, state))
    _print_table([("NAME", "STATUS", "ENABLED", "HEALTH", "REASON"), *rows])


def act(client: Client, verb: str, name: str) -> None:
    """Start, stop or restart a service and print the outcome. Raises as `show_status` does."""
    answer = client.post(f"/process/{verb}-service", {"process_name": name})
    print(f"{name}: {answer.get('status') or 'done'}")


def _row(entry: dict[str, Any], state: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(entry.get("process_name")),
        str(state.get("status") or "unknown"),
        "yes" if entry.get("enabled") else "no",
        str(state.get("health_status") or ""),
        " ".join(str(state.get("health_reason") or "").split()),
    )


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())
