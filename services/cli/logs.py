"""`dumb logs`: the last lines of one or more logs, and with `-f` the ones that follow.

A log is read by its byte cursor, so nothing is missed or shown twice, also when the API was away.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.cli.client import AwayError, Client, UnavailableError
from services.cli.loglines import Filter, Line, LineReader, Painter, merged
from services.cli.roster import choose, of_interest, read_roster
from services.cli.terminal import Terminal
from shared.errors import DumbError
from shared.logcursor import MAX_TAIL_BYTES

LINE_BYTES: Final = 400
"""A generous line, to ask for enough bytes; what is asked for stays in what `/logs` allows."""

LEAST_BYTES: Final = 262_144
PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0
"""A log that says nothing is asked less and less often, down to this when there are many."""

NEWCOMERS_S: Final = 5.0
"""When all are followed: how often it is asked whether there are more."""


@dataclass
class Log:
    """One log and how far it was read. Lines from before `since` (epoch seconds) are history."""

    name: str
    reader: LineReader
    since: float = 0.0
    position: dict[str, str] = field(default_factory=dict)
    exists: bool = False
    pause: float = PAUSE_S
    due: float = 0.0

    def read(self, client: Client, tail_bytes: int) -> tuple[list[Line], bool]:
        """What is new, and whether it does not continue what was read before."""
        query = {"process_name": self.name, "tail_bytes": str(tail_bytes), **self.position}
        answer = client.get("/logs", query)
        gap = bool(self.position) and bool(answer.get("reset"))
        if gap:  # all that there is comes again
            self.since = max(self.since, self.reader.at or 0.0)
        if answer.get("file_id") is not None:  # without a log there is no position yet
            self.exists = True
            self.position = {
                "cursor": str(answer.get("cursor", 0)),
                "file_id": str(answer["file_id"]),
            }
        lines = self.reader.read(str(answer.get("chunk") or ""))
        return [line for line in lines if (line.at or self.since) >= self.since], gap


@dataclass(frozen=True, slots=True)
class Wanted:
    """`lines`: how many of the past, None for all. `names` empty: all that are of interest."""

    names: Sequence[str]
    lines: int | None
    chosen: Filter
    follow: bool


def show_logs(client: Client, terminal: Terminal, wanted: Wanted) -> None:
    """Print, and follow until interrupted.

    Raises:
        DumbError: the API does not answer or refuses, or there is no such log.
    """
    names = _names(client, wanted)
    logs = [Log(name, LineReader(name)) for name in names]
    narrowed = wanted.chosen != Filter() or wanted.lines is None
    tail = MAX_TAIL_BYTES if narrowed else (wanted.lines or 0) * LINE_BYTES
    tail = max(LEAST_BYTES, min(MAX_TAIL_BYTES, tail))
    found = [[x for x in log.read(client, tail)[0] if wanted.chosen.lets(x)] for log in logs]
    if not wanted.follow and not any(log.exists for log in logs):
        raise DumbError(
            f"'{names[0]}' has not written a log yet."
            if len(names) == 1
            else "None of these has written a log yet."
        )
    lines = merged(found)
    painter = Painter(terminal, many=not wanted.names or len(names) > 1)
    _write(painter, lines if wanted.lines is None else lines[len(lines) - wanted.lines :])
    if wanted.follow:
        Follower(client, terminal, painter, logs, wanted).run()


class Follower:
    """Reads on, log by log, until interrupted."""

    def __init__(
        self,
        client: Client,
        terminal: Terminal,
        painter: Painter,
        logs: list[Log],
        wanted: Wanted,
    ) -> None:
        self._client = client
        self._terminal = terminal
        self._painter = painter
        self._logs = logs
        self._wanted = wanted
        self._begun = time.time()
        self._look_round = time.monotonic() + NEWCOMERS_S
        self._away = False

    def run(self) -> None:
        """Until interrupted. Raises `DumbError` when the API refuses."""
        while True:
            now = time.monotonic()
            due = [log for log in self._logs if log.due <= now]
            new = [self._read(log) for log in due]
            _write(self._painter, merged(new))
            if not self._wanted.names and now >= self._look_round:
                self._welcome(now)
            nearest = min((log.due for log in self._logs), default=now + PAUSE_S)
            time.sleep(max(0.01, nearest - time.monotonic()))

    def _read(self, log: Log) -> list[Line]:
        try:
            lines, gap = log.read(self._client, MAX_TAIL_BYTES)
        except (AwayError, UnavailableError) as error:
            self._tell_away(str(error))
            log.due = time.monotonic() + LONGEST_PAUSE_S
            return []
        if self._away:
            self._away = False
            self._terminal.note("-- The API is back.")
        if gap:
            self._terminal.note(f"-- The log of {log.name} starts anew here.")
        longest = max(PAUSE_S, min(LONGEST_PAUSE_S, PAUSE_S * len(self._logs)))
        log.pause = PAUSE_S if lines else min(longest, log.pause * 1.5)
        log.due = time.monotonic() + log.pause
        return [line for line in lines if self._wanted.chosen.lets(line)]

    def _tell_away(self, problem: str) -> None:
        if not self._away:
            self._away = True
            self._terminal.note(f"-- {problem} Trying again; nothing will be missed.")

    def _welcome(self, now: float) -> None:
        """Services that came since."""
        self._look_round = now + NEWCOMERS_S
        known = {log.name for log in self._logs}
        try:
            names = _names(self._client, self._wanted)
        except (AwayError, UnavailableError):
            return
        self._logs += [
            Log(name, LineReader(name), self._begun - 1) for name in names if name not in known
        ]


def _names(client: Client, wanted: Wanted) -> list[str]:
    states = read_roster(client)
    chosen = choose(states, wanted.names) if wanted.names else of_interest(states, time.time())
    return [state.process_name for state in chosen]


def _write(painter: Painter, lines: Sequence[Any]) -> None:
    if lines:
        sys.stdout.write("".join(map(painter.paint, lines)))
        sys.stdout.flush()
