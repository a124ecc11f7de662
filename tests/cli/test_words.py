"""What the command line says, as tables: no process is needed for that."""

import time
from typing import Any

import pytest

from services.cli.roster import Listed, of_interest
from services.cli.status import detail, row, summary
from services.cli.tables import Column, harmless, plain_table
from services.cli.units import duration, seconds, size, when
from shared.models.service import RestartStats
from shared.states import Desired, ServiceStatus

NOW = 1_790_000_000.0
S = ServiceStatus


def state(status: ServiceStatus, **fields: Any) -> Listed:
    return Listed("App", status, **{"enabled": True, **fields})


@pytest.mark.parametrize(
    ("value", "words"),
    [(-5, "0s"), (0.9, "0s"), (59, "59s"), (60, "1m"), (125, "2m 5s"), (3600, "1h"),
     (3661, "1h 1m"), (90_000, "1d 1h"), (86_405, "1d")],
)  # fmt: skip
def test_durations(value: float, words: str) -> None:
    assert duration(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (12.4, "12 s"), (75, "1m 15s")]
)
def test_how_long_it_took(value: float, words: str) -> None:
    assert seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (200 << 20, "200 MiB"),
        (5 << 60, "5120 PiB"),
    ],
)
def test_sizes(value: int, words: str) -> None:
    assert size(value) == words


def test_instants() -> None:
    assert when(None) == "-"
    assert when(time.time()).count(":") == 2
    assert when(NOW) == time.strftime("%Y-%m-%d %H:%M", time.localtime(NOW))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (state(S.RUNNING, health="healthy", health_reason=""), ""),
        (state(S.RUNNING, health="unhealthy", health_reason="port 80 is closed"),
         "unhealthy: port 80 is closed"),
        (state(S.WAITING, waiting_for="PostgreSQL"), "waits for PostgreSQL"),
        (state(S.FAILED, exit_reason="App failed to start"), "failed to start"),
        (state(S.EXITED, exit_code=3), "exit code 3"),
        (state(S.EXITED, exit_signal=9), "ended by signal 9"),
        (state(S.EXITED, exit_code=0, restart=RestartStats(readiness_state="ready")), ""),
        (state(S.FAILED, exit_code=1, restart=RestartStats(pending=True, restart_attempts=2,
                                                           next_restart_time=NOW + 5)),
         "exit code 1; restart in 5.0 s"),
        (state(S.RUNNING, health="healthy", restart=RestartStats(restart_attempts=1)),
         "1 restart"),
        (state(S.STOPPED, enabled=False), "not enabled"),
        (state(S.STOPPED, next_run_at=NOW, schedule_note="one slot was skipped"),
         f"next run {when(NOW)}; one slot was skipped"),
    ],
)  # fmt: skip
def test_details_of_a_service(given: Listed, words: str) -> None:
    assert detail(given, NOW) == words


def test_rows_and_their_summary() -> None:
    done = state(S.EXITED, exit_code=0, restart=RestartStats(readiness_state="ready"))
    waiting = state(S.WAITING, waiting_since=NOW - 61)
    cells = [getattr(cell, "text", cell) for cell in row(waiting, NOW)]
    assert cells == ["App", "waiting", "-", "1m 1s", "waits for what it needs"]
    assert getattr(row(done, NOW)[1], "text", "") == "completed"
    assert summary([done, waiting], 0) == "2 services: 1 waiting, 1 completed."
    assert summary([], 3) == "No service is enabled. 3 not enabled: --all shows them."


def test_who_is_of_interest() -> None:
    off = state(S.STOPPED, enabled=False)
    down = state(S.FAILED, enabled=False, desired=Desired.UP)
    given_up = state(S.FAILED, enabled=False)
    waits = state(S.WAITING, enabled=False)
    runs = state(S.RUNNING, enabled=False)
    assert of_interest([off, down, given_up, waits, runs], NOW) == [down, waits, runs]


def test_tables_in_a_pipe() -> None:
    columns = (Column("NAME"), Column("CPU", right=True), Column("WHY"))
    lines = plain_table(columns, [("a long name", "5", "two\nlines"), ("b", "100", "")])
    assert list(lines) == [
        "NAME         CPU  WHY",
        "a long name    5  two lines",
        "b            100",
    ]


def test_nothing_controls_a_terminal() -> None:
    assert harmless("a\x1b[2J\u202e\x9b\tb\nc\r") == "a\\x1b[2J\\u202e\\x9b\tb\nc\\r"
