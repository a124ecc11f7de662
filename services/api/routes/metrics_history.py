"""Measurements of the past (contract rest.md 7)."""

import time
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json, RawJson
from services.api.charts.answers import Charts
from services.api.charts.storage import read_storage
from services.api.charts.window import DEFAULT_S, window_of
from services.api.deps import ConfigDep, KeysDep, RedisDep
from services.api.metric_schemas import HistoryStorage, Migration, Series, Snapshots
from services.api.metrics import configured_metrics, migrate
from services.api.schemas import Problem

DEFAULT_LENGTH_S: Final = DEFAULT_S + 0.001
"""The original takes the time twice, so its six hours are a hair longer: buckets of 37 s."""

router = APIRouter(prefix="/metrics", tags=["metrics"], responses={503: {"model": Problem}})

Since = Annotated[
    float | None,
    Query(allow_inf_nan=False, description="Epoch seconds; six hours ago unless `full`"),
]
Full = Annotated[bool, Query(description="Everything that there is")]
Limit = Annotated[int, Query(description="The newest rows; 0 or less: all")]


@router.get("/history", response_model=Snapshots)
async def get_metrics_history(
    request: Request, since: Since = None, full: Full = False, limit: Limit = 5000
) -> Response:
    """Full snapshots, oldest first: each sample for six hours, then one a minute."""
    window = window_of(time.time(), since=since, full=full, limit=limit)
    return RawJson(await _charts(request).full(window))


@router.get("/history/storage", response_model=HistoryStorage)
async def get_metrics_storage(
    redis: RedisDep,
    keys: KeysDep,
    config: ConfigDep,
    probe_postgresql: Annotated[bool, Query(description="Accepted; there is none")] = False,
) -> Response:
    """How much is kept, and what it takes."""
    del probe_postgresql
    return Json(await read_storage(redis, keys, await configured_metrics(config)))


@router.post("/history/migrate", response_model=Migration, responses={504: {"model": Problem}})
async def migrate_metrics_history(
    redis: RedisDep, keys: KeysDep, force: Annotated[bool, Query()] = False
) -> Response:
    """Take over the original's history (JSON lines) from the collector's disk."""
    return Json(await migrate(redis, keys, force=force))


@router.get("/history_series", response_model=Series)
async def get_metrics_series(
    *,
    request: Request,
    since: Since = None,
    full: Full = False,
    limit: Limit = 5000,
    bucket_seconds: Annotated[int | None, Query(description="At least so coarse")] = None,
    max_points: Annotated[int, Query(description="At most; 0 or less: no bound")] = 600,
) -> Response:
    """What charts are drawn from, from the coarsest tier that is fine enough."""
    window = window_of(
        time.time(),
        since=since,
        full=full,
        limit=limit,
        bucket_s=bucket_seconds,
        max_points=max_points,
        length_s=DEFAULT_LENGTH_S if since is None else None,
    )
    return RawJson(await _charts(request).series(window))


def _charts(request: Request) -> Charts:
    found: Charts = request.app.state.charts
    return found
