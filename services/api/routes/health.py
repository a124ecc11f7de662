"""Is all well: for people (`/health`) and for load balancers (`/livez`, `/readyz`)."""

import asyncio
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json, retry_later
from services.api.auth.glance import may_see_details
from services.api.configuration import ConfigAwayError, ConfigReader
from services.api.deps import BridgeDep, ConfigDep, KeysDep, RedisDep
from services.api.health import STARTING_PHASES, counted, details_of, problems_of
from services.api.schemas import Health, Probe
from shared.bus.keys import Keys

router = APIRouter(tags=["health"])

ANSWER_S: Final = 1.0
"""A Redis that takes longer counts as away."""


@dataclass(frozen=True, slots=True)
class _Beat:
    """What Redis says. `supervisor`: its heartbeat is there."""

    redis: bool = False
    supervisor: bool = False
    phase: str = ""
    config_problem: str = ""


@router.get("/health", response_model=Health, response_model_exclude_unset=True)
async def get_health(
    request: Request, redis: RedisDep, keys: KeysDep, bridge: BridgeDep, config: ConfigDep
) -> Response:
    """Always 200. While accounts are on, names and reasons are for those who bring a token;
    everybody else is told how many services need attention."""
    beat, known = await asyncio.gather(_read_beat(redis, keys), may_see_details(request))
    problems = []
    if not beat.redis:
        problems.append("Redis does not answer")
    elif not beat.supervisor:
        problems.append("the supervisor is not running")
    elif beat.phase in STARTING_PHASES:
        return Json({"status": "healthy"})
    if beat.config_problem:
        why = f"configuration: {beat.config_problem}"
        problems.append(why if known else "the configuration file cannot be used")
    if beat.phase == "shutting_down":
        problems.append("the supervisor is shutting down")
    if beat.redis and beat.supervisor:
        if not bridge.connected:
            problems.append("the status subscription is reconnecting")
        trying = beat.phase != "degraded" and await _in_wizard(config)
        found = problems_of(bridge.states, trying=trying)
        problems += found if known else counted(found)
    if not problems:
        return Json({"status": "healthy"})
    return Json({"status": "unhealthy", "details": details_of(problems)})


@router.get("/livez", response_model=Probe, response_model_exclude_unset=True)
async def get_liveness() -> Response:
    """200 as long as this process answers at all."""
    return Json({"status": "alive"})


@router.get(
    "/readyz",
    response_model=Probe,
    response_model_exclude_unset=True,
    responses={503: {"model": Probe}},
)
async def get_readiness(
    request: Request, redis: RedisDep, keys: KeysDep, bridge: BridgeDep
) -> Response:
    """200 while this replica can carry out commands, else 503 with what is missing.

    503 `leaving` as well, once it was told to end: a balancer takes it out and loses nothing.
    """
    if request.app.state.leaving.begun:
        return Json({"status": "leaving"}, 503, retry_later())
    beat = await _read_beat(redis, keys)
    task: asyncio.Task[None] | None = getattr(request.app.state, "bridge_task", None)
    facts = {
        "redis": beat.redis,
        "supervisor": beat.supervisor,
        "bridge": bridge.connected and task is not None and not task.done(),
    }
    missing = [name for name, there in facts.items() if not there]
    if missing:
        return Json({"status": "not ready", "missing": missing}, 503, retry_later())
    return Json({"status": "ready"})


async def _in_wizard(config: ConfigReader) -> bool:
    """Whether the first-run wizard is still ahead."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return not (await config.read()).dumb.get("onboarding_completed")
    except (ConfigAwayError, RedisError, OSError):  # a TimeoutError is an OSError
        return False


async def _read_beat(redis: Redis, keys: Keys) -> _Beat:
    pipe = redis.pipeline(transaction=False)
    pipe.hgetall(keys.supervisor)
    pipe.get(keys.config_problem)
    try:
        async with asyncio.timeout(ANSWER_S):
            beat, problem = await pipe.execute(raise_on_error=False)
    except (TimeoutError, RedisError, OSError):
        return _Beat()
    fields = beat if isinstance(beat, dict) else {}
    return _Beat(
        redis=True,
        supervisor=bool(fields),
        phase=fields.get(b"phase", b"").decode("utf-8", "replace"),
        config_problem=problem.decode("utf-8", "replace") if isinstance(problem, bytes) else "",
    )
