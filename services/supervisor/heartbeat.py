"""That somebody is in charge, and on what it runs (docs/protocol.md, "The rest")."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import orjson
from redis.asyncio import Redis

from services.supervisor.claim import Claim
from services.supervisor.surroundings import describe
from shared.bus.claim import Command, flat
from shared.bus.keys import Keys
from shared.models.startup import Startup
from shared.settings import Settings

TTL_S: Final = 5
DESCRIBE_EVERY_S: Final = 15.0


class Heartbeat:
    """Writes `dumb:supervisor`, `dumb:startup` and `dumb:environment`."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        claim: Claim,
        environ: Mapping[str, str],
        startup: Callable[[], Startup],
    ) -> None:
        self._settings = settings
        self._startup = startup
        self._told: Startup | None = None
        self._keys = keys
        self._holder = claim.holder
        self._fence = claim.fence
        self._environ = environ
        self._started_at = time.time()
        self._described = 0.0
        self.leaving = False
        """Nobody will be in charge: the next beat takes the heartbeat away."""

    def renew(self) -> None:
        """A new connection, or somebody emptied Redis: the next beat says everything anew."""
        self._described = 0.0
        self._told = None

    async def beat(self, redis: Redis, rejected: int) -> None:
        """Say it once more. Raises what redis-py raises."""
        await self._describe(redis)
        startup = self._startup()
        key, holder = self._keys.supervisor, self._holder
        fields: dict[str, str] = {
            "node": holder.node,
            "version": holder.version,
            "pid": str(holder.pid),
            "boot_id": holder.boot_id,
            "claim": holder.process,
            "started_at": str(self._started_at),
            "heartbeat_at": str(time.time()),
            "phase": startup.phase,
            "rejected": str(rejected),
        }
        commands: list[Command] = [("DEL", key)]  # also when another type stands there
        if not self.leaving:
            commands += [("HSET", key, *flat(fields)), ("EXPIRE", key, TTL_S)]
        if startup is not self._told:  # what was said on the way to this connection is lost
            commands.append(("SET", self._keys.startup, startup.to_json()))
        await self._fence.write(redis, *commands)
        self._told = startup

    async def _describe(self, redis: Redis) -> None:
        """What we run on, now and then: disks fill up."""
        now = time.monotonic()
        if now - self._described < DESCRIBE_EVERY_S and self._described:
            return
        self._described = now
        settings = self._settings
        directories = [settings.home, settings.log_dir, settings.config_path.parent]
        facts = await asyncio.to_thread(
            describe, settings.home, settings.config_path, directories, self._environ
        )
        await self._fence.write(redis, ("SET", self._keys.environment, orjson.dumps(facts)))
