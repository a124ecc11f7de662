"""One scrape: every topic is asked, and what answers is written as Prometheus wants it."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from redis.exceptions import RedisError

from services.api.exposition import (
    commands,
    host,
    jobs,
    logs,
    programs,
    redis,
    seerr,
    services,
    sockets,
)
from services.api.exposition.families import gauge
from services.api.exposition.sources import Collector, Sources

_log = logging.getLogger(__name__)

COLLECTORS: Final[tuple[Collector, ...]] = (
    programs.build,
    programs.collect,
    services.collect,
    host.collect,
    commands.collect,
    logs.collect,
    sockets.collect,
    jobs.collect,
    seerr.collect,
    redis.collect,
)
"""A new topic is a new file, and a line here."""


class Scrape:
    """What `prometheus_client` calls a registry: something that is collected."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The body and its media type: OpenMetrics for who asks for it, else text."""
        encode, media_type = choose_encoder(accept)
        return encode(self), media_type


async def scrape(sources: Sources) -> Scrape:
    """Ask all at once. A topic that Redis does not answer is left out, and said so."""
    found = await asyncio.gather(*(_ask(collector, sources) for collector in COLLECTORS))
    answered = all(metrics is not None for metrics in found)
    up = gauge("dumb_redis_up", "1 while Redis answered all of this scrape.", float(answered))
    return Scrape([up, *(metric for metrics in found for metric in metrics or ())])


async def _ask(collector: Collector, sources: Sources) -> list[Metric] | None:
    try:
        return await collector(sources)
    except (RedisError, OSError) as error:
        _log.warning("a scrape lacks %s: %s", collector.__module__.rpartition(".")[2], error)
        return None
