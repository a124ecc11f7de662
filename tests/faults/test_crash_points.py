"""Killed between any two system calls: what a successor finds is the old or the new, never half.

The files of a log and of the journal are written while every system call that changes a file
is, one after the other, the last one: once it was not made, once it was, and, where a write is
longer than a page, once only its first half was.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.supervisor.files.place import Place
from services.supervisor.journal import Journal
from services.supervisor.logstore import Limits, LogStore
from services.supervisor.records import Intent, Outcome
from shared.models.command import CommandStatus

CALLS = ("pwrite", "rename", "open", "ftruncate", "unlink", "posix_fallocate")
LINES = 25
LIMITS = Limits(max_bytes=300, count=20)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@contextmanager
def _killed_at(number: int, how: str, patch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Die at the file operation of that number, `before`, `after` or `half` way through it."""
    numbers = count()
    died = [False]

    def deadly(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            looks = name == "open" and not args[1] & (os.O_CREAT | os.O_TRUNC)
            if looks or next(numbers) != number:
                return real(*args, **kwargs)
            died[0] = True
            if how == "half" and name == "pwrite" and len(args[1]) > 1024:
                real(args[0], args[1][: len(args[1]) // 2], args[2])
            elif how == "after":
                real(*args, **kwargs)
            raise Killed

        return call

    with patch.context() as scope:
        for name in CALLS:
            scope.setattr(os, name, deadly(name, getattr(os, name)))
        try:
            yield died
        except Killed:
            return


def _line(number: int) -> bytes:
    return b"%06d %s\n" % (number, b"x" * (2000 if number % 9 == 0 else 60))


def _write_lines(store: LogStore) -> None:
    """Go on where the source was committed, as a capture does."""
    for number in range(store.source.get("next", 0), LINES):
        store.append(_line(number), {"next": number + 1})


@pytest.mark.parametrize("how", ["before", "after", "half"])
def test_a_log_has_every_line_once_wherever_its_writer_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    expected = b"".join(_line(number) for number in range(LINES))
    points = 0
    for number in count():
        root = tmp_path / str(number)
        root.mkdir()
        log, position = root / "a.log", root / "a.pos"
        first = LogStore(Place(log), position, LIMITS)
        generation = first.generation
        with _killed_at(number, how, monkeypatch) as died:
            _write_lines(first)
        if not died[0]:
            first.close()
            break
        points += 1
        second = LogStore(Place(log), position, LIMITS)
        _write_lines(second)
        files = sorted(root.glob("a.log.*"), key=lambda path: -int(path.suffix[1:]))
        found = b"".join(path.read_bytes() for path in [*files, log])
        assert found == expected, number
        assert (second.generation, second.size) == (generation, len(expected)), number
        # A kill between two renames leaves a hole in the numbers; what is before it is in the
        # files, but no longer addressed.
        oldest = second.oldest
        assert _read_back(second, oldest) == expected[oldest:], number
        first.close()
        second.close()
    assert points > LINES


def _read_back(store: LogStore, start: int) -> bytes:
    data = b""
    while part := store.read(start + len(data), 1 << 16):
        data += part
    return data


def _state(number: int) -> dict[str, Any]:
    return {"seq": number, "reason": "r" * (3000 if number % 7 == 0 else 20)}


@pytest.mark.parametrize("how", ["before", "after", "half"])
def test_a_journal_is_old_or_new_wherever_its_writer_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("services.supervisor.journal.COMPACT_BYTES", 6000)
    for name in ("fsync", "fdatasync"):  # for a power cut, which this is not
        monkeypatch.setattr(os, name, _nothing)
    points = 0
    for number in count():
        path = tmp_path / f"{number}.jsonl"
        done = _Done()
        journal: list[Journal] = []
        with _killed_at(number, how, monkeypatch) as died:
            journal.append(Journal(path))
            done.write(journal[0])
        if not died[0]:
            journal[0].close()
            break
        points += 1
        second = Journal(path)
        seq = second.memory.services.get("web", {"state": {"seq": 0}})["state"]["seq"]
        assert seq in {done.states, done.states + 1}, number
        assert len(second.memory.outcomes) in {done.outcomes, done.outcomes + 1}, number
        assert len(second.memory.intents) <= 1, number
        second.close()
        for one in journal:
            one.close()
    assert points > 40


def _nothing(_fd: int) -> None:
    """No disk is waited for."""


class _Done:
    """How far the writer knows that it came."""

    def __init__(self) -> None:
        self.states = 0
        self.outcomes = 0

    def write(self, journal: Journal) -> None:
        """Commands with what belongs to each."""
        for number in range(1, 16):
            journal.intent(Intent(str(number), "restart", "web", number))
            journal.service("web", _state(number), {"pid": number})
            self.states = number
            journal.outcome(Outcome(str(number), CommandStatus.SUCCEEDED, "done", 4e9))
            self.outcomes = number
