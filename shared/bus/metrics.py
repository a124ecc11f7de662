"""The metrics on the bus (docs/protocol.md, "Metrics")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.metrics.points import Point
from shared.metrics.tiers import Ends, Segment

Entries = list[tuple[bytes, dict[bytes, bytes]]]
"""Of a stream, as redis-py has them."""

LATEST_TTL_S: Final = 15
"""A snapshot that is older is nobody's present."""
CANDIDATES_TTL_S: Final = 180


async def read_latest(redis: Redis, keys: Keys) -> bytes | None:
    """The last snapshot as JSON; None when the collector is away."""
    return cast("bytes | None", await redis.get(keys.metrics_latest))


async def read_candidates(redis: Redis, keys: Keys) -> dict[str, Any] | None:
    """File systems and interfaces of the collector's host; None when it is away."""
    data = cast("bytes | None", await redis.get(keys.metrics_candidates))
    try:
        tree = orjson.loads(data) if data else None
    except ValueError:
        return None
    return tree if isinstance(tree, dict) else None


# -- history -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blob:
    """Packed JSON (shared/metrics/packing.py). `size`: its bytes before that."""

    data: bytes
    dictionary: str
    size: int


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One entry of `dumb:metrics:history:<tier>`. `id`: epoch milliseconds, ever rising.

    `raw_point` is JSON; who needs it parses it, where that does not hold up others.
    """

    id: int
    raw_point: bytes
    compact: Blob

    @property
    def point(self) -> Point:
        found: Point = orjson.loads(self.raw_point)
        return found

    @property
    def fields(self) -> dict[Any, Any]:
        return {"p": self.raw_point, **_blob_fields("c", self.compact)}

    @property
    def raw_bytes(self) -> int:
        return len(self.raw_point) + self.compact.size

    @property
    def packed_bytes(self) -> int:
        return len(self.raw_point) + len(self.compact.data)


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One entry of `dumb:metrics:snapshots:<tier>`."""

    id: int
    snapshot: Blob

    @property
    def fields(self) -> dict[Any, Any]:
        return _blob_fields("s", self.snapshot)

    @property
    def raw_bytes(self) -> int:
        return self.snapshot.size

    @property
    def packed_bytes(self) -> int:
        return len(self.snapshot.data)


def _blob_fields(name: str, blob: Blob) -> dict[Any, Any]:
    return {name: blob.data, "d": blob.dictionary, "n": blob.size}


def history_rows(entries: Any) -> list[HistoryRow]:
    """Rows of stream entries, as redis-py has them. One that is none is left out."""
    return [
        HistoryRow(_milliseconds(entry_id), fields[b"p"], blob)
        for entry_id, fields in entries
        if b"p" in fields and (blob := _blob(fields, b"c")) is not None
    ]


def snapshot_rows(entries: Any) -> list[SnapshotRow]:
    """As `history_rows`."""
    return [
        SnapshotRow(_milliseconds(entry_id), blob)
        for entry_id, fields in entries
        if (blob := _blob(fields, b"s")) is not None
    ]


def _blob(fields: Mapping[bytes, bytes], name: bytes) -> Blob | None:
    size = fields.get(b"n", b"")
    if name not in fields or not size.isdigit():
        return None
    return Blob(fields[name], fields.get(b"d", b"").decode("ascii", "replace"), int(size))


def _milliseconds(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])


async def read_ends(redis: Redis, streams: Iterable[str]) -> list[Ends | None]:
    """First and last entry of each stream. Raises what redis-py raises."""
    pipe = redis.pipeline(transaction=False)
    names = list(streams)
    for name in names:
        pipe.xrange(name, count=1)
        pipe.xrevrange(name, count=1)
    replies: list[Entries] = await pipe.execute()
    firsts, lasts = replies[0::2], replies[1::2]
    return [
        Ends(_milliseconds(first[0][0]), _milliseconds(last[0][0])) if first and last else None
        for first, last in zip(firsts, lasts, strict=True)
    ]


async def read_newest(
    redis: Redis, streams: list[str], segments: list[Segment], limit: int
) -> Entries:
    """The newest `limit` entries of the segments (0 or less: all), oldest first.

    Raises what redis-py raises.
    """
    parts: list[Entries] = []
    left = limit
    for segment in reversed(segments):
        count = left if limit > 0 else None
        found = await redis.xrevrange(
            streams[segment.tier], max=str(segment.high), min=str(segment.low), count=count
        )
        entries = cast("Entries", found)
        parts.append(entries)
        left -= len(entries)
        if limit > 0 and left <= 0:
            break
    return [entry for part in reversed(parts) for entry in reversed(part)]
