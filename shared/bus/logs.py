"""Reading logs from Redis alone (docs/protocol.md, "Logs").

The stream entry id is the offset after the chunk. Every read takes the log's meta data in the same
transaction, so that a log that starts anew in between is noticed.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.logcursor import Chunk, cut_lines, last_lines_of, plan_read
from shared.models.log import output_log

MAX_BACKLOG_BYTES: Final = 8 << 20
"""How far `last_lines` looks back, whatever number of lines is asked for."""

_PAGE: Final = 64
_TRIES: Final = 3
"""A log that starts anew that often during one read is read as it is."""


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where a log ends now. `generation` is the `file_id` of REST."""

    log_name: str
    process_name: str
    generation: str
    size: int
    quiet: bool = False
    live: bool = True


@dataclass(frozen=True, slots=True)
class LogRead:
    """The answer to `GET /logs`, but for `process_name` and `log`."""

    size: int
    cursor: int
    chunk: str
    reset: bool
    file_id: str | None


@dataclass(frozen=True, slots=True)
class LogPart:
    """Neighbouring chunks. `reset`: they do not continue what was asked for."""

    generation: str
    size: int
    chunks: list[Chunk]
    reset: bool = False


NO_LOG: Final = LogRead(size=0, cursor=0, chunk="", reset=True, file_id=None)


async def read_log(
    redis: Redis,
    keys: Keys,
    log_name: str,
    cursor: int | None = None,
    *,
    tail_bytes: int = 128 << 10,
    file_id: str | None = None,
) -> LogRead:
    """What `GET /logs` answers (contract rest.md 5). An unknown log gives `NO_LOG`.

    Raises:
        redis.exceptions.RedisError: Redis is away (see `BUS_ERRORS`) or refuses.
    """
    meta = _Meta.parse(await cast("Any", redis.hmget(keys.logmeta(log_name), _Meta.FIELDS)))
    for _ in range(_TRIES):
        if meta is None:
            return NO_LOG
        same = file_id is None or file_id == meta.generation
        start, reset = plan_read(meta.size, cursor, tail_bytes, same_file=same)
        now, entries = await _range(redis, keys, log_name, start)
        if now is not None and now.generation == meta.generation:
            return _answer(now, entries, start, reset)
        meta = now
    return NO_LOG


def _answer(meta: "_Meta", entries: list[Chunk], start: int, reset: bool) -> LogRead:
    found = cut_lines(entries, start)
    # The first bytes after the cursor are gone: what is left is a new tail.
    lost = entries[0].start > start if entries else start < meta.size
    end = found.end if entries or not lost else meta.size
    return LogRead(
        size=max(meta.size, end),
        cursor=end,
        chunk=found.data.decode("utf-8", "replace"),
        reset=reset or lost,
        file_id=meta.generation,
    )


async def last_lines(redis: Redis, keys: Keys, log_name: str, count: int) -> LogPart | None:
    """The last `count` lines, at most `MAX_BACKLOG_BYTES` of them. None: there is no such log.

    Raises:
        redis.exceptions.RedisError: as `read_log`.
    """
    for _ in range(_TRIES):
        part = await _look_back(redis, keys, log_name, count)
        if part is None or not part.reset:
            return part
    return part


async def _look_back(redis: Redis, keys: Keys, log_name: str, count: int) -> LogPart | None:
    chunks: list[Chunk] = []
    lines = size = 0
    first: _Meta | None = None
    upper = "+"
    while True:
        pipe = redis.pipeline(transaction=True)
        pipe.hmget(keys.logmeta(log_name), _Meta.FIELDS)
        pipe.xrevrange(keys.log(log_name), max=upper, min="-", count=_PAGE)
        raw, entries = await pipe.execute()
        meta = _Meta.parse(raw)
        if meta is None:
            return None
        first = first or meta
        if meta.generation != first.generation:
            return LogPart(meta.generation, meta.size, [], reset=True)
        page = _chunks(entries)
        chunks[:0] = reversed(page)
        lines += sum(chunk.data.count(b"\n") for chunk in page)
        size += sum(len(chunk.data) for chunk in page)
        if len(entries) < _PAGE or lines >= count or size >= MAX_BACKLOG_BYTES or not page:
            return LogPart(first.generation, first.size, last_lines_of(chunks, count))
        upper = f"({page[-1].end}-0"


