"""The log level of all programs: what the configuration says, until somebody wants to debug.

That lasts as long as this supervisor does.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio import Redis

from services.supervisor.job import Job
from services.supervisor.outbox import Outbox
from shared.bus.claim import Fence
from shared.bus.keys import Keys
from shared.models.command import CommandStatus
from shared.models.log_level import LogLevel, usable_level

_log = logging.getLogger(__name__)


class LogLevels:
    """Takes `set-log-level`; `args.debug` is true or false."""

    def __init__(
        self,
        dumb: Callable[[], Mapping[str, Any]],
        fallback: str,
        outbox: Outbox,
        keys: Keys,
        fence: Fence,
    ) -> None:
        """`dumb`: that block of the configuration, whose level may be missing or none."""
        self._dumb = dumb
        self._fallback = fallback
        self._outbox = outbox
        self._keys = keys
        self._fence = fence
        self._debug = False
        self._told: LogLevel | None = None

    def submit(self, job: Job) -> None:
        """Take a claimed job; it is finished here, once everybody was told."""
        debug = job.command.args.get("debug")
        if not isinstance(debug, bool):
            job.finish(CommandStatus.REJECTED, "'debug' must be true or false.")
            return
        self._debug = debug
        self.refresh()
        job.finish(CommandStatus.SUCCEEDED, f"the level is {self._level().effective}")

    def refresh(self) -> None:
        """Apply what is so now, and tell it if it is new."""
        level = self._level()
        if level != self._told:
            self._told = level
            logging.getLogger().setLevel(level.effective)
            _log.info("the log level is %s", level.effective)
            self._outbox.level(self._keys.log_level, level.to_json(), self._keys.log_level_changed)

    async def publish(self, redis: Redis) -> None:
        """A new connection. Raises what redis-py raises."""
        data, keys = self._level().to_json(), self._keys
        told = ("PUBLISH", keys.log_level_changed, data)
        await self._fence.write(redis, ("SET", keys.log_level, data), told)

    def _level(self) -> LogLevel:
        configured = usable_level(self._dumb().get("log_level"), self._fallback)
        return LogLevel(configured, self._debug)
