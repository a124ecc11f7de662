"""WebSocket clients of this replica."""

from prometheus_client.core import Metric

from services.api.exposition.families import gauges
from services.api.exposition.sources import Sources


async def collect(sources: Sources) -> list[Metric]:
    """Without asking Redis."""
    rooms = sources.rooms
    counts = {
        "/ws/logs": len(rooms.logs.hub.clients),
        "/ws/metrics": rooms.metrics.client_count,
        "/ws/status": rooms.status.client_count,
    }
    return [
        gauges(
            "dumb_websocket_clients", "Connected clients of this replica.", ("endpoint",),
            (((path,), float(count)) for path, count in counts.items()),
        )
    ]  # fmt: skip
