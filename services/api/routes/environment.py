"""What runs where."""

import asyncio
import os
import platform
import socket
import time
from collections import Counter
from dataclasses import asdict
from typing import Any, Final

import orjson
from fastapi import APIRouter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.responses import Response

from services.api.answers import Json
from services.api.checks import (
    check_config,
    check_disks,
    check_redis,
    check_services,
    check_supervisor,
)
from services.api.configuration import ConfigAwayError, ConfigReader
from services.api.deps import BridgeDep, ConfigDep, KeysDep, RedisDep
from services.api.environment_schemas import Environment
from services.api.schemas import Problem
from services.api.situation import SituationDep
from shared.bus.keys import Keys
from shared.config.masking import masked_value
from shared.config.notices import Notice, notices
from shared.config.trees import MISSING, value_at
from shared.version import VERSION

router = APIRouter(tags=["health"])

BRIDGE_NAME: Final = "dumb-api-bridge"


@router.get("/environment", response_model=Environment, responses={503: {"model": Problem}})
async def get_environment(
    redis: RedisDep,
    keys: KeysDep,
    bridge: BridgeDep,
    config: ConfigDep,
    situation: SituationDep,
) -> Response:
    """Versions, machines, limits, disks, services; and the checks of `dumb doctor`."""
    states = bridge.states
    info: dict[str, Any] = await redis.info()
    beat, facts, problem = await _supervisor(redis, keys)
    about, warnings = await _config(config)
    now = await situation.read()
    judged = now.judge_all(states.values())
    version = str(info.get("redis_version", ""))
    checks = [
        check_redis(version, now.refused),
        check_supervisor(beat, time.time(), boot=now.boot, refused=now.refused),
        *check_config(problem, str(about.get("version", "")), warnings),
        *check_disks(facts.get("disks")),
        *check_services(states, judged),
    ]
    return Json(
        {
            "api": await asyncio.to_thread(_own_facts) | {"replicas": await _replicas(redis)},
            "redis": {
                "version": version,
                "mode": info.get("redis_mode"),
                "memory_bytes": info.get("used_memory"),
                "clients": info.get("connected_clients"),
                "persistence": bool(info.get("aof_enabled")),
                "uptime_s": info.get("uptime_in_seconds"),
            },
            "supervisor": {**facts, "heartbeat": beat},
            "config": {
                **about,
                "problem": problem or None,
                "warnings": [n.name for n in warnings if n.built],
            },
            "services": dict(Counter(state.status.value for state in states.values())),
            "checks": [asdict(check) for check in checks],
            "ok": all(check.ok for check in checks),
        }
    )


async def _supervisor(redis: Redis, keys: Keys) -> tuple[dict[str, str], dict[str, Any], str]:
    """Heartbeat, what it runs on, and why the file is refused."""
    pipe = redis.pipeline(transaction=False)
    pipe.hgetall(keys.supervisor)
    pipe.get(keys.environment)
    pipe.get(keys.config_problem)
    raw, data, problem = await pipe.execute()
    beat = {_text(key): _text(value) for key, value in raw.items()}
    try:
        facts = orjson.loads(data or b"{}")
    except ValueError:
        facts = {}
    return beat, facts if isinstance(facts, dict) else {}, _text(problem or b"")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


async def _config(config: ConfigReader) -> tuple[dict[str, Any], list[Notice]]:
    try:
        published = await config.read()
    except ConfigAwayError:
        return {}, []
    overrides = {}
    for entry in published.overridden:
        path = tuple(entry.get("path", ()))
        value = value_at(published.effective, path)
        if path and value is not MISSING:
            name, source = str(entry.get("name")), entry.get("source")
            overrides[name] = {"value": masked_value(path[-1], value), "source": source}
    warnings = notices(published.file, published.effective)
    return {"version": published.version, "overridden": overrides}, warnings


async def _replicas(redis: Redis) -> int | None:
    """How many APIs are subscribed; None when Redis does not let us look."""
    try:
        clients: Any = await redis.client_list()
    except RedisError:
        return None
    return sum(1 for client in clients if client.get("name") == BRIDGE_NAME)


def _own_facts() -> dict[str, Any]:
    return {
        "version": VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "node": socket.gethostname(),
        "pid": os.getpid(),
    }
