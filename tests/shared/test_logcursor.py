"""Tables for the byte cursor (contract rest.md 5)."""

import pytest

from shared.logcursor import Chunk, cut_lines, last_lines_of, plan_read


@pytest.mark.parametrize(
    ("size", "cursor", "tail", "same", "plan"),
    [
        (0, None, 1024, True, (0, True)),
        (100, None, 1024, True, (0, True)),
        (5000, None, 1024, True, (3976, True)),
        (5000, 5000, 1024, True, (5000, False)),
        (5000, 3976, 1024, True, (3976, False)),
        (5000, 3975, 1024, True, (3976, True)),
        (5000, 5001, 1024, True, (3976, True)),
        (5000, 4500, 1024, False, (3976, True)),
        (0, 0, 1024, True, (0, False)),
        (0, 0, 1024, False, (0, True)),
        (5000, -1, 8192, True, (0, True)),
        (5000, -(10**30), 8192, True, (0, True)),
        (5000, 10**30, 8192, True, (0, True)),
    ],
)
def test_plan_read(
    size: int, cursor: int | None, tail: int, same: bool, plan: tuple[int, bool]
) -> None:
    assert plan_read(size, cursor, tail, same_file=same) == plan


CHUNKS = [Chunk(10, b"aa\nbbb\n"), Chunk(17, b"cccc\n")]


@pytest.mark.parametrize(
    ("start", "begin", "data"),
    [
        (10, 10, b"aa\nbbb\ncccc\n"),
        (13, 13, b"bbb\ncccc\n"),
        (11, 13, b"bbb\ncccc\n"),
        (12, 13, b"bbb\ncccc\n"),
        (14, 17, b"cccc\n"),
        (16, 17, b"cccc\n"),
        (5, 10, b"aa\nbbb\ncccc\n"),
    ],
)
def test_cut_lines(start: int, begin: int, data: bytes) -> None:
    assert cut_lines(CHUNKS, start) == Chunk(begin, data)
    assert cut_lines(CHUNKS, start).end == 22


@pytest.mark.parametrize(
    ("chunks", "start", "expected"),
    [
        ([], 7, Chunk(7, b"")),
        ([Chunk(0, b"whole\npart")], 0, Chunk(0, b"whole\n")),
        ([Chunk(0, b"part")], 0, Chunk(0, b"")),
        ([Chunk(0, b"long line\n")], 3, Chunk(10, b"")),
        ([Chunk(0, b"no end")], 3, Chunk(6, b"")),
    ],
)
def test_cut_lines_edges(chunks: list[Chunk], start: int, expected: Chunk) -> None:
    assert cut_lines(chunks, start) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, [Chunk(17, b"cccc\n")]),
        (2, [Chunk(13, b"bbb\n"), Chunk(17, b"cccc\n")]),
        (3, CHUNKS),
        (99, CHUNKS),
    ],
)
def test_last_lines_of(count: int, expected: list[Chunk]) -> None:
    assert last_lines_of(CHUNKS, count) == expected
