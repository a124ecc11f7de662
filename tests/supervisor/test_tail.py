"""Following files that programs write themselves."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.supervisor.capture import CONTINUES, LINE_BYTES
from services.supervisor.files.place import Place
from services.supervisor.logs import LogFeed
from services.supervisor.logstore import Limits, LogStore
from services.supervisor.tail import FIRST_BYTES, Tail
from tests.shared.corpus import samples


class Bench:
    """A program's file, our copy of it, and one tail after another."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "logs" / "app.log"
        self.path.parent.mkdir()
        self.store = LogStore(
            Place(directory / "copy.log"), directory / "copy.pos", Limits(1 << 30, 1)
        )
        self._feed = LogFeed("app", "app", self.store, quiet=False, live=False)
        self.tails: list[Tail] = []

    def tail(self) -> Tail:
        """A tail as a fresh supervisor makes it."""
        for old in self.tails:
            old.close()
        self.tails.append(Tail(Place(self.path), self._feed))
        return self.tails[-1]

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def rotate(self, name: str = "app.log.1") -> None:
        self.path.rename(self.path.with_name(name))

    @property
    def copied(self) -> bytes:
        return self.store.read(0, self.store.size)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for tail in bench.tails:
        tail.close()
    bench.store.close()


def test_lines_are_copied_undecorated_and_redacted(bench: Bench) -> None:
    bench.write(b"[Info] one\r\ntoken=abc\n\xff\xfe\n")
    tail = bench.tail()
    assert tail.look()
    assert bench.copied == b"[Info] one\ntoken=[REDACTED]\n\xff\xfe\n"
    assert not tail.look()


def test_a_partial_line_waits_for_its_end(bench: Bench) -> None:
    bench.write(b"one\npassword=hun")
    tail = bench.tail()
    tail.look()
    assert bench.copied == b"one\n"
    bench.write(b"ter2\n")
    tail.look()
    assert bench.copied == b"one\npassword=[REDACTED]\n"


def test_a_file_that_appears_later(bench: Bench) -> None:
    tail = bench.tail()
    assert not tail.look()
    bench.write(b"one\n")
    assert tail.look()
    assert bench.copied == b"one\n"


def test_rotation_by_rename(bench: Bench) -> None:
    bench.write(b"one\n")
    tail = bench.tail()
    tail.look()
    bench.write(b"two\nthree without newline")
    bench.rotate()
    bench.write(b"four\n")
    tail.look()
    assert bench.copied == b"one\ntwo\nthree without newline\nfour\n"


def test_rotation_with_much_unread(bench: Bench) -> None:
    tail = bench.tail()
    bench.write(b"first\n")
    tail.look()
    bulk = b"".join(b"line %07d\n" % number for number in range(800_000))  # 10 MB
    bench.write(bulk)
    bench.rotate()
    bench.write(b"last\n")
    tail.look()
    assert bench.copied == b"first\n" + bulk + b"last\n"


def test_a_renamed_file_is_followed_until_its_successor_appears(bench: Bench) -> None:
    bench.write(b"one\n")
    tail = bench.tail()
    tail.look()
    bench.rotate()
    with bench.path.with_name("app.log.1").open("ab") as file:
        file.write(b"two\n")
    assert tail.look()
    assert bench.copied == b"one\ntwo\n"


def test_copytruncate(bench: Bench) -> None:
    bench.write(b"one\ntwo\n")
    tail = bench.tail()
    tail.look()
    os.truncate(bench.path, 0)
    bench.write(b"new\n")
    tail.look()
    bench.write(b"more\n")
    tail.look()
    assert bench.copied == b"one\ntwo\nnew\nmore\n"


def test_a_successor_goes_on_where_the_last_one_stopped(bench: Bench) -> None:
    bench.write(b"one\ntw")
    bench.tail().look()
    bench.write(b"o\nthree\n")
    tail = bench.tail()
    tail.look()
    assert bench.copied == b"one\ntwo\nthree\n"
    assert not tail.look()


def test_rotated_while_nobody_looked(bench: Bench) -> None:
    bench.write(b"one\n")
    bench.tail().look()
    bench.write(b"two\nthree without newline")
    bench.rotate()
    (bench.path.parent / "dangling").symlink_to("/no/such")
    bench.write(b"four\n")
    bench.tail().look()
    assert bench.copied == b"one\ntwo\nthree without newline\nfour\n"


def test_rotated_twice_while_nobody_looked(bench: Bench) -> None:
    bench.write(b"one\n")
    bench.tail().look()
    bench.write(b"two\n")
    bench.rotate("app.log.2")
    bench.write(b"between\n")
    bench.rotate("app.log.1")
    bench.write(b"last\n")
    bench.tail().look()
    # The file in between has a name that nobody told us; the ends are whole.
    assert bench.copied in {b"one\ntwo\nlast\n", b"one\ntwo\nbetween\nlast\n"}


