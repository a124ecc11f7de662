"""Is all well: for people (`/health`) and for load balancers (`/livez`, `/readyz`)."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json, retry_later
from services.api.auth.glance import may_see_details
from services.api.deps import BridgeDep
from services.api.health import counted, details_of, problems_of
from services.api.schemas import Health, Probe
from services.api.situation import SituationDep
from shared.judgement import STARTING_PHASES
from shared.models.startup import Phase

router = APIRouter(tags=["health"])


@router.get("/health", response_model=Health, response_model_exclude_unset=True)
async def get_health(request: Request, situation: SituationDep, bridge: BridgeDep) -> Response:
    """Always 200. While accounts are on, names and reasons are for those who bring a token;
    everybody else is told how many services need attention."""
    now, known = await asyncio.gather(situation.read(), may_see_details(request))
    problems = []
    boot = now.boot
    if now.refused:
        problems.append(now.refused.sentence.rstrip("."))
    elif not now.redis:
        problems.append("Redis does not answer")
    elif not now.beat:
        problems.append("the supervisor is not running")
    elif boot is not None and boot.phase in STARTING_PHASES:
        return Json({"status": "healthy"})
    if now.config_problem:
        why = f"configuration: {now.config_problem}"
        problems.append(why if known else "the configuration file cannot be used")
    if boot is not None and boot.phase is Phase.SHUTTING_DOWN:
        problems.append("the supervisor is shutting down")
    if now.redis and now.beat:
        if not bridge.connected:
            problems.append("the status subscription is reconnecting")
        found = problems_of(now.judge_all(bridge.states.values(), trying=True).values())
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
async def get_readiness(request: Request, situation: SituationDep, bridge: BridgeDep) -> Response:
    """200 while this replica can carry out commands, else 503 with what is missing.

    503 `leaving` as well, once it was told to end: a balancer takes it out and loses nothing.
    """
    if request.app.state.leaving.begun:
        return Json({"status": "leaving"}, 503, retry_later())
    now = await situation.read()
    task: asyncio.Task[None] | None = getattr(request.app.state, "bridge_task", None)
    facts = {
        "redis": now.redis,
        "supervisor": bool(now.beat),
        "bridge": bridge.connected and task is not None and not task.done(),
    }
    reason = {}
    if now.refused:  # what it says about the supervisor is old
        del facts["supervisor"]
        reason = {"reason": now.refused.sentence}
    missing = [name for name, there in facts.items() if not there]
    if missing:
        return Json({"status": "not ready", "missing": missing, **reason}, 503, retry_later())
    return Json({"status": "ready"})
