"""The programs of this project: versions, and whether they are there."""

from typing import Any, cast

from prometheus_client.core import InfoMetricFamily, Metric

from services.api.exposition.families import counter, gauge
from services.api.exposition.sources import Sources
from shared.bus.refusals import require_changes
from shared.version import VERSION


async def build(_sources: Sources) -> list[Metric]:
    """What answers, without asking Redis."""
    info = InfoMetricFamily("dumb_build", "The API that answers.")
    info.add_metric((), {"version": VERSION})
    return [info]


async def collect(sources: Sources) -> list[Metric]:
    """Supervisor and collector, by their signs of life."""
    redis, keys = sources.redis, sources.keys
    beat = await cast("Any", redis.exists(keys.supervisor))
    collector = await cast("Any", redis.hgetall(keys.metrics_collector))
    if not beat or not collector:  # while Redis refuses, who is there is not known
        await require_changes(redis, keys)

    def of(name: bytes) -> float | None:
        try:
            return float(collector[name])
        except (KeyError, ValueError):
            return None

    return [
        gauge("dumb_supervisor_up", "1 while a supervisor is there.", float(bool(beat))),
        gauge("dumb_collector_up", "1 while somebody measures.", float(bool(collector))),
        counter("dumb_collector_samples", "Samples since its start.", of(b"samples")),
        gauge(
            "dumb_collector_sample_duration_seconds", "What the last sample took.",
            of(b"sample_wall_s"),
        ),
        gauge(
            "dumb_collector_sample_cpu_seconds", "CPU that the last sample took.",
            of(b"sample_cpu_s"),
        ),
        gauge(
            "dumb_collector_last_sample_timestamp_seconds", "When, epoch seconds.",
            of(b"sampled_at"),
        ),
    ]  # fmt: skip