async def chunks_after(
    redis: Redis, keys: Keys, log_name: str, generation: str, cursor: int, *, count: int = 16
) -> LogPart:
    """Up to `count` chunks from `cursor` on, the first one sliced at it.

    `reset` is set when `cursor` cannot be honoured (another generation, beyond the end, or trimmed
    away); the chunks are then the oldest that are left. Empty and no reset: nothing is missing.

    Raises:
        redis.exceptions.RedisError: as `read_log`.
    """
    meta, entries = await _range(redis, keys, log_name, cursor, count=count)
    if meta is None:
        return LogPart("", 0, [], reset=bool(generation))
    if meta.generation == generation and 0 <= cursor <= meta.size:
        if entries and entries[0].start < cursor:
            entries[0] = cut_lines(entries[:1], cursor)
        lost = entries[0].start > cursor if entries else cursor < meta.size
        return LogPart(meta.generation, meta.size, entries, reset=lost)
    meta, entries = await _range(redis, keys, log_name, 0, count=count)
    if meta is None:
        return LogPart("", 0, [], reset=True)
    return LogPart(meta.generation, meta.size, entries, reset=True)


async def read_heads(redis: Redis, keys: Keys) -> list[LogHead]:
    """Every log that is kept, found by its meta data."""
    names = await _log_names(redis, keys)
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.hmget(keys.logmeta(name), _Meta.FIELDS)
    replies = await pipe.execute(raise_on_error=False)
    metas = zip(names, (_Meta.parse(reply) for reply in replies), strict=True)
    found = {name: meta for name, meta in metas if meta is not None}
    return [_head(name, meta, found) for name, meta in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class LogCounts:
    """What went into a log. `lost` lines are those that a full disk refused."""

    size: int
    lines: int
    lost: int


async def read_counts(redis: Redis, keys: Keys) -> dict[str, LogCounts]:
    """Every log that is kept, by name. Raises what redis-py raises."""
    names = sorted(await _log_names(redis, keys))
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.hmget(keys.logmeta(name), ("size", "lines", "lost"))
    replies = await pipe.execute(raise_on_error=False)
    return {
        name: LogCounts(*(int(raw) if raw and raw.isdigit() else 0 for raw in reply))
        for name, reply in zip(names, replies, strict=True)
        if isinstance(reply, list)
    }


async def _log_names(redis: Redis, keys: Keys) -> list[str]:
    prefix = keys.logmeta("")
    # A prefix of the user's may hold what SCAN reads as a pattern.
    pattern = "".join(f"\\{c}" if c in "*?[]\\^" else c for c in prefix) + "*"
    return [
        bytes(key)[len(prefix.encode()) :].decode("utf-8", "replace")
        async for key in redis.scan_iter(match=pattern, count=1000, _type="HASH")
    ]


def _head(name: str, meta: "_Meta", found: dict[str, "_Meta"]) -> LogHead:
    """Who a log belongs to. Without a header its name tells: `<process>:output`."""
    suffix = output_log("")
    return LogHead(
        log_name=name,
        process_name=str(meta.header.get("name") or name.removesuffix(suffix)),
        generation=meta.generation,
        size=meta.size,
        quiet=bool(meta.header.get("quiet")),
        live=bool(meta.header.get("live", output_log(name) not in found)),
    )


@dataclass(frozen=True, slots=True)
class _Meta:
    FIELDS = ("generation", "size", "header")

    generation: str
    size: int
    header: dict[str, Any]

    @classmethod
    def parse(cls, raw: Any) -> "_Meta | None":
        """None when there is no log, or somebody wrote nonsense into its meta data."""
        if not isinstance(raw, list) or raw[0] is None:
            return None
        try:
            size = int(raw[1] or 0)
            header = orjson.loads(raw[2]) if raw[2] else {}
        except ValueError:
            return None
        return cls(raw[0].decode("utf-8", "replace"), size, header)


async def _range(
    redis: Redis, keys: Keys, log_name: str, after: int, *, count: int | None = None
) -> tuple[_Meta | None, list[Chunk]]:
    """The chunks that end after an offset, and the log's meta data of the same moment."""
    pipe = redis.pipeline(transaction=True)
    pipe.hmget(keys.logmeta(log_name), _Meta.FIELDS)
    pipe.xrange(keys.log(log_name), min=f"({max(after, 0)}-0", max="+", count=count)
    raw, entries = await pipe.execute()
    return _Meta.parse(raw), _chunks(entries)


def _chunks(entries: list[tuple[bytes, dict[bytes, bytes]]]) -> list[Chunk]:
    """Stream entries as chunks. An entry that is none (somebody else's) is left out."""
    chunks = []
    for entry_id, fields in entries:
        data = fields.get(b"chunk")
        end = int(entry_id.partition(b"-")[0])
        if data and len(data) <= end:
            chunks.append(Chunk(end - len(data), data))
    return chunks
