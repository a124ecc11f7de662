"""Answers about the past, rendered in a thread: a day has megabytes of JSON.

Compact and full snapshots go out as they were stored; only points are decoded.
"""

import asyncio
import time
from itertools import chain
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from services.api.charts.reader import Dictionaries, HistoryReader
from services.api.charts.series import series_of, stats_of
from services.api.charts.window import DEFAULT_S, Window, choose, window_of
from services.api.ws.query import MetricsQuery
from shared.bus.keys import Keys
from shared.bus.metrics import Blob, HistoryRow, SnapshotRow
from shared.metrics.packing import unpack
from shared.metrics.points import Point

MAX_FULL_BYTES: Final = 64 << 20
"""Of full snapshots in one answer; the oldest ones are left out, and it says `truncated`."""
SHARE_S: Final = 1.0
"""Clients that connect together get the same bootstrap."""


class Charts:
    """Every method raises what redis-py raises."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._reader = HistoryReader(redis, keys)
        self._shared: dict[MetricsQuery, tuple[float, asyncio.Future[dict[str, Any]]]] = {}

    async def full(self, window: Window) -> bytes:
        """`{"items": [snapshot], "truncated"}`."""
        return orjson.dumps(await self._full(window))

    async def series(self, window: Window) -> bytes:
        """The answer of `GET /metrics/history_series`."""
        return await asyncio.to_thread(orjson.dumps, await self._series(window))

    async def first_message(self, query: MetricsQuery, latest: bytes | None) -> str:
        """What a socket gets before its first snapshot: `bootstrap` or `history`."""
        tree: dict[str, Any]
        if query.bootstrap:
            found = await self._shared_series(query)
            snapshot = orjson.Fragment(latest) if latest is not None else None
            tree = {"type": "bootstrap", "snapshot": snapshot, **found}
        else:
            tree = {"type": "history", **await self._full(_window(query))}
        return await asyncio.to_thread(lambda: orjson.dumps(tree).decode())

    async def _shared_series(self, query: MetricsQuery) -> dict[str, Any]:
        """One reading for all who ask the same within a moment; a failure is nobody else's."""
        now = time.monotonic()
        at, reading = self._shared.get(query, (float("-inf"), None))
        if reading is None or now - at > SHARE_S or (reading.done() and reading.exception()):
            reading = asyncio.ensure_future(self._series(_window(query)))
            self._shared = {
                key: kept for key, kept in self._shared.items() if now - kept[0] <= SHARE_S
            } | {query: (now, reading)}
        return await asyncio.shield(reading)

    async def _full(self, window: Window) -> dict[str, Any]:
        rows = await self._reader.snapshots(window)
        dictionaries = await self._reader.dictionaries(row.snapshot.dictionary for row in rows)
        return await asyncio.to_thread(_render_full, rows, dictionaries, window)

    async def _series(self, window: Window) -> dict[str, Any]:
        rows = await self._reader.charts(window)
        dictionaries = await self._reader.dictionaries(row.compact.dictionary for row in rows)
        return await asyncio.to_thread(_render_series, rows, dictionaries, window)


def _window(query: MetricsQuery) -> Window:
    return window_of(
        time.time(),
        since=query.since,
        full=query.full,
        limit=query.limit,
        bucket_s=query.bucket,
        max_points=query.points,
        # Without a bound of its own a socket's window is six hours to the second.
        length_s=DEFAULT_S if query.since is None else None,
    )


def _render_full(
    rows: list[SnapshotRow], dictionaries: Dictionaries, window: Window
) -> dict[str, Any]:
    items: list[orjson.Fragment] = []
    left = MAX_FULL_BYTES
    truncated = 0 < window.limit <= len(rows)
    for row in reversed(rows):
        left -= row.snapshot.size
        if left < 0:
            truncated = True
            break
        data = _open(row.snapshot, dictionaries)
        if data is not None:
            items.append(orjson.Fragment(data))
    return {"items": items[::-1], "truncated": truncated}


def _render_series(
    rows: list[HistoryRow], dictionaries: Dictionaries, window: Window
) -> dict[str, Any]:
    try:
        return _draw(rows, dictionaries, window, strict=False)
    except TypeError:  # somebody wrote text where a number belongs
        return _draw(rows, dictionaries, window, strict=True)


def _draw(
    rows: list[HistoryRow], dictionaries: Dictionaries, window: Window, *, strict: bool
) -> dict[str, Any]:
    readable = [(row, point) for row in rows if (point := _point(row, strict)) is not None]
    points: list[Point] = [point for _, point in readable]
    chosen = choose([point["t"] for point in points], window.bucket_s, window.max_points)
    shown = [
        (points[index], data)
        for index in chosen
        if (data := _open(readable[index][0].compact, dictionaries)) is not None
    ]
    return {
        "items": [orjson.Fragment(data) for _, data in shown],
        "series": series_of([point for point, _ in shown]),
        "timestamps": [point["t"] for point, _ in shown],
        "truncated": 0 < window.limit <= len(rows),
        "stats": stats_of(points),
        "bucket_seconds": window.bucket_s,
    }


def _point(row: HistoryRow, strict: bool) -> Point | None:
    """None for what somebody spoilt: one row must not hide all others.

    Args:
        strict: look at every number, which takes time and is hardly ever needed.
    """
    try:
        point = row.point
        parts = [point[name] for name in ("g", "n", *(("lo", "hi") if "lo" in point else ()))]
        well = isinstance(point["t"], int | float) and all(type(part) is dict for part in parts)
        if strict and well:
            sum(chain.from_iterable(filter(None, part.values()) for part in parts[:2]))
            sum(chain.from_iterable(part.values() for part in parts[2:]))
    except (ValueError, TypeError, KeyError):
        return None
    return point if well else None


def _open(blob: Blob, dictionaries: Dictionaries) -> bytes | None:
    """None for a row that cannot be read any more."""
    dictionary = dictionaries.get(blob.dictionary)
    if dictionary is None:
        return None
    try:
        return unpack(blob.data, dictionary)
    except ValueError:
        return None
