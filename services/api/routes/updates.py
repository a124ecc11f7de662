"""Updates of services are not built; clients that ask get answers of the known shapes.

Contract rest.md 3.11. `GET /process/capabilities` names none of it.
"""

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.api.answers import Json
from services.api.deps import ConfigDep
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem
from shared.config.names import nearest
from shared.config.services import ServiceBlock
from shared.errors import UnknownServiceError

router = APIRouter(prefix="/process", tags=["updates"], route_class=JsonRoute)

_MESSAGE: Final = "Updates are not built: this control plane installs nothing."


class UpdateNotices(BaseModel):
    """Always empty."""

    scope: str
    available: list[dict[str, Any]]
    info: list[dict[str, Any]]
    applied: list[dict[str, Any]]


class UpdateStatus(BaseModel):
    """Nothing was ever looked for."""

    process_name: str
    update_status: dict[str, Any] | None


class UpdateRequest(BaseModel):
    """Which service. Unknown keys are ignored."""

    process_name: str = Field(description="Exactly as configured")


class UpdateAnswer(BaseModel):
    """Why nothing happens; a check adds what the block says of updates."""

    status: str = Field(description="unsupported; error for the schedule")
    message: str


@router.get("/update-notices", response_model=UpdateNotices, responses={400: {"model": Problem}})
async def list_update_notices(
    scope: Annotated[str, Query(description="project, all")] = "project",
) -> Response:
    """No notices."""
    if scope not in {"project", "all"}:
        raise HTTPException(400, "scope is 'project' or 'all'.")
    return Json({"scope": scope, "available": [], "info": [], "applied": []})


@router.get("/update-status", response_model=UpdateStatus, responses={400: {"model": Problem}})
async def get_update_status(process_name: str) -> Response:
    """No status."""
    if not process_name:
        raise HTTPException(400, "process_name is empty.")
    return Json({"process_name": process_name, "update_status": None})


@router.post(
    "/update-check",
    response_model=UpdateAnswer,
    responses={404: {"model": Problem}, 503: {"model": Problem}},
)
async def check_update(body: UpdateRequest, config: ConfigDep) -> Response:
    """Looks for nothing."""
    block = (await _find(body, config)).block
    return Json(
        {
            "status": "unsupported",
            "reason": "not_built",
            "message": _MESSAGE,
            "checked_at": int(time.time()),
            "auto_update_enabled": block.get("auto_update") is True,
            "auto_update_interval": block.get("auto_update_interval"),
            "auto_update_start_time": block.get("auto_update_start_time"),
            "next_check_at": None,
        }
    )


@router.post(
    "/update-install",
    response_model=UpdateAnswer,
    responses={404: {"model": Problem}, 503: {"model": Problem}},
)
async def install_update(body: UpdateRequest, config: ConfigDep) -> Response:
    """Installs nothing."""
    await _find(body, config)
    return Json({"status": "unsupported", "reason": "not_built", "message": _MESSAGE})


@router.post(
    "/auto-update/reschedule",
    response_model=UpdateAnswer,
    responses={404: {"model": Problem}, 503: {"model": Problem}},
)
async def reschedule_update(body: UpdateRequest, config: ConfigDep) -> Response:
    """Schedules nothing."""
    await _find(body, config)
    return Json({"status": "error", "message": _MESSAGE})


async def _find(body: UpdateRequest, config: ConfigDep) -> ServiceBlock:
    """Raises `UnknownServiceError`."""
    by_name = (await config.read()).by_name
    service = by_name.get(body.process_name)
    if service is None:
        raise UnknownServiceError(body.process_name, nearest(by_name, body.process_name))
    return service
