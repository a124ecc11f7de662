"""The services as a whole: how the boot goes, and who needs whom."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import APIRouter, HTTPException, Query
from redis.asyncio import Redis
from starlette.responses import Response

from services.api.answers import Json
from services.api.deps import BridgeDep, ConfigDep, KeysDep, RedisDep
from services.api.graph.answer import SCOPES, Question, find_target, graph_answer
from services.api.graph.schemas import DependencyGraph
from services.api.masking import ShowDep
from services.api.readiness import readiness
from services.api.routes.process_list import process_entry
from services.api.schemas import Problem, StartupStatus
from services.api.situation import SituationDep
from shared.bus.keys import Keys
from shared.config.names import nearest
from shared.errors import UnknownServiceError
from shared.models.startup import Startup

router = APIRouter(prefix="/process", tags=["process"])

_UPDATES = ("supports_manual_update", "update_status", "install_info")


@router.get("/startup-status", response_model=StartupStatus, responses={503: {"model": Problem}})
async def get_startup_status(
    redis: RedisDep, keys: KeysDep, bridge: BridgeDep, situation: SituationDep
) -> Response:
    """How the boot goes: its phase, and every service that is expected to be ready."""
    startup = await _startup(redis, keys)
    apart = replace(await situation.read(), boot=None)
    services = {
        name: readiness(state, apart.judge(state) if state is not None else None)
        for name in startup.expected_services
        for state in (bridge.states.get(name),)
    }
    return Json({**asdict(startup), "terminal": startup.phase.terminal, "services": services})


@router.get(
    "/dependency-graph",
    response_model=DependencyGraph,
    responses={400: {"model": Problem}, 404: {"model": Problem}, 503: {"model": Problem}},
)
async def get_dependency_graph(
    config: ConfigDep,
    bridge: BridgeDep,
    show: ShowDep,
    process_name: str,
    scope: Annotated[str, Query(description="runtime, or all: also who can do without")] = SCOPES[
        0
    ],
) -> Response:
    """What a service needs, what needs it, why, and in which order they start."""
    wanted = process_name.strip()
    if not wanted:
        raise HTTPException(400, "process_name is empty.")
    if scope not in SCOPES:
        raise HTTPException(400, "scope is 'runtime' or 'all'.")
    published, states = await config.read(), bridge.states
    target = find_target(published.services, wanted)
    if target is None:
        raise UnknownServiceError(wanted, nearest(published.by_name, wanted))
    entries = [process_entry(s, published, states, show=show) for s in published.services]
    processes = [{k: v for k, v in e.items() if k not in _UPDATES} for e in entries]
    question = Question(published.effective, published.services, states, target, scope)
    answer = graph_answer(question) | {"processes": processes}
    return Json(answer | {"updated_at": datetime.now(UTC).isoformat()})


async def _startup(redis: Redis, keys: Keys) -> Startup:
    """What the supervisor says; before its first word, that it has not begun."""
    raw = cast("bytes | None", await redis.get(keys.startup))
    try:
        return Startup.from_json(raw) if raw is not None else Startup()
    except ValueError:
        return Startup()
