"""Commands: how many with which outcome, and how long they took (docs/protocol.md)."""

from collections.abc import Mapping
from typing import Any, cast

from prometheus_client.core import HistogramMetricFamily, Metric

from services.api.exposition.families import counters
from services.api.exposition.sources import Sources
from shared.models.command_counts import BUCKETS_S, COUNT, SUM

_LABELS = ("action", "outcome")


async def collect(sources: Sources) -> list[Metric]:
    """From what the supervisor counted when a receipt became final."""
    fields = await cast("Any", sources.redis.hgetall(sources.keys.command_counts))
    counts = _by_labels(fields)
    durations = HistogramMetricFamily(
        "dumb_command_duration_seconds", "From asking to the outcome.", labels=_LABELS
    )
    for labels, values in counts.items():
        count = values.get(COUNT, 0.0)
        below = [(str(float(le)), values.get(f"le{le}", 0.0)) for le in BUCKETS_S]
        durations.add_metric(labels, [*below, ("+Inf", count)], values.get(SUM, 0.0))
    return [
        counters(
            "dumb_commands", "Commands that came to an end.", _LABELS,
            ((labels, values.get(COUNT, 0.0)) for labels, values in counts.items()),
        ),
        durations,
    ]  # fmt: skip


def _by_labels(fields: Mapping[bytes, bytes]) -> dict[tuple[str, str], dict[str, float]]:
    """`start|succeeded|count` and the like; what is not of that form is left out."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for key, value in sorted(fields.items()):
        action, _, rest = key.decode("utf-8", "replace").partition("|")
        outcome, _, name = rest.partition("|")
        try:
            found.setdefault((action, outcome), {})[name] = float(value)
        except ValueError:
            continue
    return found
