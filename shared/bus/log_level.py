"""Following the log level that the supervisor publishes: the key is read at every subscription,
the channel brings what changes after it."""

import asyncio
import logging
from typing import Final, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.bus.keys import Keys
from shared.bus.subscription import Subscription
from shared.models.log_level import LogLevel
from shared.settings import Settings

_log = logging.getLogger(__name__)

RETRY_S: Final = 0.3


def obey(data: bytes | None, settings: Settings) -> None:
    """Set this program's level. What its own environment says counts while nobody debugs."""
    if data is None:
        return
    try:
        news = LogLevel.from_json(data)
    except ValueError:
        _log.debug("the published log level is none")
        return
    own = settings.log_level if settings.log_level_given else news.configured
    wanted, root = "DEBUG" if news.debug else own, logging.getLogger()
    if logging.getLevelName(root.level) != wanted:
        root.setLevel(wanted)
        _log.info("the log level is %s", wanted)


class LevelFollower:
    """`await run()` beside the work of a program. It is the handler of its own subscription."""

    def __init__(self, redis: Redis, settings: Settings, name: str) -> None:
        """`redis`: for short commands."""
        self._redis = redis
        self._settings = settings
        self._key = Keys(settings.redis_prefix).log_level
        channels = (Keys(settings.redis_prefix).log_level_changed,)
        self._subscription = Subscription(
            settings.redis_url, f"{name}-log-level", channels, "", self
        )
        self._stale = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._subscription.run())
            group.create_task(self._read_forever())

    async def _read_forever(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                obey(cast("bytes | None", await self._redis.get(self._key)), self._settings)
            except (RedisError, OSError) as error:
                _log.debug("reading the log level failed: %s", error)
                await asyncio.sleep(RETRY_S)
                self._stale.set()

    def on_subscribed(self) -> None:
        self._stale.set()

    def on_pattern(self) -> None:
        return

    def on_lost(self) -> None:
        return

    def on_message(self, _channel: str, data: bytes) -> None:
        obey(data, self._settings)

    def on_pattern_message(self, _data: bytes, /) -> None:
        return
