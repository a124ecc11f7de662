"""`POST /config/service-config`: the configuration file of an application."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.api.answers import Json, RawJson
from services.api.app_files import AppFileCommands
from services.api.asked import ActorDep
from services.api.deps import ConfigDep, from_state
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem

router = APIRouter(prefix="/config", tags=["config"], route_class=JsonRoute)


class ServiceConfigRequest(BaseModel):
    """What to do with the file. Unknown keys are ignored."""

    service_name: str = Field(description="The process name, exactly", examples=["Sonarr"])
    updates: dict[str, Any] | str | list[Any] | None = Field(
        default=None,
        description="An object is merged, text replaces the file (JSON and YAML text is merged). "
        "Nothing, or anything empty: the file is read",
    )


class ServiceConfigBody(BaseModel):
    """A read gives the last three, a write `status` and `changed`."""

    service: str
    service_path: str = Field(examples=["sonarr.instances.Default"])
    status: str | None = None
    changed: bool | None = None
    config_format: str | None = None
    config: Any = None
    raw: str | None = None


FilesDep = Annotated[AppFileCommands, from_state("app_files")]


@router.post(
    "/service-config",
    response_model=ServiceConfigBody,
    response_model_exclude_unset=True,
    responses={code: {"model": Problem} for code in (400, 404, 409, 413, 500, 503, 504)},
)
async def edit_service_config(
    body: ServiceConfigRequest, actor: ActorDep, config: ConfigDep, files: FilesDep
) -> Response:
    """Read or change the file that a service's block names (`config_file`).

    Both may show secrets, are for administrators, and are in the audit stream. A change keeps
    comments and order, and the old file beside the new one as `<name>.bak`. The application
    reads it when it is restarted, unless it watches its file.
    """
    service = (await config.read()).by_name.get(body.service_name)
    if service is None:
        raise HTTPException(404, "Service not found")
    name = service.process_name
    if not service.block.get("config_file"):
        raise HTTPException(400, f"The block of '{name}' names no config_file.")
    if not body.updates:
        return RawJson(await files.read(name, actor))
    changed = await files.update(name, actor, body.updates)
    return Json(
        {
            "status": "Config updated successfully",
            "service": name,
            "service_path": ".".join(service.path),
            "changed": changed,
        }
    )
