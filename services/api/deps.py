"""What routes ask for. One alias each; the objects are made in app.py."""

from typing import Annotated, Any

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request

from services.api.bridge import Bridge
from services.api.commands import CommandService
from services.api.config_changes import ConfigChanges
from services.api.configuration import ConfigReader
from shared.bus.keys import Keys


def from_state(name: str) -> Any:
    """The dependency on what `app.state` has under this name."""

    async def found(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(found)


RedisDep = Annotated[Redis, from_state("redis")]
KeysDep = Annotated[Keys, from_state("keys")]
BridgeDep = Annotated[Bridge, from_state("bridge")]
ConfigDep = Annotated[ConfigReader, from_state("config")]
CommandsDep = Annotated[CommandService, from_state("commands")]
ConfigChangesDep = Annotated[ConfigChanges, from_state("config_changes")]
