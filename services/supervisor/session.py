"""One connection to Redis after another: take the claim, publish what is true, then serve until
the connection breaks or the claim is lost."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from services.supervisor.claim import Claim
from services.supervisor.inbox import Inbox
from services.supervisor.logsender import LogSender
from services.supervisor.outbox import Outbox
from shared.bus.claim import ClaimLostError, claim_lost
from shared.bus.client import commands_client, reader_client

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0
_TELL_AGAIN_S: Final = 0.1
TRIM_EVERY_S: Final = 30.0
HELD_LOOK_S: Final = 0.5
"""Between two attempts to take the claim from a supervisor that holds it."""

Publish = Callable[[Redis], Awaitable[None]]


class Session:
    """Keeps the supervisor connected; supervision goes on without it."""

    def __init__(
        self,
        url: str,
        claim: Claim,
        inbox: Inbox,
        outbox: Outbox,
        sender: LogSender,
        *,
        beat: Publish,
        publish_config: Publish,
    ) -> None:
        self._url = url
        self._claim = claim
        self._inbox = inbox
        self._outbox = outbox
        self._sender = sender
        self._beat = beat
        self._publish_config = publish_config
        self._redis: Redis | None = None
        self._away_since: float | None = None
        self._holder = ""
        """Who has the claim while it is not ours."""

    async def run(self) -> None:
        """Connect, serve, and connect again, until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                await self._serve()
            except* (RedisError, OSError) as group:
                self._note_outage(group.exceptions[0])
            except* Exception:  # noqa: BLE001 - an edge that must not die: it is how we are commanded
                _log.exception("the connection to Redis ended on a fault of ours")
            if time.monotonic() - began > _LONGEST_PAUSE_S:
                pause = _FIRST_PAUSE_S
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def goodbye(self, *, leaving: bool) -> None:
        """The last beat. `leaving`: no successor takes over, so others need not wait.

        Raises what redis-py raises.
        """
        if self._redis is None:
            return
        await self._beat(self._redis)
        if leaving:
            await self._claim.release(self._redis)

    async def _serve(self) -> None:
        redis = commands_client(self._url, "dumb-supervisor", 8)
        reader = reader_client(self._url, "dumb-supervisor-reader")
        try:
            await redis.ping()
            await self._hold(redis)
            await self._claim.fence.load(redis)
            self._redis = redis
            # Renewed also while everything is published, which can take its time.
            await _together(self._claim.keep(redis), self._publish_and_serve(redis, reader))
        finally:
            self._redis = None
            await redis.aclose(close_connection_pool=True)
            await reader.aclose(close_connection_pool=True)

    async def _hold(self, redis: Redis) -> None:
        """Return once the claim is ours. Raises what redis-py raises."""
        while (found := await self._claim.take(redis)).word not in {"kept", "taken"}:
            if str(found.holder) != self._holder:
                self._holder = str(found.holder)
                self._outbox.yielded()
                _log.error(
                    "Redis is in use by %s. Services are supervised here; nothing is written to "
                    "Redis and no command is taken until that supervisor ends",
                    self._holder,
                )
            await asyncio.sleep(HELD_LOOK_S)
        if self._holder:
            _log.info("Redis is this supervisor's again: %s is gone", self._holder)
            self._holder = ""

    async def _publish_and_serve(self, redis: Redis, reader: Redis) -> None:
        await self._inbox.prepare(redis)
        await self._publish_config(redis)
        await self._outbox.connect(redis)
        await self._beat(redis)
        self._note_recovery()
        await _together(
            self._outbox.run(redis),
            self._sender.run(redis),
            self._inbox.run(redis, reader),
            self._trim(redis),
        )

    async def _trim(self, redis: Redis) -> None:
        last = time.monotonic()
        while True:
            await self._beat(redis)
            await self._inbox.sweep(redis)
            await asyncio.sleep(1.0)
            if time.monotonic() - last > TRIM_EVERY_S:
                last = time.monotonic()
                await self._inbox.trim(redis)
                await self._outbox.mend(redis)

    def _note_outage(self, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("%s: services go on, commands wait", _sentence(error))

    def _note_recovery(self) -> None:
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            self._away_since = None
            _log.info("Redis is back after %.1f s, everything was published again", away)


def _sentence(error: BaseException) -> str:
    if claim_lost(error):
        lost = "The claim is gone from Redis, or another supervisor has it."
        return str(error) if isinstance(error, ClaimLostError) else lost
    # In a script Redis 6.2 and 7 have no code for it, only words.
    if isinstance(error, NoPermissionError) or "can't access at least one" in str(error):
        return f"Redis refuses what this user needs ({error}), see deploy/redis/users.acl.in"
    return f"Redis is away ({error})"


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until the first one ends, then end the others. Raises what the first one raised."""
    tasks = {asyncio.create_task(one) for one in work}
    done: set[asyncio.Task[None]] = set()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancelled(*tasks)
    errors = [error for task in done if (error := task.exception()) is not None]
    if errors:
        raise errors[0]


async def cancelled(*tasks: "asyncio.Task[None]") -> None:
    """End tasks, telling them as often as it takes.

    `asyncio.TaskGroup` tells them once, and a cancellation that meets redis-py while it connects
    can get lost: the supervisor then neither ended nor connected again.
    """
    left = set(tasks)
    for task in left:  # also when this is cancelled itself, before they have ended
        task.add_done_callback(_retrieve)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_TELL_AGAIN_S)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """An exception that nothing retrieves ends as a traceback in the log."""
    if not task.cancelled():
        task.exception()
