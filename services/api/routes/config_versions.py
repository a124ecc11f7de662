"""The last versions of the configuration: who, when, what, and back."""

from typing import Any, Final

import orjson
from fastapi import APIRouter, HTTPException
from redis.asyncio import Redis
from starlette.responses import Response

from services.api.answers import Json
from services.api.asked import AskedDep
from services.api.config_bodies import ConfigDiff, ConfigVersions, Restored
from services.api.config_changes import parse_if_match
from services.api.deps import ConfigChangesDep, ConfigDep, KeysDep, RedisDep
from services.api.routes.config import CHANGE_FAILURES, IfMatch
from services.api.schemas import Problem
from shared.bus.keys import Keys
from shared.config.masking import masked_below
from shared.models.config_change import ConfigOp

router = APIRouter(prefix="/config/versions", tags=["config"])

_VALUES: Final = ("before", "after")


@router.get("", response_model=ConfigVersions, responses={503: {"model": Problem}})
async def list_config_versions(redis: RedisDep, keys: KeysDep, config: ConfigDep) -> Response:
    """The last 20 versions, the newest first."""
    published = await config.read()
    raw: Any = await redis.hgetall(keys.config_versions)
    found = [entry for value in raw.values() if (entry := _parsed(value)) is not None]
    found.sort(key=lambda entry: int(entry["version"]), reverse=True)
    for entry in found:
        changes = entry.pop("changes", [])
        entry["paths"] = [".".join(change.get("path", [])) for change in changes]
    current = int(published.version) if published.version.isdecimal() else 0
    return Json({"version": current, "versions": found})


@router.get(
    "/{version}/diff",
    response_model=ConfigDiff,
    responses={404: {"model": Problem}, 503: {"model": Problem}},
)
async def get_config_diff(version: int, redis: RedisDep, keys: KeysDep) -> Response:
    """What this version changed in the one before it."""
    entry = await _read(redis, keys, version)
    return Json({"version": version, "changes": [_masked(c) for c in entry.get("changes", [])]})


@router.post("/{version}/restore", response_model=Restored, responses=CHANGE_FAILURES)
async def restore_config_version(
    version: int, asked: AskedDep, changes: ConfigChangesDep, if_match: IfMatch = None
) -> Response:
    """Make the file what it was then, as a new version. `dumb.ui` stays, memory is dropped."""
    made = await changes.make(
        ConfigOp.RESTORE, asked, version=version, if_match=parse_if_match(if_match)
    )
    current = int(made.version) if made.version.isdecimal() else 0
    return Json(
        {
            "status": "restored" if made.changed else "nothing to restore",
            "version": current,
            "restart_required": made.restart_required,
        },
        headers={"x-config-version": made.version, "etag": f'"{made.version}"'},
    )


async def _read(redis: Redis, keys: Keys, version: int) -> dict[str, Any]:
    value: Any = await redis.hget(keys.config_versions, str(version))
    entry = _parsed(value) if value is not None else None
    if entry is None:
        raise HTTPException(404, f"Version {version} is not kept.")
    return entry


def _masked(change: dict[str, Any]) -> dict[str, Any]:
    """Once more: what an earlier version of the supervisor wrote down, it masked by fewer names."""
    path = [str(key) for key in change.get("path", [])]
    return {
        name: masked_below(path, value) if name in _VALUES else value
        for name, value in change.items()
    }


def _parsed(value: bytes) -> dict[str, Any] | None:
    """None for what somebody else wrote there."""
    try:
        tree = orjson.loads(value)
    except ValueError:
        return None
    good = isinstance(tree, dict) and isinstance(tree.get("version"), int)
    return tree if good else None
