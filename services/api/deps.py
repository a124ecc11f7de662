"""What routes ask for. One alias each; the objects are made in app.py."""

from typing import Annotated

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request

from services.api.bridge import Bridge
from services.api.commands import CommandService
from services.api.config_changes import ConfigChanges
from services.api.configuration import ConfigReader
from shared.bus.keys import Keys


async def _redis(request: Request) -> Redis:
    found: Redis = request.app.state.redis
    return found


async def _keys(request: Request) -> Keys:
    found: Keys = request.app.state.keys
    return found


async def _bridge(request: Request) -> Bridge:
    found: Bridge = request.app.state.bridge
    return found


async def _config(request: Request) -> ConfigReader:
    found: ConfigReader = request.app.state.config
    return found


async def _commands(request: Request) -> CommandService:
    found: CommandService = request.app.state.commands
    return found


async def _config_changes(request: Request) -> ConfigChanges:
    found: ConfigChanges = request.app.state.config_changes
    return found


RedisDep = Annotated[Redis, Depends(_redis)]
KeysDep = Annotated[Keys, Depends(_keys)]
BridgeDep = Annotated[Bridge, Depends(_bridge)]
ConfigDep = Annotated[ConfigReader, Depends(_config)]
CommandsDep = Annotated[CommandService, Depends(_commands)]
ConfigChangesDep = Annotated[ConfigChanges, Depends(_config_changes)]
