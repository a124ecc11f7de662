"""The web pages of services, for a frontend that embeds them (contract rest.md 4.5).

Nothing is written by reading: Traefik's own files are part of its installation.
"""

import re
from typing import Any, Final

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from services.api.answers import Json
from services.api.asked import Asked, AskedDep
from services.api.commands import CommandService, Order
from services.api.config_bodies import ServiceUiRequest
from services.api.configuration import Published
from services.api.deps import CommandsDep, ConfigChangesDep, ConfigDep
from services.api.routes.config import CHANGE_FAILURES
from services.api.schemas import Problem
from services.api.strictjson import StrictJsonRoute
from shared.config.services import ServiceBlock
from shared.models.command import Action
from shared.models.config_change import ConfigOp

router = APIRouter(prefix="/config", tags=["config"], route_class=StrictJsonRoute)

TRAEFIK: Final = "traefik"
API_KEY: Final = "dumb_api_service"
_NAMES: Final = {"pgadmin": "pgadmin4"}
_NO_TRAEFIK: Final = "Embedded pages need Traefik, and the configuration has no 'traefik'."


@router.get("/service-ui-map", response_model=dict[str, str], responses={503: {"model": Problem}})
async def get_service_ui_map(config: ConfigDep) -> Response:
    """The config key of every page by the name in its address."""
    published = await config.read()
    return Json({_plain(_name(s)): s.config_key for s in published.services if _shown(s)})


@router.get(
    "/service-ui",
    response_model=dict[str, Any],
    responses={404: {"model": Problem}, 503: {"model": Problem}},
)
async def get_service_ui(config: ConfigDep) -> Response:
    """Which services have pages, and where."""
    published = await config.read()
    _traefik(published)
    return Json(_answer(published))


@router.post("/service-ui", response_model=dict[str, Any], responses=CHANGE_FAILURES)
async def set_service_ui(
    body: ServiceUiRequest,
    asked: AskedDep,
    config: ConfigDep,
    changes: ConfigChangesDep,
    commands: CommandsDep,
) -> Response:
    """Enable Traefik and restart it, or disable and stop it.

    What is so already is left alone: a Traefik that runs is not restarted.
    """
    traefik = _traefik(await config.read())
    made = await changes.make(ConfigOp.GLOBAL, asked, updates={TRAEFIK: {"enabled": body.enabled}})
    action = Action.STOP
    if body.enabled:
        action = Action.RESTART if made.changed else Action.START
    problem = await _carry_out(commands, asked, traefik, action)
    answer = _answer(await config.read())
    return Json(answer | {"problem": problem} if problem else answer)


async def _carry_out(
    commands: CommandService, asked: Asked, traefik: ServiceBlock, action: Action
) -> str:
    """Why Traefik is not what it should be, or ""."""
    order = Order(action, traefik.process_name, asked.actor, location=asked.location)
    receipt = await commands.place(order)
    return "" if receipt.status.value == "succeeded" else receipt.detail


def _traefik(published: Published) -> ServiceBlock:
    found = next((s for s in published.services if s.config_key == TRAEFIK), None)
    if found is None:
        raise HTTPException(404, _NO_TRAEFIK)  # hides the feature in the frontend
    return found


def _answer(published: Published) -> dict[str, Any]:
    traefik = _traefik(published)
    return {
        "enabled": traefik.enabled,
        "services": [_entry(s) for s in published.services if _shown(s)],
        "traefik_config": traefik.block.get("config_file") or "",
    }


def _shown(service: ServiceBlock) -> bool:
    listed = service.enabled or service.config_key in {TRAEFIK, API_KEY}
    return listed and _port(service) is not None


def _port(service: ServiceBlock) -> int | None:
    port = service.block.get("port") or service.block.get("frontend_port")
    return port if type(port) is int else None


def _name(service: ServiceBlock) -> str:
    if service.instance:
        return service.process_name
    return _NAMES.get(service.config_key, service.config_key)


def _plain(name: str) -> str:
    return re.sub(r"[ /]", "_", name).lower()


def _entry(service: ServiceBlock) -> dict[str, Any]:
    port, name = _port(service) or 0, _name(service)
    if service.config_key == TRAEFIK:
        port += 1  # its dashboard
    host = service.block.get("host") or "127.0.0.1"
    return {
        "name": name,
        "process_name": service.process_name,
        "config_key": service.config_key,
        "host": host,
        "port": port,
        "path": "/scalar" if service.config_key == API_KEY else "/",
        "path_prefix": f"/service/ui/{_plain(name)}",
        "internal_service": f"http://{host}:{port}",
    }
