"""What was done lately, and what is so now: for people who look after the services."""

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.api.answers import Json
from services.api.configuration import ConfigAwayError
from services.api.deps import ConfigDep, KeysDep, RedisDep
from services.api.routes.commands import receipt_body
from services.api.schemas import AuditTrail, CommandReceipts, Problem, ServiceStates
from services.api.situation import SituationDep
from shared.bus.history import read_audit, recent_commands
from shared.bus.services import read_all_services

router = APIRouter()

Limit = Annotated[int, Query(ge=1, le=500)]
_AWAY: Final[dict[int | str, dict[str, Any]]] = {503: {"model": Problem}}
ENTRY_ID: Final = r"^\d{1,19}(-\d{1,19})?$"
"""Each half is a number of 64 bits in Redis; one of 19 digits always fits."""


@router.get("/process/states", tags=["process"], response_model=ServiceStates, responses=_AWAY)
async def list_service_states(
    redis: RedisDep, keys: KeysDep, config: ConfigDep, situation: SituationDep
) -> Response:
    """All that is known of every service now, in the order of the file.

    Read from Redis: true on every replica as soon as a command is answered.
    """
    states = await read_all_services(redis, keys)
    try:
        order = [service.process_name for service in (await config.read()).services]
    except ConfigAwayError:
        order = []
    names = dict.fromkeys([*(name for name in order if name in states), *states])
    now = await situation.read()
    trees = [
        states[name].to_tree() | {"judgement": now.judge(states[name]).shown()} for name in names
    ]
    return Json({"services": trees})


@router.get("/process/commands", tags=["process"], response_model=CommandReceipts, responses=_AWAY)
async def list_commands(
    redis: RedisDep, keys: KeysDep, limit: Limit = 50, process_name: str | None = None
) -> Response:
    """Receipts of the last 24 hours, the newest first; `process_name` is exact."""
    receipts = await recent_commands(redis, keys, limit, process_name)
    return Json({"commands": [receipt_body(receipt) for receipt in receipts]})


@router.get("/audit", tags=["health"], response_model=AuditTrail, responses=_AWAY)
async def list_audit_entries(
    redis: RedisDep,
    keys: KeysDep,
    limit: Limit = 50,
    before: Annotated[
        str | None, Query(pattern=ENTRY_ID, description="An `id`: older ones")
    ] = None,
) -> Response:
    """Who did what, the newest first: commands, exits, logins, changes, secrets that were read."""
    found = await read_audit(redis, keys, limit, before)
    return Json({"entries": [{"id": entry_id, **asdict(entry)} for entry_id, entry in found]})
