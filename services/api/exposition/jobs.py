"""Background jobs by their outcome, as the jobs program counts them."""

from typing import Any, cast

from prometheus_client.core import Metric

from services.api.exposition.families import counters
from services.api.exposition.sources import Sources


async def collect(sources: Sources) -> list[Metric]:
    fields = await cast("Any", sources.redis.hgetall(sources.keys.jobs_counters))
    samples = []
    for key, value in sorted(fields.items()):
        status, _, kind = key.decode("utf-8", "replace").partition(":")
        if kind and value.isdigit():
            samples.append(((kind, status), float(value)))
    return [
        counters("dumb_jobs", "Jobs by kind and what became of them.", ("kind", "status"), samples)
    ]