def test_rotated_away_and_deleted_while_nobody_looked(bench: Bench) -> None:
    bench.write(b"one\n")
    bench.tail().look()
    # Kept open, so that the new file cannot get the same inode.
    with bench.path.open("rb"):
        bench.path.unlink()
        bench.write(b"new\n")
        bench.tail().look()
    assert bench.copied == b"one\nnew\n"


def test_truncated_while_nobody_looked(bench: Bench) -> None:
    bench.write(b"one\ntwo\n")
    bench.tail().look()
    os.truncate(bench.path, 0)
    bench.write(b"n\n")
    bench.tail().look()
    assert bench.copied == b"one\ntwo\nn\n"


def test_a_long_history_is_cut_on_a_line(bench: Bench) -> None:
    line = b"a line of history\n"
    bench.write(line * (2 * FIRST_BYTES // len(line)))
    bench.tail().look()
    assert FIRST_BYTES - len(line) <= len(bench.copied) <= FIRST_BYTES
    assert bench.copied == line * (len(bench.copied) // len(line))


def test_long_lines_are_whole_up_to_the_limit(bench: Bench) -> None:
    tail = bench.tail()
    bench.write(b"x\n")
    tail.look()
    bench.write(b"y" * 500_000 + b"\nz\n")
    while tail.look():
        pass
    assert bench.copied == b"x\n" + b"y" * 500_000 + b"\nz\n"


def test_an_endless_line_is_split_with_a_mark(bench: Bench) -> None:
    tail = bench.tail()
    bench.write(b"x\n")
    tail.look()
    bench.write(b"y" * (2 * LINE_BYTES) + b"end\n")
    while tail.look():
        pass
    part = b"y" * LINE_BYTES + CONTINUES + b"\n"
    assert bench.copied == b"x\n" + part + part + b"end\n"


# -- redaction over lines and supervisors --------------------------------------------------


def test_killed_between_any_two_bytes_of_secrets_of_several_lines(bench: Bench) -> None:
    sample = next(sample for sample in samples() if sample.name == "multiline")
    for at in range(len(sample.raw)):
        bench.write(sample.raw[at : at + 1])
        bench.tail().look()
    assert bench.copied == sample.expected


def test_a_secret_goes_on_behind_a_rotation(bench: Bench) -> None:
    bench.write(b"-----BEGIN PRIVATE KEY-----\nMIIEvQIB\n")
    bench.tail().look()
    bench.rotate()
    bench.write(b"QmFzZTY0\n-----END PRIVATE KEY-----\nQmFzZTY0\n")
    bench.tail().look()
    assert bench.copied.splitlines()[1:] == [
        b"[REDACTED]",
        b"[REDACTED]",
        b"-----END PRIVATE KEY-----",
        b"QmFzZTY0",
    ]


def test_a_history_that_begins_inside_a_secret(bench: Bench) -> None:
    """The first line that is copied is the last of a key whose beginning is not."""
    line = b"a line of history\n"
    key = b"-----BEGIN PRIVATE KEY-----\n" + b"MIIEvQIBADANBgkqhkiG\n" * 3
    rest = b"QmFzZTY0\n-----END PRIVATE KEY-----\n"
    after = line * ((FIRST_BYTES - len(rest) - 10) // len(line))
    bench.write(line * 100 + key + rest + after)
    bench.tail().look()
    assert bench.copied.startswith(b"[REDACTED]\n-----END PRIVATE KEY-----\n" + line)


@pytest.mark.parametrize("before", [0, 1, 9, 10, 20])
def test_a_secret_on_the_border_of_a_part_is_not_cut(bench: Bench, before: int) -> None:
    tail = bench.tail()
    bench.write(b"x\n")
    tail.look()
    head = b"y" * (LINE_BYTES - before)
    bench.write(head + b" password=hunter2hunter2 and the rest\n")
    while tail.look():
        pass
    shown = bench.copied.replace(CONTINUES + b"\n", b"")
    assert shown == b"x\n" + head + b" password=[REDACTED] and the rest\n"


def test_versions_before_can_read_the_position(bench: Bench) -> None:
    bench.write(b"one\n")
    bench.tail().look()
    inode = bench.path.stat().st_ino
    assert bench.store.source == {"inode": inode, "offset": 4}
    bench.write(b'token: "abc\n')
    bench.tail().look()
    assert bench.store.source == {
        "inode": inode,
        "offset": 16,
        "redaction": ["quote", '0"', 20, False],
    }
