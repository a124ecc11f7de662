"""What the configuration may look like."""

from functools import cache

import orjson
from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from services.api.answers import Json, RawJson
from services.api.config_bodies import JsonSchema, SchemaRequest
from services.api.deps import ConfigDep
from services.api.schemas import Problem
from services.api.strictjson import StrictJsonRoute
from shared.config.schema import block_schema, config_schema

router = APIRouter(prefix="/config", tags=["config"], route_class=StrictJsonRoute)


@cache
def _whole() -> bytes:
    return orjson.dumps(config_schema())


@router.get("/schema", response_model=JsonSchema)
async def get_config_schema() -> Response:
    """The JSON Schema of the configuration file."""
    return RawJson(_whole())


@router.post(
    "/process-config/schema",
    response_model=JsonSchema,
    responses={404: {"model": Problem}, 503: {"model": Problem}},
)
async def get_process_schema(body: SchemaRequest, config: ConfigDep) -> Response:
    """The JSON Schema of one service's block."""
    service = (await config.read()).by_name.get(body.process_name)
    if service is None:
        raise HTTPException(404, "Process not found")
    return Json(block_schema(service.path, service.config_key))
