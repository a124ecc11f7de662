"""The journal: what it still knows after a kill, a cut, a damage, a full disk."""

import asyncio
import errno
import os
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.supervisor import journal as module
from services.supervisor import records
from services.supervisor.journal import Journal, JournalError
from services.supervisor.records import Intent, Outcome
from shared.models.command import RECEIPT_TTL_S, CommandStatus
from tests.supervisor.conftest import FullDisk

DONE = CommandStatus.SUCCEEDED


def reopened(path: Path) -> Journal:
    """What a successor reads; closed again at once."""
    journal = Journal(path)
    journal.close()
    return journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def outcome(command_id: str, at: float | None = None) -> Outcome:
    return Outcome(command_id, DONE, "started", time.time() if at is None else at)


def test_a_successor_reads_everything_back(path: Path) -> None:
    journal = Journal(path)
    journal.begin_run("boot-1")
    journal.service("web", {"seq": 1}, None)
    journal.service("web", {"seq": 2}, {"pid": 5})
    journal.service("gone", {"seq": 1}, None)
    journal.forget("gone")
    journal.intent(Intent("a", "restart", "web", 3))
    journal.intent(Intent("b", "stop", "web", 4))
    journal.outcome(outcome("b"))
    journal.close()
    memory = reopened(path).memory
    assert (memory.boot_id, memory.clean) == ("boot-1", False)
    assert memory.services == {
        "web": {"k": "service", "name": "web", "state": {"seq": 2}, "process": {"pid": 5}}
    }
    assert memory.intents == {"a": Intent("a", "restart", "web", 3)}
    assert memory.outcomes["b"].detail == "started"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_clean_end_is_remembered(path: Path) -> None:
    journal = Journal(path)
    assert journal.memory.clean
    journal.begin_run("boot-1")
    journal.end_run()
    journal.close()
    assert reopened(path).memory.clean


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_last_line_is_dropped(path: Path, cut: int) -> None:
    journal = Journal(path)
    journal.service("web", {"seq": 1}, None)
    journal.service("web", {"seq": 2}, None)
    journal.close()
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    memory = reopened(path).memory
    # The newline alone is no loss: the record is whole.
    assert memory.services["web"]["state"] == {"seq": 2 if cut == 1 else 1}
    assert orjson.loads(path.read_bytes().splitlines()[-1])["k"] == "service"


@pytest.mark.parametrize(
    "damage",
    [b"\xff\xfe garbage", b"[]", b"null", b"5", b'{"k":"unheard"}', b'{"k":"service"}', b"\0" * 99],
)
def test_a_damaged_middle_line_costs_only_itself(path: Path, damage: bytes) -> None:
    journal = Journal(path)
    journal.service("first", {"seq": 1}, None)
    journal.close()
    with path.open("ab") as file:
        file.write(damage + b"\n")
        file.write(b'{"k":"service","name":"last","state":{"seq":9},"process":null}\n')
    assert set(reopened(path).memory.services) == {"first", "last"}


def test_outcomes_expire_after_a_day(path: Path) -> None:
    now = time.time()
    journal = Journal(path)
    journal.outcome(outcome("old", now - RECEIPT_TTL_S - 5))
    journal.outcome(outcome("young", now - RECEIPT_TTL_S + 60))
    journal.close()
    assert set(reopened(path).memory.outcomes) == {"young"}
    assert b'"old"' not in path.read_bytes()


def test_outcomes_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_OUTCOMES", 3)
    journal = Journal(path)
    for number in range(10):
        journal.outcome(outcome(str(number)))
    journal.close()
    assert set(reopened(path).memory.outcomes) == {"7", "8", "9"}


def test_compaction_keeps_what_matters(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMPACT_BYTES", 4096)
    journal = Journal(path)
    journal.begin_run("boot-1")
    journal.intent(Intent("open", "start", "web", 1))
    for number in range(2000):
        journal.service("web", {"seq": number}, {"pid": number})
    journal.outcome(outcome("done"))
    assert path.stat().st_size < 3 * 4096 + module.RESERVE_BYTES
    journal.service("last", {}, None)
    journal.close()
    memory = reopened(path).memory
    assert memory.services["web"]["state"] == {"seq": 1999}
    assert set(memory.services) == {"web", "last"}
    assert set(memory.intents) == {"open"}
    assert set(memory.outcomes) == {"done"}
    assert not memory.clean


def test_a_rewrite_that_was_killed_leaves_the_old_file(path: Path) -> None:
    journal = Journal(path)
    journal.service("web", {"seq": 1}, None)
    journal.close()
    path.with_suffix(".new").write_bytes(b'{"k":"serv')
    assert set(reopened(path).memory.services) == {"web"}


async def test_fifty_syncs_at_once_cost_few_fdatasyncs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path)
    calls: list[int] = []
    real = os.fdatasync

    def counted(fd: int) -> None:
        calls.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", counted)

    async def one(number: int) -> None:
        journal.service(f"s{number}", {}, None)
        await journal.sync()

    await asyncio.gather(*(one(number) for number in range(50)))
    assert 1 <= len(calls) <= 3
    await journal.sync()
    assert len(calls) <= 4
    journal.close()


async def test_a_sync_covers_what_was_written_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that comes while a sync runs must not be answered by that one."""
    journal = Journal(path)
    sizes: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: sizes.append(os.fstat(fd).st_size))
    first = asyncio.create_task(journal.sync())
    await asyncio.sleep(0)
    journal.service("late", {}, None)
    size = path.stat().st_size
    await journal.sync()
    await first
    assert sizes[-1] == size
    journal.close()


async def test_a_disk_that_does_not_sync_is_an_error_for_everyone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path)

    def broken(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        results = await asyncio.gather(*(journal.sync() for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [JournalError] * 5
    await journal.sync()
    journal.close()


@pytest.mark.parametrize("room", [0, 7])
def test_a_full_disk_refuses_intents_and_keeps_the_rest_in_memory(
    path: Path, full_disk: FullDisk, room: int
) -> None:
    journal = Journal(path)
    journal.service("web", {"seq": 1}, None)
    full_disk.room = room
    with pytest.raises(JournalError, match=r"Cannot write the journal .*(No space left|is full)"):
        journal.intent(Intent("a", "start", "web", 1))
    assert "a" not in journal.memory.intents
    journal.service("web", {"seq": 2}, None)
    journal.outcome(outcome("b"))
    journal.forget("other")
    assert journal.memory.services["web"]["state"] == {"seq": 2}
    assert "b" in journal.memory.outcomes
    # There is room again: the next record brings the file up to date, and no half line stays.
    full_disk.room = 1 << 20
    journal.intent(Intent("c", "start", "web", 3))
    journal.close()
    memory = reopened(path).memory
    assert memory.services["web"]["state"] == {"seq": 2}
    assert (set(memory.intents), set(memory.outcomes)) == ({"c"}, {"b"})
    for line in path.read_bytes().splitlines():
        orjson.loads(line)


def test_a_journal_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="Cannot write the journal"):
        Journal(tmp_path / "missing" / "journal.jsonl")


def test_records_are_one_line_each(path: Path) -> None:
    journal = Journal(path)
    nasty: dict[str, Any] = {"exit_reason": "line\nbreak \u2028 \0 end"}
    journal.service("we\nb", nasty, None)
    journal.close()
    assert reopened(path).memory.services["we\nb"]["state"] == nasty
