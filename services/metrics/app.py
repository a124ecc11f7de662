"""The collector as a whole: samples at its pace, publishes, and goes on whatever Redis does."""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import orjson
from redis.exceptions import RedisError, ResponseError

from services.metrics.history.encoding import Row
from services.metrics.history.keeper import Keeper
from services.metrics.history.migration import Migration
from services.metrics.history.store import Store
from services.metrics.network import read_sockets
from services.metrics.news import News
from services.metrics.pace import AFTER_CHANGE_S, LOOK_S, Demand, sample_interval
from services.metrics.publisher import Publisher
from services.metrics.sampler import Plan, Sampler
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.bus.log_level import LevelFollower
from shared.bus.subscription import Subscription
from shared.settings import Settings
from shared.version import VERSION

_log = logging.getLogger(__name__)

SOCKETS_EVERY_S: Final = 15.0
CANDIDATES_EVERY_S: Final = 30.0
MAX_REQUESTS: Final = 16
RETRY_S: Final = 1.0
FAREWELL_S: Final = 1.0


class Collector:
    """One per host. Everything it knows can be measured again, so it has nothing to recover."""

    def __init__(self, settings: Settings) -> None:
        self._keys = Keys(settings.redis_prefix)
        self._redis = commands_client(settings.redis_url, "dumb-metrics", 4)
        self._publisher = Publisher(self._redis, self._keys)
        self._wake = asyncio.Event()
        self._news = News(self._redis, self._keys, self._wake.set)
        self._subscription = Subscription(
            settings.redis_url,
            "dumb-metrics-news",
            (self._keys.status, self._keys.config_changed, self._keys.metrics_requests),
            "",
            self._news,
        )
        self._level = LevelFollower(self._redis, settings, "dumb-metrics")
        self._sampler = Sampler()
        self._keeper = Keeper(Store(self._redis, self._keys))
        self._migration = Migration(self._redis, self._keys, self._keeper)
        self._requests: asyncio.Queue[bytes] = asyncio.Queue(MAX_REQUESTS)
        self._news.on_request = self._ask
        self._plan = Plan()
        # Two threads: a slow look at all sockets must not make a sample late.
        self._sampling = ThreadPoolExecutor(1, "sample")
        self._looking = ThreadPoolExecutor(1, "sockets")
        self._outgoing: tuple[bytes, dict[str, float]] = (b"", {})
        self._sendable = asyncio.Event()
        self._away = False
        self._history_trouble = ""

    async def run(self) -> int:
        """Collect until a signal; the exit code."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        work = (
            self._subscription.run,
            self._news.run,
            self._level.run,
            self._sample_forever,
            self._send_forever,
            self._look_forever,
            self._offer_forever,
            self._migrate_forever,
        )
        tasks = [asyncio.create_task(_for_ever(one), name=one.__qualname__) for one in work]
        gc.collect()
        gc.freeze()
        _log.info("metrics %s up", VERSION)
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=FAREWELL_S)
        await self._farewell()
        return 0

    async def _farewell(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._publisher.goodbye()
        except (TimeoutError, RedisError, OSError) as error:
            _log.debug("the last news did not reach Redis: %s", error)
        await self._redis.aclose(close_connection_pool=True)
        self._sampling.shutdown(wait=False, cancel_futures=True)
        self._looking.shutdown(wait=False, cancel_futures=True)

    # -- samples -----------------------------------------------------------------------------

    async def _sample_forever(self) -> None:
        last = -sample_interval(Demand.NONE, None)
        await self._news_first()
        while True:
            interval = sample_interval(await self._demand(), self._history_interval())
            if self._wake.is_set():
                interval = min(interval, AFTER_CHANGE_S)
            left = last + interval - time.monotonic()
            if left > 0:
                await self._pause(min(left, LOOK_S))
                continue
            self._wake.clear()
            last = time.monotonic()
            await self._sample()

    async def _news_first(self) -> None:
        """The first sample shall know the services already, if Redis is there."""
        await self._with_redis(self._news.read())

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless a service changes its pid meanwhile."""
        if self._wake.is_set():
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _sample(self) -> None:
        news = self._news
        if news.options != self._plan.options:
            self._keeper.prune_soon()
        self._plan = replace(
            self._plan, options=news.options, watched=news.watched, running=news.running()
        )
        began, cpu = time.perf_counter(), time.thread_time()
        loop = asyncio.get_running_loop()
        keep = self._keeper.wants(news.options)
        snapshot, row, spent = await loop.run_in_executor(self._sampling, self._measure, keep)
        if row is not None:
            self._keeper.add(row)
        cost = {
            "sample_wall_s": round(time.perf_counter() - began, 6),
            "sample_cpu_s": round(spent + time.thread_time() - cpu, 6),
        }
        self._outgoing = (orjson.dumps(snapshot), cost)
        self._sendable.set()

    def _measure(self, keep: bool) -> tuple[dict[str, Any], Row | None, float]:
        """In the sampling thread; the last part is its CPU time in seconds."""
        began = time.thread_time()
        snapshot = self._sampler.sample(self._plan)
        row = self._keeper.encode(snapshot) if keep else None
        return snapshot, row, time.thread_time() - began

    async def _send_forever(self) -> None:
        """Apart from the sampling, which a Redis that hangs must not delay; the latest wins."""
        while True:
            await self._sendable.wait()
            self._sendable.clear()
            await self._with_redis(self._send(*self._outgoing))

    async def _send(self, data: bytes, cost: dict[str, float]) -> None:
        await self._publisher.publish(data, cost)
        try:
            await self._keeper.flush(self._plan.options)
        except ResponseError as error:  # out of memory, no permission: not a matter of presence
            # redis-py puts the command before it, which here is packed bytes.
            why = str(error).rpartition("caused error: ")[2]
            if why != self._history_trouble:
                _log.error("the history cannot be written: %s", why)
            self._history_trouble = why
        else:
            self._history_trouble = ""

    def _history_interval(self) -> float | None:
        options = self._news.options
        return options.history_interval_s if options.history else None

    # -- the slow clock ----------------------------------------------------------------------

    async def _look_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sockets = await loop.run_in_executor(self._looking, read_sockets)
            self._plan = replace(self._plan, sockets=sockets)
            await asyncio.sleep(SOCKETS_EVERY_S)

    async def _offer_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # The paths are looked at as part of the samples; the first ones take a moment.
            await asyncio.sleep(RETRY_S)
            found = await loop.run_in_executor(self._sampling, self._sampler.candidates)
            done = await self._with_redis(self._publisher.publish_candidates(found))
            await asyncio.sleep(CANDIDATES_EVERY_S if done else 0)

    # -- the past ----------------------------------------------------------------------------

    def _ask(self, request: bytes) -> None:
        """A request came; of too many at once the last ones are not heard."""
        if not self._requests.full():
            self._requests.put_nowait(request)

    async def _migrate_forever(self) -> None:
        await self._news.known.wait()
        begun = await self._with_redis(self._begin_migration())
        if not begun:
            return  # it is tried again
        while True:
            request = await self._requests.get()
            await self._with_redis(self._migration.answer(request, self._news.options))

    async def _begin_migration(self) -> None:
        await self._keeper.mend()  # another type where its record belongs would end each try
        await self._migration.at_start(self._news.options)

    # -- Redis -------------------------------------------------------------------------------

    async def _demand(self) -> Demand:
        if self._away:
            return Demand.NONE
        try:
            return await self._publisher.demand()
        except (RedisError, OSError) as error:
            self._note(error)
            return Demand.NONE

    async def _with_redis(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether it could be done. Redis being away is told once and is no reason to end."""
        try:
            await work
        except (RedisError, OSError) as error:
            self._note(error)
            return False
        if self._away:
            self._away = False
            _log.info("Redis is back")
        return True

    def _note(self, error: BaseException) -> None:
        if not self._away:
            self._away = True
            _log.warning("Redis is away (%s): measuring goes on", error)


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Begin again what fails: one odd value in /proc must not end the measuring.

    What fails again and again for the same reason is told once.
    """
    told = ""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - an edge that must not die
            if repr(error) != told:
                told = repr(error)
                _log.exception("%s failed and is begun again", getattr(work, "__name__", "work"))
        await asyncio.sleep(RETRY_S)
