"""How much the programs say (contract rest.md 3.9)."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StrictBool
from redis.asyncio import Redis
from starlette.responses import Response

from services.api.action_bodies import Strict
from services.api.answers import Json, retry_later
from services.api.asked import AskedDep
from services.api.commands import failed_with
from services.api.configuration import ConfigReader
from services.api.deps import CommandsDep, ConfigDep, KeysDep, RedisDep
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem
from shared.bus.keys import Keys
from shared.bus.refusals import require_changes
from shared.errors import SupervisorAwayError
from shared.models.command import Action
from shared.models.log_level import DEBUG, LogLevel, usable_level

router = APIRouter(prefix="/process", tags=["process"], route_class=JsonRoute)

WAIT_S: Final = 20.0


class LevelRequest(Strict):
    """Whether to see more than usual."""

    debug_enabled: StrictBool


class LevelAnswer(BaseModel):
    """`effective_level` is that of every program."""

    configured_level: str
    configured_uvicorn_level: str
    effective_level: str = Field(description="DEBUG, INFO, WARNING, ERROR, CRITICAL")
    debug_enabled: bool
    override_active: bool
    temporary: bool
    resets_on_restart: bool


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where the answer comes from."""

    redis: Redis
    keys: Keys
    config: ConfigReader

    async def answer(self) -> dict[str, Any]:
        """Raises `SupervisorAwayError`: nobody has said it."""
        data = cast("bytes | None", await self.redis.get(self.keys.log_level))
        try:
            level = LogLevel.from_json(data or b"")
        except ValueError:
            await require_changes(self.redis, self.keys)
            raise SupervisorAwayError("The supervisor has not said its log level yet.") from None
        api = (await self.config.read()).dumb.get("api_service")
        server = api.get("log_level") if isinstance(api, dict) else None
        return {
            "configured_level": level.configured,
            "configured_uvicorn_level": usable_level(server, level.configured),
            "effective_level": level.effective,
            "debug_enabled": level.effective == DEBUG,
            "override_active": level.debug,
            "temporary": level.debug,
            "resets_on_restart": True,
        }


async def _sources(redis: RedisDep, keys: KeysDep, config: ConfigDep) -> _Sources:
    return _Sources(redis, keys, config)


SourcesDep = Annotated[_Sources, Depends(_sources)]


@router.get("/runtime-log-level", response_model=LevelAnswer, responses={503: {"model": Problem}})
async def get_log_level(sources: SourcesDep) -> Response:
    """The level of every program of this stack, and where it comes from."""
    return Json(await sources.answer())


@router.post(
    "/runtime-log-level",
    response_model=LevelAnswer,
    responses={503: {"model": Problem}, 504: {"model": Problem}},
)
async def set_log_level(
    body: LevelRequest, asked: AskedDep, commands: CommandsDep, sources: SourcesDep
) -> Response:
    """See more, or as much as is configured; until the supervisor is started anew."""
    args = {"debug": body.debug_enabled}
    receipt = await commands.place(asked.order(Action.SET_LOG_LEVEL, args, WAIT_S))
    status = failed_with(receipt)
    if status is not None:
        return Json({"detail": receipt.detail}, status, retry_later() if status == 503 else None)
    return Json(await sources.answer(), 200, {"x-command-id": receipt.id})
