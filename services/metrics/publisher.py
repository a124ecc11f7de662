"""Snapshots to Redis: the last one as a key, each one on a channel; and who listens there."""

import os
import socket
import time
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from services.metrics.pace import Demand
from shared.bus.keys import Keys
from shared.bus.metrics import CANDIDATES_TTL_S, LATEST_TTL_S
from shared.version import VERSION


class Publisher:
    """Raises what redis-py raises; the next sample is another try."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._started_at = time.time()
        self._samples = 0

    async def demand(self) -> Demand:
        """Who listens. The subscription itself says so, so a replica that died wants nothing."""
        keys = self._keys
        counts = cast(
            "list[tuple[bytes, int]]",
            await self._redis.pubsub_numsub(keys.metrics, keys.metrics_fast),
        )
        live, fast = (count for _, count in counts)
        return Demand.FAST if fast else Demand.LIVE if live else Demand.NONE

    async def publish(self, snapshot: bytes, cost: dict[str, float]) -> None:
        """One snapshot. `cost`: what it took, seconds by name."""
        self._samples += 1
        fields: dict[Any, Any] = {
            "node": socket.gethostname(),
            "pid": os.getpid(),
            "version": VERSION,
            "started_at": self._started_at,
            "sampled_at": time.time(),
            "samples": self._samples,
            **cost,
        }
        keys = self._keys
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(keys.metrics_latest, snapshot, ex=LATEST_TTL_S)
        pipe.publish(keys.metrics, snapshot)
        pipe.delete(keys.metrics_collector)  # whatever else somebody put there
        pipe.hset(keys.metrics_collector, mapping=fields)
        pipe.expire(keys.metrics_collector, LATEST_TTL_S)
        await pipe.execute()

    async def publish_candidates(self, candidates: dict[str, Any]) -> None:
        """What could be configured."""
        data = orjson.dumps(candidates)
        await self._redis.set(self._keys.metrics_candidates, data, ex=CANDIDATES_TTL_S)

    async def goodbye(self) -> None:
        """Nobody collects any more: readers need not wait until the keys expire."""
        await self._redis.delete(
            self._keys.metrics_latest, self._keys.metrics_collector, self._keys.metrics_candidates
        )
