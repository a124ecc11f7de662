"""`dumb top`: what the services use, as the metrics collector measures it."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from services.cli.client import Client, RefusedError
from services.cli.tables import Cell, Column, rich_table
from services.cli.terminal import Terminal
from services.cli.units import duration, size
from shared.errors import DumbError

COLUMNS: Final = (
    Column("NAME", most=24),
    Column("PID", right=True),
    Column("CPU%", right=True),
    Column("MEMORY", right=True),
    Column("THREADS", right=True),
    Column("PROCS", right=True),
    Column("UPTIME", right=True),
)
ORDERS: Final = ("cpu", "memory", "name")
BUSY_PERCENT: Final = 80.0
RETRY_S: Final = 1.0


def show(client: Client, terminal: Terminal, *, order: str, tree: bool) -> None:
    """Print one sample. Raises `DumbError`."""
    sample = read(client)
    if tree:
        print(json.dumps(sample, ensure_ascii=False))
        return
    print(host_line(sample))
    terminal.table(COLUMNS, rows(sample, order, time.time()))


def watch(client: Client, terminal: Terminal, *, order: str, interval: float) -> NoReturn:
    """Show samples until interrupted. Raises `DumbError` when the first one cannot be had."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    sample, problem = read(client), ""
    news = live_samples(client, interval)
    with Live(console=terminal.console(), screen=True, auto_refresh=False) as live:
        while True:
            table = rich_table(COLUMNS, rows(sample, order, time.time()))
            foot = problem or time.strftime("%H:%M:%S")
            parts = (Text(host_line(sample), style="bold"), table, Text(f"\n{foot}", style="dim"))
            live.update(Group(*parts), refresh=True)
            fresh, problem = next(news)
            sample = fresh or sample


def live_samples(client: Client, interval: float) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """Samples of `/ws/metrics` as they come; or None and why there is none just now."""
    from websockets.exceptions import WebSocketException

    while True:
        try:
            with client.open_socket(f"/ws/metrics?interval={interval}") as socket:
                for message in socket:
                    tree = json.loads(message)
                    if tree.get("type") == "snapshot":
                        yield tree["data"], ""
            yield None, "The API closed the connection; trying again."
        except (OSError, WebSocketException, ValueError, DumbError) as error:
            yield None, f"No news from {client.base}: {error}"
        time.sleep(RETRY_S)


def read(client: Client) -> dict[str, Any]:
    """The last sample. Raises `DumbError`."""
    try:
        return client.get("/metrics")
    except RefusedError as error:
        if error.status == 404:
            raise DumbError(f"{client.base} has no metrics: it is of an older version.") from error
        raise


def host_line(sample: Mapping[str, Any]) -> str:
    """`CPU 12%  memory 3.1 GiB of 7.7 GiB (40%)  load 0.4 0.3 0.2`: what is known of it."""
    system = sample.get("system") or {}
    parts = []
    if system.get("cpu_percent") is not None:
        parts.append(f"CPU {system['cpu_percent']:.0f}% of {system.get('cpu_count')}")
    memory = system.get("mem") or {}
    if memory.get("total"):
        parts.append(f"memory {size(memory['used'])} of {size(memory['total'])}")
    if system.get("load_avg"):
        parts.append("load " + " ".join(f"{value:.1f}" for value in system["load_avg"]))
    disk = system.get("disk") or {}
    if disk.get("free") is not None:
        parts.append(f"disk {size(disk['free'])} free")
    return "  ".join(parts)


def rows(sample: Mapping[str, Any], order: str, now: float) -> list[list[Cell | str]]:
    """One for each service, with its whole process tree where the collector measures it."""
    services = [entry for entry in sample.get("dumb_managed") or [] if isinstance(entry, dict)]
    if order == "name":
        services.sort(key=lambda entry: str(entry.get("name")))
    else:
        measure = _cpu if order == "cpu" else _memory
        services.sort(key=measure, reverse=True)
    return [_row(entry, now) for entry in services]


def _row(entry: Mapping[str, Any], now: float) -> list[Cell | str]:
    cpu, started = _cpu(entry), entry.get("start_time")
    children = entry.get("children")
    processes = children if isinstance(children, int) else len(children or ())
    return [
        str(entry.get("name")),
        str(entry.get("pid") or "-"),
        Cell(f"{cpu:.1f}", "red" if cpu >= BUSY_PERCENT else ""),
        size(_memory(entry)),
        str(entry.get("threads") or "-"),
        str(processes + 1),
        duration(now - started) if started else "-",
    ]


def _cpu(entry: Mapping[str, Any]) -> float:
    return float(entry.get("tree_cpu_percent", entry.get("cpu_percent")) or 0.0)


def _memory(entry: Mapping[str, Any]) -> float:
    return float(entry.get("tree_rss", entry.get("rss")) or 0.0)
