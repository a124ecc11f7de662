"""What others did to our keys in Redis: noticed within seconds, and mended.

Most of them are written when something changes. Whoever deletes one or writes another type there
would otherwise leave every reader with an error until then, and a new API without its states.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from redis.asyncio import Redis

from shared.bus.claim import Fence
from shared.bus.keys import Keys

LOOK_S: Final = 5.0


class Upkeep:
    """Looks now and then. Who asks publishes everything anew where that is worth it."""

    def __init__(
        self,
        keys: Keys,
        fence: Fence,
        names: Callable[[], Iterable[str]],
        config: Callable[[], tuple[int, str]],
    ) -> None:
        """`config`: version and problem of the configuration."""
        self._keys = keys
        self._fence = fence
        self._names = names
        self._config = config
        self._looked = time.monotonic()

    async def mend(self, redis: Redis) -> bool:
        """Delete keys of another type; whether something has to be published anew.

        Raises what redis-py raises.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return False
        self._looked = now
        keys, names = self._keys, set(self._names())
        wrong, missing = await self._look(redis, _kinds(keys, names))
        if wrong:
            await self._fence.write(redis, ("DEL", *wrong))
        if wrong or missing:
            return True
        listed: Any = await redis.smembers(keys.services)
        told = await redis.mget(keys.config_version, keys.config_problem)
        version, problem = self._config()
        same = {name.encode() for name in names} == listed
        return not same or told != [str(version).encode(), problem.encode() or None]

    async def _look(self, redis: Redis, kinds: Mapping[str, bytes]) -> tuple[list[str], bool]:
        """Keys of another type, and whether any is missing that is always there."""
        pipe = redis.pipeline(transaction=False)
        for key in kinds:
            pipe.type(key)
        found = dict(zip(kinds, await pipe.execute(), strict=True))
        wrong = [key for key, kind in found.items() if kind not in {kinds[key], b"none"}]
        maybe = {self._keys.config_problem, self._keys.config_versions, self._keys.command_counts}
        return wrong, any(kind == b"none" for key, kind in found.items() if key not in maybe)


def _kinds(keys: Keys, names: Iterable[str]) -> dict[str, bytes]:
    """What we set when it changes, with its type; `services` only where there are any."""
    strings = (
        keys.startup,
        keys.environment,
        keys.log_level,
        keys.config,
        keys.config_version,
        keys.config_problem,
        keys.config_ui,
        keys.config_ui_revision,
    )
    hashes = (keys.config_versions, keys.command_counts, *map(keys.service, names))
    kinds = dict.fromkeys(strings, b"string") | dict.fromkeys(hashes, b"hash")
    return kinds | ({keys.services: b"set"} if names else {})
