"""What services write, as it arrives in Redis."""

import itertools
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from shared.models.log import LogChunk, output_log
from tests.supervisor.live import Boss, messages, shell, supervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.redis

LINE = re.compile(rb"^[A-Z][a-z]{2} [ \d]\d, \d{4} \d\d:\d\d:\d\d - (\w+) - (.*)$")
TALK = "echo hello; echo 'ERROR password=hunter2' >&2; touch up; exec sleep 1000"
FLOOD = "seq 1 15000; touch up; exec sleep 1000"


@pytest.fixture(scope="module")
def boss(private_redis: PrivateRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boss]:
    home = tmp_path_factory.mktemp("boss")
    own = "while ! echo 'native 1' >> own.log; do :; done; echo captured; touch up; exec sleep 1000"
    blocks = [
        shell("talks", TALK),
        shell("quiet", "echo quiet; touch up; exec sleep 1000", suppress_logging=True),
        shell("floods", FLOOD),
        shell("writes itself", own, log_file=str(home / "work/writes itself/own.log")),
        shell("named file", "echo in a file; exec sleep 1000")
        | {"log_file": str(home / "named.log"), "process_name": "named file"},
    ]
    with supervisor(home, private_redis, *blocks) as boss:
        yield boss


def texts(data: bytes) -> list[tuple[bytes, bytes]]:
    """Level and text of every line, all of them in the display format."""
    found = []
    for line in data.splitlines():
        match = LINE.match(line)
        assert match, line
        found.append((match[1], match[2]))
    return found


def wait_log(boss: Boss, name: str, words: bytes) -> bytes:
    wait_until_sync(lambda: words in boss.log(name), what=f"{words!r} in the log of {name}")
    return boss.log(name)


def test_lines_are_formatted_redacted_and_announced(boss: Boss) -> None:
    listener = boss.listen("dumb:logs:*")
    boss.run("start", "talks")
    found = messages(
        listener,
        lambda m: sum(LogChunk.decode(x).data.count(b"\n") for x in m if b'"talks"' in x) == 2,
    )
    listener.close()
    chunks = [LogChunk.decode(message) for message in found if b'"name":"talks"' in message]
    assert chunks[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(chunks))
    assert all(chunk.end - chunk.start == len(chunk.data) for chunk in chunks)
    assert all(chunk.log_name == "talks" and chunk.live for chunk in chunks)
    assert not any(chunk.quiet for chunk in chunks)
    data = b"".join(chunk.data for chunk in chunks)
    assert sorted(texts(data)) == [
        (b"ERROR", b"talks subprocess: ERROR password=[REDACTED]"),
        (b"INFO", b"talks subprocess: hello"),
    ]
    assert boss.log("talks") == data
    meta: Any = boss.redis.hgetall("dumb:logmeta:talks")
    assert meta[b"generation"].decode() == chunks[0].generation
    assert int(meta[b"size"]) == chunks[-1].end


def test_entry_ids_are_byte_offsets_and_go_on(boss: Boss) -> None:
    boss.run("start", "floods")
    wait_log(boss, "floods", b": 15000\n")
    first: Any = boss.redis.hget("dumb:logmeta:floods", "generation")
    boss.work("floods", "up").unlink()
    boss.run("restart", "floods")
    wait_until_sync(lambda: boss.log("floods").count(b": 15000\n") == 2, what="the second run")
    entries: Any = boss.redis.xrange("dumb:log:floods")
    end = int(entries[0][0].split(b"-")[0]) - len(entries[0][1][b"chunk"])
    for entry_id, fields in entries:
        chunk = fields[b"chunk"]
        assert chunk.endswith(b"\n")
        end += len(chunk)
        assert entry_id == b"%d-0" % end
    meta: Any = boss.redis.hgetall("dumb:logmeta:floods")
    assert (int(meta[b"size"]), meta[b"generation"]) == (end, first)
    numbers = [text.split(b": ")[1] for _, text in texts(boss.log("floods"))]
    assert numbers == [b"%d" % n for n in range(1, 15001)] * 2
    assert (boss.home / "log" / "floods.log").read_bytes() == boss.log("floods")


def test_a_suppressed_service_is_marked_quiet(boss: Boss) -> None:
    listener = boss.listen("dumb:logs:quiet")
    boss.run("start", "quiet")
    chunk = LogChunk.decode(messages(listener, bool)[0])
    listener.close()
    assert chunk.quiet
    assert chunk.data.endswith(b"quiet subprocess: quiet\n")
    wait_log(boss, "quiet", b"quiet subprocess")


def test_a_program_that_writes_its_own_file(boss: Boss) -> None:
    listener = boss.listen("dumb:logs:writes itself")
    boss.run("start", "writes itself")
    boss.wait_file("writes itself", "up")
    assert wait_log(boss, "writes itself", b"native 1\n") == b"native 1\n"
    chunk = LogChunk.decode(messages(listener, bool)[0])
    assert (chunk.live, chunk.quiet, chunk.start) == (False, False, 0)
    captured = wait_log(boss, output_log("writes itself"), b"captured")
    assert texts(captured) == [(b"INFO", b"writes itself subprocess: captured")]
    path = boss.work("writes itself", "own.log")
    path.rename(path.with_name("own.log.1"))
    path.write_text("native 2 token=abc\n")
    wait_log(boss, "writes itself", b"native 2 token=[REDACTED]\n")
    os.truncate(path, 0)
    wait_until_sync(lambda: path.stat().st_size == 0)
    with path.open("a") as file:
        file.write("n3\n")
    assert wait_log(boss, "writes itself", b"n3\n").splitlines() == [
        b"native 1",
        b"native 2 token=[REDACTED]",
        b"n3",
    ]
    listener.close()


def test_the_supervisor_has_a_log_of_its_own(boss: Boss) -> None:
    command = boss.send("stop", "talks")
    boss.result(command)
    data = wait_log(boss, "DUMB API", command.encode())
    assert any(level == b"INFO" and b"supervisor" in text for level, text in texts(data))
    assert b"services" in data


def test_a_log_file_of_another_key_is_tailed_and_never_written(boss: Boss) -> None:
    """`named file` is no key of the contract's list, so its `log_file` is its own business."""
    boss.run("start", "named file")
    wait_log(boss, output_log("named file"), b"in a file")
    assert not (boss.home / "named.log").exists()
    assert boss.log("named file") == b""
