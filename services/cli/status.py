"""`dumb status`: one row a service; once, or again and again."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, NoReturn

from services.cli.client import AwayError, Client, UnavailableError
from services.cli.roster import Listed, choose, of_interest, read_roster
from services.cli.tables import Cell, Column, harmless, rich_table
from services.cli.terminal import Terminal
from services.cli.units import duration, seconds, when
from shared.judgement import Verdict
from shared.states import ServiceStatus

COLUMNS: Final = (
    Column("NAME", most=30),
    Column("STATUS"),
    Column("HEALTH"),
    Column("SINCE"),
    Column("DETAIL", wrap=True),
)
STYLES: Final = {
    "running": "green", "waiting": "yellow", "starting": "yellow", "stopping": "yellow",
    "completed": "green", "stopped": "dim", "exited": "red", "failed": "bold red",
    "healthy": "green", "degraded": "yellow", "unhealthy": "red",
}  # fmt: skip


def show(client: Client, terminal: Terminal, names: list[str], *, every: bool, tree: bool) -> None:
    """Print the table, or with `tree` JSON. Raises as `pick` does."""
    chosen, hidden = pick(client, names, every=every)
    if tree:
        print(as_json(chosen))
        return
    now = time.time()
    terminal.table(COLUMNS, [row(state, now) for state in chosen])
    if terminal.live and not names:
        print(terminal.paint(f"\n{summary(chosen, hidden)}", "2"))
        for line in advice(chosen, now):
            print(harmless(line))


def watch(
    client: Client,
    terminal: Terminal,
    names: list[str],
    *,
    every: bool,
    tree: bool,
    interval: float,
) -> NoReturn:
    """Show it again every `interval` seconds until interrupted; an API that goes is waited for.

    Raises:
        DumbError: the first answer is none, or a service is unknown.
    """
    chosen, hidden = pick(client, names, every=every)
    if not terminal.live or tree:
        _watch_plainly(client, names, every=every, tree=tree, interval=interval)
    from rich.live import Live

    problem, since = "", 0.0
    console = terminal.console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            now = time.time()
            away = f"{problem} ({duration(now - since)} ago)" if problem else ""
            live.update(_screen(chosen, away or summary(chosen, hidden), now), refresh=True)
            time.sleep(interval)
            try:
                chosen, hidden = pick(client, names, every=every)
                problem = ""
            except (AwayError, UnavailableError) as error:
                since = since if problem else now
                problem = str(error)


def pick(client: Client, names: list[str], *, every: bool) -> tuple[list[Listed], int]:
    """The services to show, and how many are not shown.

    Raises:
        DumbError: the API does not answer, refuses, or knows no service of a given name.
    """
    states = read_roster(client)
    if names:
        return choose(states, names), 0
    chosen = states if every else of_interest(states, time.time())
    return chosen, len(states) - len(chosen)


def row(state: Listed, now: float) -> list[Cell | str]:
    """The cells of one service."""
    status, health = word(state), state.health if state.alive else ""
    return [
        state.process_name,
        Cell(status, STYLES.get(status, "")),
        Cell(health or "-", STYLES.get(health, "dim")),
        _since(state, now),
        detail(state, now),
    ]


def word(state: Listed) -> str:
    """Its status; `completed` for one that did what it is for and ended."""
    return "completed" if state.completed else state.status.value


def detail(state: Listed, now: float) -> str:
    """What there is to know beyond the state: waits, why it ended, restarts, the schedule."""
    judgement = state.judged(now)
    plain = judgement.verdict is Verdict.OK and state.health != "degraded"
    words = judgement.reason.removeprefix(f"{state.process_name} ")
    said = ["" if plain else words.removeprefix(f"{state.status.value}: ")]
    restart = state.restart
    if restart.pending and restart.next_restart_time:
        said.append(f"restart in {seconds(max(0.0, restart.next_restart_time - now))}")
    elif restart.restart_attempts:
        times = "restart" if restart.restart_attempts == 1 else "restarts"
        said.append(f"{restart.restart_attempts} {times}")
    if state.next_run_at:
        said.append(f"next run {when(state.next_run_at)}")
    said.append(state.schedule_note)
    if not state.enabled and not state.alive:
        said.append("not enabled")
    return "; ".join(part for part in said if part)


def advice(chosen: Sequence[Listed], now: float) -> list[str]:
    """What to do about the services that need attention, one line each."""
    return [
        f"{state.process_name}: {judgement.advice}"
        for state in chosen
        if (judgement := state.judged(now)).attention and judgement.advice
    ]


def summary(chosen: Sequence[Listed], hidden: int) -> str:
    """`5 services: 4 running, 1 failed. 9 not enabled: --all shows them.`"""
    counts = Counter(map(word, chosen))
    states = ", ".join(f"{counts[status]} {status}" for status in STYLES if counts[status])
    shown = f"{len(chosen)} service{'' if len(chosen) == 1 else 's'}"
    more = f" {hidden} not enabled: --all shows them." if hidden else ""
    return f"{shown}: {states}.{more}" if states else f"No service is enabled.{more}"


def as_json(chosen: Sequence[Listed]) -> str:
    """One document; `dumb status --json | jq '.services[].status'`."""
    return json.dumps({"services": [asdict(state) for state in chosen]}, ensure_ascii=False)


def _watch_plainly(
    client: Client, names: list[str], *, every: bool, tree: bool, interval: float
) -> NoReturn:
    """In a pipe: a line of JSON, or one line a service, whenever something has changed."""
    shown: dict[str, list[str]] = {}
    last = ""
    while True:
        try:
            chosen, _ = pick(client, names, every=every)
        except (AwayError, UnavailableError) as error:
            print(error, file=sys.stderr)
            time.sleep(interval)
            continue
        if tree and (text := as_json(chosen)) != last:
            last = text
            print(text, flush=True)
        for state in () if tree else chosen:
            judgement = state.judged(time.time())
            why = "" if judgement.verdict is Verdict.OK else judgement.reason
            cells = [word(state), state.health if state.alive else "", why]
            if shown.get(state.process_name) != cells:
                shown[state.process_name] = cells
                words = " ".join(cell for cell in cells if cell)
                print(f"{time.strftime('%H:%M:%S')}  {state.process_name}  {words}", flush=True)
        time.sleep(interval)


def _screen(chosen: Sequence[Listed], foot: str, now: float) -> Any:
    from rich.console import Group
    from rich.text import Text

    table = rich_table(COLUMNS, [row(state, now) for state in chosen])
    return Group(table, Text(f"\n{foot}  {time.strftime('%H:%M:%S')}", style="dim"))


def _since(state: Listed, now: float) -> str:
    if state.status is ServiceStatus.WAITING:
        start = state.waiting_since
    elif state.alive:
        start = state.started_at
    else:
        start = state.stopped_at
    return duration(now - start) if start else "-"
