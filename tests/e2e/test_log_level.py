"""`/process/runtime-log-level`: one switch for every program (contract rest.md 3.9)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.flow import Running, ok
from tests.support.programs import Program
from tests.support.wait import wait_until_sync

PATH = "/process/runtime-log-level"
WITHIN_S = 3.0
"""A second, and what a busy machine adds."""


@pytest.fixture
def stack(redis_url: str, tmp_path: Path) -> Iterator[tuple[httpx.Client, list[Program]]]:
    running = Running(tmp_path / "home", {"REDIS_URL": redis_url})
    programs = [running.start(name) for name in ("supervisor", "metrics", "jobs")]
    api = running.start_api()
    yield running.client(), [*programs, api]
    running.close()


def answer(http: httpx.Client, **changes: Any) -> Any:
    return ok(http.post(PATH, json=changes)) if changes else ok(http.get(PATH))


def told(programs: list[Program], words: str) -> None:
    """Every program says that it has another level."""
    for program in programs:
        wait_until_sync(partial(_says, program, words), timeout=WITHIN_S, what=program.name)


def _says(program: Program, words: str) -> bool:
    return words in program.printed()


def test_every_program_follows(stack: tuple[httpx.Client, list[Program]]) -> None:
    http, programs = stack
    usual = {
        "configured_level": "INFO",
        "configured_uvicorn_level": "INFO",
        "effective_level": "INFO",
        "debug_enabled": False,
        "override_active": False,
        "temporary": False,
        "resets_on_restart": True,
    }
    assert answer(http) == usual
    debugging = usual | {
        "effective_level": "DEBUG",
        "debug_enabled": True,
        "override_active": True,
        "temporary": True,
    }
    assert answer(http, debug_enabled=True) == debugging
    assert answer(http) == debugging
    told(programs, "the log level is DEBUG")
    assert answer(http, debug_enabled=False) == usual
    told(programs, "the log level is INFO")
    changed = {"updates": {"dumb": {"log_level": "warning", "api_service": {"log_level": "ERROR"}}}}
    ok(http.post("/config", json=changed))
    wait_until_sync(lambda: answer(http)["configured_level"] == "WARNING", what="the new level")
    assert answer(http)["configured_uvicorn_level"] == "ERROR"
