"""Logs: what came through, and what was lost on the way."""

from prometheus_client.core import Metric

from services.api.exposition.families import counter, counters
from services.api.exposition.sources import Sources
from shared.bus.logs import read_counts

_LABELS = ("log",)


async def collect(sources: Sources) -> list[Metric]:
    """Per log from Redis; what slow sockets missed is this replica's."""
    counts = await read_counts(sources.redis, sources.keys)
    return [
        counters(
            "dumb_log_lines", "Lines of the log.", _LABELS,
            (((name,), float(c.lines)) for name, c in counts.items()),
        ),
        counters(
            "dumb_log_bytes", "Bytes of the log.", _LABELS,
            (((name,), float(c.size)) for name, c in counts.items()),
        ),
        counters(
            "dumb_log_lost_lines", "Lines that a full disk refused.", _LABELS,
            (((name,), float(c.lost)) for name, c in counts.items()),
        ),
        counter(
            "dumb_websocket_dropped_lines", "Lines that slow clients of /ws/logs missed.",
            float(sources.rooms.logs.dropped_lines),
        ),
    ]  # fmt: skip
