"""Measurements of the host and the services (contract rest.md 7)."""

from fastapi import APIRouter
from starlette.responses import Response

from services.api.answers import Json, RawJson
from services.api.deps import ConfigDep, KeysDep, RedisDep
from services.api.metric_schemas import (
    DatabaseHealth,
    FileSystems,
    NetworkInterfaces,
    PlexStatus,
    Snapshot,
)
from services.api.metrics import candidates, configured, latest
from services.api.schemas import Problem
from shared.metrics.off import DATABASE_HEALTH, PLEX_STATUS

router = APIRouter(prefix="/metrics", tags=["metrics"], responses={503: {"model": Problem}})


@router.get("", response_model=Snapshot)
async def get_metrics(redis: RedisDep, keys: KeysDep) -> Response:
    """The last sample: at most five seconds old, two while anybody watches live."""
    return RawJson(await latest(redis, keys))


@router.get("/filesystems", response_model=FileSystems)
async def list_filesystems(redis: RedisDep, keys: KeysDep, config: ConfigDep) -> Response:
    """What is watched, and what could be."""
    paths = await configured(config, "filesystem_paths", "/")
    found = await candidates(redis, keys, "filesystems")
    return Json({"configured_paths": paths, "candidates": found})


@router.get("/network-interfaces", response_model=NetworkInterfaces)
async def list_network_interfaces(redis: RedisDep, keys: KeysDep, config: ConfigDep) -> Response:
    """What is watched, and what could be."""
    names = await configured(config, "network_interfaces", "all")
    found = await candidates(redis, keys, "interfaces")
    return Json({"configured_interfaces": names, "candidates": found})


@router.get("/database-health", response_model=DatabaseHealth)
async def get_database_health() -> Response:
    """Off: the health of databases is not watched."""
    return Json(DATABASE_HEALTH)


@router.get("/plex-status", response_model=PlexStatus)
async def get_plex_status() -> Response:
    """Off: the status of Plex is not watched."""
    return Json(PLEX_STATUS)
