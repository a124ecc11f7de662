"""`GET /metrics/prometheus`: everything for Prometheus, read at the scrape."""

import logging
from typing import Any

import orjson
from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from services.api.deps import BridgeDep, KeysDep, RedisDep
from services.api.exposition.scrape import scrape
from services.api.exposition.sources import Sources
from services.api.situation import SituationDep
from shared.bus.metrics import read_latest

_log = logging.getLogger(__name__)

router = APIRouter(tags=["metrics"])


@router.get("/metrics/prometheus", response_class=Response)
async def get_prometheus_metrics(
    request: Request, redis: RedisDep, keys: KeysDep, bridge: BridgeDep, situation: SituationDep
) -> Response:
    """Text, or OpenMetrics for who accepts that."""
    snapshot: Any = None
    try:
        snapshot = orjson.loads(await read_latest(redis, keys) or b"{}")
    except (RedisError, OSError, ValueError) as error:
        # The rest is worth having; `dumb_redis_up` and `dumb_collector_up` tell.
        _log.debug("a scrape goes without a snapshot: %s", error)
    rooms, now = request.app.state.rooms, await situation.read()
    sources = Sources(redis, keys, bridge.states, rooms, now, snapshot)
    body, media_type = (await scrape(sources)).render(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": media_type, "cache-control": "no-store"})
