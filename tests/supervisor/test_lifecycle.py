"""A launch that is given up between its announcement and its spawn."""

import asyncio
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.supervisor.effects import Effects
from services.supervisor.journal import Journal, JournalError
from services.supervisor.lifecycle import Lifecycle
from services.supervisor.logs import LogShelf
from services.supervisor.outbox import Outbox
from shared.bus.keys import Keys
from shared.models.service import ServiceState
from tests.supervisor.blocks import around, service
from tests.support.claim import NO_FENCE


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield journal
    journal.close()


@pytest.fixture
def life(tmp_path: Path, journal: Journal) -> Iterator[Lifecycle]:
    block = service(command=[sys.executable, "-c", "raise SystemExit('it was started')"])
    shelf = LogShelf(tmp_path / "log", tmp_path / "pos")
    effects = Effects(
        journal=journal,
        outbox=Outbox(Keys(), list, NO_FENCE),
        shelf=shelf,
        run_dir=tmp_path,
        surroundings=lambda: around(tmp_path),
        throttle=lambda _capture, _feed: None,
    )
    yield Lifecycle(block, ServiceState(block.process_name), effects)
    shelf.close()


async def test_a_cancelled_launch_leaves_no_intent_for_a_successor(
    life: Lifecycle, journal: Journal
) -> None:
    start = asyncio.create_task(life.start())
    await asyncio.sleep(0)  # up to the first wait: the announcement is being synced
    announced = journal.memory.services["Web UI"]["process"]
    assert announced["pid"] is None
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert journal.memory.services["Web UI"]["process"] is None
    assert not life.alive
    assert await life.stop() == "was not running"


async def test_a_disk_that_refuses_leaves_no_intent_either(
    life: Lifecycle, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(JournalError, match="Input/output error"):
        await life.start()
    assert journal.memory.services["Web UI"]["process"] is None
    assert not life.alive
