"""What is configured, and what this API can do."""

from typing import Any

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from services.api.answers import Json
from services.api.captured import with_log
from services.api.catalogue import capabilities, facts
from services.api.configuration import Published
from services.api.deps import BridgeDep, ConfigDep
from services.api.masking import Show, ShowDep
from services.api.schemas import Problem, ProcessDetails, ProcessList
from services.api.ws.status_board import API_KEY, standing_of
from shared.config.names import nearest
from shared.config.services import ServiceBlock
from shared.errors import UnknownServiceError
from shared.models.service import ServiceState
from shared.states import ServiceStatus
from shared.version import VERSION

router = APIRouter(prefix="/process", tags=["process"])


@router.get("/processes", response_model=ProcessList, responses={503: {"model": Problem}})
async def list_processes(config: ConfigDep, bridge: BridgeDep, show: ShowDep) -> Response:
    """Every configured service, in the order of the file."""
    published = await config.read()
    states = bridge.states
    entries = [process_entry(s, published, states, show=show) for s in published.services]
    return Json({"processes": entries})


@router.get(
    "",
    response_model=ProcessDetails,
    responses={400: {"model": Problem}, 404: {"model": Problem}, 503: {"model": Problem}},
)
async def get_process(
    config: ConfigDep, bridge: BridgeDep, show: ShowDep, process_name: str
) -> Response:
    """One configured service, by its exact name."""
    if not process_name:
        raise HTTPException(400, "process_name is empty.")
    published = await config.read()
    service = published.by_name.get(process_name)
    if service is None:
        raise UnknownServiceError(process_name, nearest(published.by_name, process_name))
    entry = process_entry(service, published, bridge.states, show=show)
    shown = {k: v for k, v in entry.items() if k in ProcessDetails.model_fields}
    return Json({**shown, "symlink_backup_status": None})


@router.get("/capabilities", response_model=dict[str, Any])
async def list_capabilities() -> Response:
    """Which optional features this version has. An absent one counts as false."""
    return Json(capabilities())


def process_entry(
    service: ServiceBlock, published: Published, states: dict[str, ServiceState], *, show: Show
) -> dict[str, Any]:
    """A service as lists show it (contract rest.md 3.1)."""
    state = states.get(service.process_name)
    enabled, config = service.enabled, service.block
    if state is not None and state.enabled and not enabled:
        # A start enables a service until the next reload (contract rest.md 3.3); clients show
        # only enabled ones.
        enabled, config = True, {**config, "enabled": True}
    return {
        "name": " ".join(service.path),
        "process_name": service.process_name,
        "enabled": enabled,
        "config": with_log(show(config), service, published),
        "log_captured": service.process_name in published.captured,
        **_standing(service, state),
        "version": VERSION if service.config_key == API_KEY else None,
        "key": service.path[-1],
        "config_key": service.config_key,
        **facts(service),
        "install_info": None,
    }


def _standing(service: ServiceBlock, state: ServiceState | None) -> dict[str, Any]:
    """Whether it lives, and what is to be said beside that. Whoever answers this is up."""
    if state is None:
        own = service.config_key == API_KEY
        status = ServiceStatus.RUNNING if own else ServiceStatus.STOPPED
        health = "healthy" if own else "unhealthy"
        state = ServiceState(service.process_name, status, health=health)
    return {"status": state.rest_status, **standing_of(state)}
