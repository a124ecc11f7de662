"""Rendering: the fast way of many lines at once says exactly what one line at a time would."""

import random
import time
from datetime import datetime
from typing import Any

import orjson
import pytest

from services.api.ws.backlog import lines_of, merge
from services.api.ws.frames import (
    JsonBatch,
    Rendered,
    TextBatch,
    _iso_hour,
    dropped_line,
    iso_time,
)
from services.api.ws.outqueue import OutQueue
from shared.logcursor import Chunk
from shared.logformat import parse_line
from shared.models.log import LEVELS

STAMPS = ["Nov 23, 2026 22:20:38", "Nov 23, 2026 22:20:39", "Jan  1, 2027 00:00:00"]
TEXTS = ["plain", 'quo"te', "back\\slash", "\\n", "\\u007f", "\x7f", "", " - INFO - ", "\x00\x1b",
         "ünï – ✓ \U0001f600", "Nov 23, 2026 22:20:38 - INFO - Svc subprocess: inner",
         "Svc subprocess: again", "tab\tcr\r", "\u2028"]  # fmt: skip


def line_by_line(data: bytes, level: int) -> list[dict[str, Any]]:
    """The plain way."""
    out = []
    for line in data.decode("utf-8", "replace").split("\n")[:-1]:
        stamp, name, text = parse_line(line)
        if LEVELS.index(name) >= level:
            text = text.removeprefix("Svc subprocess: ")
            out.append({"ts": iso_time(stamp), "level": name, "text": text})
    return out


@pytest.mark.parametrize("seed", range(200))
def test_json_frames_say_what_each_line_says(seed: int) -> None:
    chance = random.Random(seed)
    lines = []
    for _ in range(chance.randrange(1, 40)):
        label = chance.choice(["Svc subprocess: "] * 5 + ["", "other subprocess: "])
        head = f"{chance.choice(STAMPS)} - {chance.choice(LEVELS)} - "
        if chance.random() < 0.7:
            head = f"{STAMPS[0]} - INFO - "
        texts = TEXTS if chance.random() < 0.3 else [text for text in TEXTS if "\x7f" not in text]
        line = head + label + chance.choice(texts)
        lines.append(chance.choice(texts) if chance.random() < 0.1 else line)
    data = ("\n".join(lines) + "\n").encode()
    for level in (0, chance.randrange(5)):
        batch = Rendered("Svc", 'g"1', 99, data).json(level)
        frame = orjson.loads(batch.frame(dropped=3))
        expected = line_by_line(data, level)
        assert frame == {
            "type": "lines", "dropped": 3, "process_name": "Svc", "file_id": 'g"1', "cursor": 99,
            "lines": expected,
        }  # fmt: skip
        assert batch.count == len(expected)


def test_a_chunk_is_rendered_once() -> None:
    rendered = Rendered("Svc", "g", 9, b"Nov 23, 2026 22:20:38 - INFO - x\n")
    assert rendered.json(0) is rendered.json(0)
    assert rendered.text(1) is rendered.text(1)
    assert rendered.batch(4, json=True) is None
    reset = Rendered("Svc", "g", 9, b"", reset=True).batch(0, json=True)
    assert isinstance(reset, JsonBatch)
    assert orjson.loads(reset.frame(0))["reset"] is True
    assert Rendered("Svc", "g", 9, b"", reset=True).batch(0, json=False) is None


@pytest.mark.parametrize(
    ("stamp", "iso"),
    [
        ("Nov  3, 2026 22:20:38", "2026-11-03T22:20:38"),
        ("Dec 31, 2026 23:59:59", "2026-12-31T23:59:59"),
        ("", None),
        ("Foo 31, 2026 23:59:59", None),
    ],
)
def test_iso_time(stamp: str, iso: str | None) -> None:
    offset = datetime.fromisoformat(iso).astimezone().isoformat()[19:] if iso else ""
    assert iso_time(stamp) == (iso + offset if iso else None)


@pytest.mark.parametrize(
    ("stamp", "iso"),
    [
        ("Jul  1, 2026 12:00:00", "2026-07-01T12:00:00+02:00"),
        ("Dec  1, 2026 12:00:00", "2026-12-01T12:00:00+01:00"),
    ],
)
def test_iso_time_has_the_offset_of_its_own_season(
    stamp: str, iso: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    _iso_hour.cache_clear()
    try:
        assert iso_time(stamp) == iso
    finally:
        monkeypatch.undo()
        time.tzset()
        _iso_hour.cache_clear()


def test_the_notice_of_a_loss_has_the_display_format() -> None:
    stamp, level, text = parse_line(dropped_line(7, 1_790_000_000))
    assert (bool(stamp), level, text[:12]) == (True, "WARNING", "7 log lines ")


def test_the_queue_drops_the_oldest_and_counts() -> None:
    queue = OutQueue(max_bytes=10, max_lines=5)
    batches = [TextBatch([str(number)], 4) for number in range(5)]
    for batch in batches:
        queue.put(batch)
    assert [queue.take() for _ in range(3)] == [(batches[3], 3), (batches[4], 0), (None, 0)]
    huge = TextBatch(["x"] * 9, 999)
    queue.put(huge)
    assert queue.take() == (huge, 0)
    for batch in [TextBatch(["x"] * 3, 1), TextBatch(["y"] * 3, 1)]:
        queue.put(batch)
    assert queue.take() == (TextBatch(["y"] * 3, 1), 3)
    assert queue.dropped_total == 6


def test_backlog_order_and_runs() -> None:
    first = Chunk(
        100, b"Nov 23, 2026 22:20:38 - INFO - a1\nno time\nNov 23, 2026 22:20:40 - INFO - a2\n"
    )
    second = Chunk(0, b"Nov 23, 2026 22:20:39 - ERROR - b1\n")
    logs = [lines_of(0, [first], 0, 10), lines_of(1, [second], 0, 10)]
    runs = merge(logs, 10)
    assert [(run.log, run.data.count(b"\n")) for run in runs] == [(0, 2), (1, 1), (0, 1)]
    assert [run.end for run in runs] == [100 + 42, 35, first.end]
    assert merge(logs, 0) == []
    assert [run.log for run in merge(logs, 2)] == [1, 0]
    assert lines_of(0, [first], 3, 10) == []
    long = Chunk(0, b"Nov 23, 2026 22:20:38 - INFO - " + b"x" * 100_000 + b"\n")
    assert len(merge([lines_of(0, [long, long, long, long], 0, 10)], 10)) == 2
