"""One log on disk: offsets, rotation, crashes at the wrong moment, a full disk."""

import os
from pathlib import Path

import orjson
import pytest

from services.supervisor.files.place import Place
from services.supervisor.logstore import POSITION_BYTES, Limits, LogStore
from tests.supervisor.conftest import FullDisk

LINE = b"0123456789abcde\n"  # 16 bytes


class Kept:
    """A log's files, opened as often as a test likes."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "web.log"
        self.position = directory / "web.pos"
        self.stores: list[LogStore] = []

    def open(self, max_bytes: int = 1 << 20, count: int = 2) -> LogStore:
        store = LogStore(Place(self.path), self.position, Limits(max_bytes, count))
        self.stores.append(store)
        return store

    def old(self, number: int) -> Path:
        return self.path.with_name(f"web.log.{number}")


@pytest.fixture
def place(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def everything(store: LogStore) -> bytes:
    """All that is still on disk, read as the sender reads."""
    found, offset = b"", store.oldest
    while data := store.read(offset, 1 << 16):
        found += data
        offset += len(data)
    assert offset == store.size
    return found


def test_append_and_read_back(place: Kept) -> None:
    store = place.open()
    assert (store.size, store.oldest, store.read(0, 99)) == (0, 0, b"")
    store.append(b"one\n", {"at": 1})
    store.append(b"two\nthree\n", {"at": 2})
    assert store.size == 14
    assert store.read(4, 4) == b"two\n"
    assert store.read(14, 10) == b""
    assert place.path.read_bytes() == b"one\ntwo\nthree\n"
    assert store.source == {"at": 2}


def test_a_successor_goes_on(place: Kept) -> None:
    first = place.open()
    first.append(b"one\n", {"at": 1})
    first.close()
    second = place.open()
    assert (second.generation, second.size, second.source) == (first.generation, 4, {"at": 1})
    second.append(b"two\n", {"at": 2})
    assert everything(second) == b"one\ntwo\n"


def test_rotation_keeps_the_offsets(place: Kept) -> None:
    store = place.open(max_bytes=64, count=2)
    lines = [b"line %010d\n" % number for number in range(40)]
    for line in lines:
        store.append(line, {})
    assert store.size == 640
    assert sorted(path.name for path in place.path.parent.glob("web.log*")) == [
        "web.log",
        "web.log.1",
        "web.log.2",
    ]
    assert store.oldest > 0
    assert everything(store) == b"".join(lines)[store.oldest :]
    # Reads do not cross a file's border, and what is gone gives nothing.
    assert len(store.read(store.oldest, 1 << 20)) == 64
    assert store.read(store.oldest - 16, 16) == b""
    store.close()
    again = place.open(max_bytes=64, count=2)
    assert (again.size, again.oldest) == (640, store.oldest)
    assert everything(again) == b"".join(lines)[again.oldest :]


@pytest.mark.parametrize(("count", "files"), [(0, 1), (1, 2), (3, 4)])
def test_as_many_old_files_as_wanted(place: Kept, count: int, files: int) -> None:
    store = place.open(max_bytes=32, count=count)
    for _ in range(30):
        store.append(LINE, {})
    assert len(list(place.path.parent.glob("web.log*"))) == files
    assert store.size == 30 * 16
    assert everything(store) == LINE * ((store.size - store.oldest) // 16)


def test_killed_between_write_and_commit(place: Kept) -> None:
    first = place.open()
    first.append(LINE, {"at": 1})
    committed = place.position.read_bytes()
    first.append(LINE * 3, {"at": 2})
    first.close()
    place.position.write_bytes(committed)
    second = place.open()
    assert (second.size, second.source) == (16, {"at": 1})
    assert second.generation == first.generation
    assert place.path.read_bytes() == LINE


def test_killed_between_rename_and_commit(place: Kept) -> None:
    first = place.open(max_bytes=64, count=2)
    for number in range(4):
        first.append(LINE, {"at": number})
    first.close()
    place.path.rename(place.old(1))
    second = place.open(max_bytes=64, count=2)
    assert (second.generation, second.size) == (first.generation, 64)
    assert (second.source, second.oldest) == ({"at": 3}, 0)
    second.append(b"next\n", {"at": 4})
    assert everything(second) == LINE * 4 + b"next\n"


class KilledError(Exception):
    """The supervisor dies here."""


@pytest.mark.parametrize("calls", range(4))
def test_killed_at_any_write_around_a_rotation(
    place: Kept, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Whatever was not committed is written again by the successor: nothing double or lost."""
    first = place.open(max_bytes=64, count=2)
    for number in range(4):
        first.append(LINE, {"at": number})
    real, left = os.pwrite, [calls]

    def dying(fd: int, data: bytes, offset: int) -> int:
        if left[0] == 0:
            raise KilledError
        left[0] -= 1
        return real(fd, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", dying)
        try:
            first.append(b"next\n", {"at": 4})
        except KilledError:
            pass
        else:
            assert calls == 3
    first.close()
    second = place.open(max_bytes=64, count=2)
    assert second.generation == first.generation
    if second.source == {"at": 3}:
        second.append(b"next\n", {"at": 4})
    assert everything(second) == LINE * 4 + b"next\n"
    assert second.size == 69


def test_a_shorter_file_starts_a_new_generation(place: Kept) -> None:
    first = place.open()
    first.append(LINE * 4, {"at": 7})
    first.close()
    place.path.write_bytes(b"short\n")
    second = place.open()
    assert second.generation != first.generation
    # Offsets go on, and so does the source: its bytes were consumed.
    assert (second.size, second.oldest, second.source) == (70, 64, {"at": 7})
    assert everything(second) == b"short\n"
    second.close()
    assert place.open().generation == second.generation


def test_a_file_that_was_there_before_is_history(place: Kept) -> None:
    place.path.write_bytes(b"from another program\n")
    store = place.open()
    assert (store.size, store.oldest) == (21, 0)
    store.append(b"ours\n", {})
    assert everything(store) == b"from another program\nours\n"


@pytest.mark.parametrize(
    "damage", [b"", b"\0" * POSITION_BYTES, b"{}", b"[1,2]", b'["g","x",0,{}]', b"\xff"]
)
def test_a_damaged_position_is_a_new_generation(place: Kept, damage: bytes) -> None:
    first = place.open()
    first.append(LINE, {"at": 1})
    first.close()
    place.position.write_bytes(damage)
    second = place.open()
    assert second.generation != first.generation
    assert everything(second) == LINE


def test_a_new_generation_is_kept(place: Kept) -> None:
    store = place.open()
    store.append(LINE, {"at": 1})
    before = store.generation
    store.new_generation()
    assert store.generation != before
    store.close()
    again = place.open()
    assert (again.generation, again.size, again.source) == (store.generation, 16, {"at": 1})


@pytest.mark.parametrize("room", [0, 20])
def test_a_disk_that_refuses_costs_lines_and_counts_them(
    place: Kept, full_disk: FullDisk, room: int
) -> None:
    store = place.open()
    store.append(LINE, {"at": 1})
    log = place.path.stat().st_ino
    full_disk.only = lambda fd: os.fstat(fd).st_ino == log
    full_disk.room = room
    store.append(LINE * 3, {"at": 2})
    assert (store.dropped, store.size) == (3, 16)
    assert place.path.read_bytes() == LINE  # no half line stays
    full_disk.room = 1 << 20
    store.append(b"back\n", {"at": 3})
    assert everything(store) == LINE + b"back\n"
    store.close()
    assert place.open().source == {"at": 3}


def test_a_position_is_one_block(place: Kept) -> None:
    store = place.open()
    store.append(LINE, {"generation": 1, "out": [0, 5], "err": [0, 0]})
    data = place.position.read_bytes()
    assert len(data) == POSITION_BYTES
    assert orjson.loads(data)[1:3] == [16, 0]


def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        LogStore(Place(tmp_path / "file" / "x.log"), tmp_path / "x.pos", Limits(64, 1))
    with pytest.raises(OSError, match="missing"):
        LogStore(Place(tmp_path / "x.log"), tmp_path / "missing" / "x.pos", Limits(64, 1))
