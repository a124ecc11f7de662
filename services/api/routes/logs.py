"""`GET /logs`: a log by byte cursor (contract rest.md 5). Lines are redacted at the source."""

import re
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.api.answers import Json
from services.api.bridge import Bridge
from services.api.configuration import ConfigAwayError, ConfigReader, Published
from services.api.deps import BridgeDep, ConfigDep, KeysDep, RedisDep
from services.api.schemas import LogAnswer, Problem
from services.api.ws.status_board import API_KEY
from shared.bus.logs import read_log
from shared.logcursor import DEFAULT_TAIL_BYTES, MAX_TAIL_BYTES, MIN_TAIL_BYTES

router = APIRouter(tags=["logs"])

_ALIAS: Final = re.compile(r"(dmb|dumb)( api( service)?)?")
DEFAULT_API_NAME: Final = "DUMB API"


@router.get("/logs", response_model=LogAnswer, responses={503: {"model": Problem}})
async def read_logs(
    *,
    redis: RedisDep,
    keys: KeysDep,
    config: ConfigDep,
    bridge: BridgeDep,
    process_name: str,
    cursor: Annotated[int | None, Query(description="From the last answer")] = None,
    tail_bytes: Annotated[int, Query(ge=MIN_TAIL_BYTES, le=MAX_TAIL_BYTES)] = DEFAULT_TAIL_BYTES,
    file_id: Annotated[
        str | None, Query(max_length=128, description="From the last answer")
    ] = None,
) -> Response:
    """Whole lines from `cursor` on, or the last `tail_bytes` when that cannot be honoured.

    An unknown service has an empty log. `DUMB` is the log of the control plane itself.
    """
    log_name = process_name
    if is_alias(process_name):
        log_name = await _own_name(process_name, config, bridge)
    found = await read_log(redis, keys, log_name, cursor, tail_bytes=tail_bytes, file_id=file_id)
    body = {"process_name": process_name, **asdict(found)}
    body["log"] = found.chunk if cursor is None else None
    return Json(body)


def is_alias(name: str) -> bool:
    """Whether a client means the control plane: `DUMB`, `dmb_api`, `Dumb API Service`."""
    return len(name) <= 32 and _ALIAS.fullmatch(name.lower().replace("_", " ").strip()) is not None


async def _own_name(asked: str, config: ConfigReader, bridge: Bridge) -> str:
    """The process name of the API's own entry. A service that is really called so comes first."""
    published: Published | None
    try:
        published = await config.read()
    except ConfigAwayError:
        published = config.peek()
    if published is not None:
        if asked in published.by_name:
            return asked
        for service in published.services:
            if service.config_key == API_KEY:
                return service.process_name
    own = (s.process_name for s in bridge.states.values() if s.config_key == API_KEY)
    return next(own, DEFAULT_API_NAME)
