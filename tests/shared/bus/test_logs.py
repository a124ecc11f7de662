"""`GET /logs` from Redis alone, against a log whose every byte is known."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.bus.logs import (
    NO_LOG,
    LogHead,
    LogRead,
    chunks_after,
    last_lines,
    read_heads,
    read_log,
)
from shared.logcursor import Chunk
from shared.models.log import LogChunk, output_log
from tests.support.bus import FakeSupervisor

KEYS = Keys("d[u]m*b:")
"""A prefix that would be a pattern to SCAN."""

PARTS = [b"one\ntwo\n", b"three\n", b"fo\xffur\nfive\n", b"six\n"]
WHOLE = b"".join(PARTS)


@pytest_asyncio.fixture
async def bus(redis_url: str) -> AsyncIterator[FakeSupervisor]:
    redis = commands_client(redis_url, "test")
    supervisor = FakeSupervisor(redis, KEYS)
    await put(supervisor, PARTS)
    yield supervisor
    await redis.aclose(close_connection_pool=True)


async def put(
    bus: FakeSupervisor, parts: list[bytes], *, generation: str = "g1", keep: int = 1 << 20
) -> None:
    for data in parts:
        start = bus.sizes.get("Svc", 0)
        bus.sizes["Svc"] = start + len(data)
        chunk = LogChunk("Svc", "Svc", generation, start, start + len(data), data)
        await bus.append(chunk, keep=keep)


async def read(bus: FakeSupervisor, *args: int | None, file_id: str | None = None) -> LogRead:
    cursor = args[0] if args else None
    return await read_log(bus.redis, KEYS, "Svc", cursor, tail_bytes=1024, file_id=file_id)


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


SIZE = len(WHOLE)


@pytest.mark.parametrize(
    ("cursor", "file_id", "chunk", "reset"),
    [
        (None, None, WHOLE, True),
        (None, "g1", WHOLE, True),
        (0, None, WHOLE, False),
        (0, "g1", WHOLE, False),
        (4, "g1", WHOLE[4:], False),
        (5, "g1", WHOLE[8:], False),
        (8, "g1", WHOLE[8:], False),
        (SIZE, "g1", b"", False),
        (SIZE + 1, "g1", WHOLE, True),
        (4, "other", WHOLE, True),
        (-1, "g1", WHOLE, True),
    ],
)
async def test_cursors(
    bus: FakeSupervisor, cursor: int | None, file_id: str | None, chunk: bytes, reset: bool
) -> None:
    found = await read_log(bus.redis, KEYS, "Svc", cursor, tail_bytes=SIZE, file_id=file_id)
    assert found == LogRead(SIZE, SIZE, text(chunk), reset, "g1")


async def test_a_tail_skips_the_line_it_begins_in(bus: FakeSupervisor) -> None:
    await put(bus, [b"x" * 1000 + b"\n", b"short\n"])
    found = await read(bus)
    assert found == LogRead(SIZE + 1007, SIZE + 1007, text(WHOLE[14:]) + "x" * 1000 + "\nshort\n",
                            True, "g1")  # fmt: skip
    assert len(WHOLE[14:]) + 1007 <= 1024


async def test_an_unknown_log(bus: FakeSupervisor) -> None:
    assert await read_log(bus.redis, KEYS, "Nobody", 5, file_id="g1") == NO_LOG


async def test_a_backlog_longer_than_the_tail_is_a_reset(bus: FakeSupervisor) -> None:
    await put(bus, [b"y" * 99 + b"\n"] * 20)
    found = await read(bus, 0)
    assert found.reset
    assert found.chunk == ("y" * 99 + "\n") * 10
    assert found.cursor == SIZE + 2000


async def test_what_was_trimmed_away_under_a_cursor_is_a_reset(bus: FakeSupervisor) -> None:
    await bus.redis.xtrim(KEYS.log("Svc"), minid="15-0", approximate=False)
    found = await read(bus, 4)
    assert found == LogRead(SIZE, SIZE, text(WHOLE[14:]), True, "g1")
    await bus.redis.xtrim(KEYS.log("Svc"), maxlen=0, approximate=False)
    assert await read(bus, 4) == LogRead(SIZE, SIZE, "", True, "g1")
    assert await read(bus, SIZE) == LogRead(SIZE, SIZE, "", False, "g1")


async def test_reading_on_gives_every_byte_once(bus: FakeSupervisor) -> None:
    cursor, got = 0, ""
    for number in range(30):
        found = await read_log(bus.redis, KEYS, "Svc", cursor, tail_bytes=8192, file_id="g1")
        assert not found.reset
        cursor, got = found.cursor, got + found.chunk
        await put(bus, [b"line %d\n" % number])
    assert got == text(WHOLE) + "".join(f"line {number}\n" for number in range(29))


async def test_a_log_that_starts_anew(bus: FakeSupervisor) -> None:
    await bus.redis.delete(KEYS.log("Svc"), KEYS.logmeta("Svc"))
    bus.sizes.clear()
    await put(bus, [b"new\n"], generation="g2")
    assert await read(bus, 3, file_id="g1") == LogRead(4, 4, "new\n", True, "g2")


async def test_nonsense_in_the_stream_is_left_out(bus: FakeSupervisor) -> None:
    await bus.redis.xadd(KEYS.log("Svc"), {"what": "x"}, id=f"{SIZE + 1}-0")
    await bus.redis.xadd(
        KEYS.log("Svc"), {"chunk": "longer than its offset" * 9}, id=f"{SIZE + 2}-0"
    )
    assert (await read(bus, 0)).chunk == text(WHOLE)
    await bus.redis.hset(KEYS.logmeta("Svc"), "size", "many")
    assert await read(bus, 0) == NO_LOG


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
async def test_last_lines(bus: FakeSupervisor, count: int) -> None:
    part = await last_lines(bus.redis, KEYS, "Svc", count)
    assert part is not None
    lines = WHOLE.splitlines(keepends=True)
    assert b"".join(chunk.data for chunk in part.chunks) == b"".join(lines[-count:])
    assert part.chunks[-1].end == part.size == SIZE


async def test_last_lines_over_many_entries(bus: FakeSupervisor) -> None:
    await put(bus, [b"%d\n" % number for number in range(300)])
    part = await last_lines(bus.redis, KEYS, "Svc", 250)
    assert part is not None
    data = b"".join(chunk.data for chunk in part.chunks)
    assert data == b"".join(b"%d\n" % number for number in range(50, 300))
    assert await last_lines(bus.redis, KEYS, "Nobody", 5) is None


@pytest.mark.parametrize(
    ("generation", "cursor", "reset", "chunks"),
    [
        ("g1", 0, False, WHOLE),
        ("g1", 4, False, WHOLE[4:]),
        ("g1", SIZE, False, b""),
        ("g1", SIZE + 1, True, WHOLE),
        ("g1", -1, True, WHOLE),
        ("g0", 4, True, WHOLE),
    ],
)
async def test_chunks_after(
    bus: FakeSupervisor, generation: str, cursor: int, reset: bool, chunks: bytes
) -> None:
    part = await chunks_after(bus.redis, KEYS, "Svc", generation, cursor)
    assert (part.generation, part.size, part.reset) == ("g1", SIZE, reset)
    assert b"".join(chunk.data for chunk in part.chunks) == chunks


async def test_chunks_after_comes_in_pages(bus: FakeSupervisor) -> None:
    part = await chunks_after(bus.redis, KEYS, "Svc", "g1", 0, count=2)
    assert part.chunks == [Chunk(0, PARTS[0]), Chunk(8, PARTS[1])]
    nobody = await chunks_after(bus.redis, KEYS, "Nobody", "g1", 5)
    assert (nobody.chunks, nobody.reset) == ([], True)


async def test_heads_say_whose_log_it_is(bus: FakeSupervisor) -> None:
    name = output_log("Tailed")
    await bus.log("Tailed", ["a"], live=False)
    await bus.log(name, ["b"], process_name="Tailed", quiet=True)
    for log_name in ("Plain", output_log("Plain")):  # written without a header
        await bus.redis.hset(KEYS.logmeta(log_name), items=["generation", "g", "size", "5"])
    await bus.redis.set(KEYS.logmeta("a string"), "x")
    heads = {head.log_name: head for head in await read_heads(bus.redis, KEYS)}
    assert heads.keys() == {"Svc", "Tailed", name, "Plain", output_log("Plain")}
    assert heads["Svc"] == LogHead("Svc", "Svc", "g1", SIZE)
    assert (heads["Tailed"].live, heads[name].live, heads[name].quiet) == (False, True, True)
    assert heads[name].process_name == "Tailed"
    assert (heads["Plain"].live, heads[output_log("Plain")].live) == (False, True)
    assert heads[output_log("Plain")].process_name == "Plain"
