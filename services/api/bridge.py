"""One Redis subscription per replica, however many clients listen.

Events are edges and may be lost; hashes are levels and are read again whenever that could have
happened (docs/protocol.md).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from services.api.awaited import Awaited
from services.api.projection import Projection, StateListener, Verdict
from shared.bus.commands import read_receipt
from shared.bus.jobs import JobNews, read_job_end, read_open_jobs
from shared.bus.keys import Keys
from shared.bus.services import read_all_services, read_service
from shared.bus.subscription import Subscription
from shared.models.command import Receipt
from shared.models.log import LogChunk
from shared.models.service import ServiceState

log = logging.getLogger(__name__)

LogListener = Callable[[LogChunk], None]
MetricsListener = Callable[[bytes], None]
JobListener = Callable[[JobNews], None]

REREAD_AFTER_S = 0.3
"""Pause before a failed read of the hashes is tried again."""


@dataclass(slots=True)
class BridgeCounters:
    """What happened since the start of this replica."""

    connects: int = 0
    resyncs: int = 0
    rereads: int = 0
    events: int = 0
    receipts: int = 0
    log_chunks: int = 0
    snapshots: int = 0
    bad_messages: int = 0


class Bridge:
    """Redis channels on one side, futures and callbacks on the other.

    Callbacks run on the event loop and must not wait; `redis` is a commands client.
    """

    def __init__(self, redis_url: str, keys: Keys, redis: Redis, name: str = "dumb-api") -> None:
        self.counters = BridgeCounters()
        self._keys = keys
        self._redis = redis
        self._projection = Projection()
        self._awaited = Awaited()
        self._state_listeners: list[StateListener] = []
        self._log_listeners: list[LogListener] = []
        self._log_sync_listeners: list[Callable[[], None]] = []
        self._account_listeners: list[Callable[[], None]] = []
        self._metrics_listeners: list[MetricsListener] = []
        self._jobs: dict[str, JobNews] = {}
        self._job_listeners: list[JobListener] = []
        self._log_users = 0
        self._metrics_users = {keys.metrics: 0, keys.metrics_fast: 0}
        self._subscribed = False
        self._epoch = 0
        self._synced = asyncio.Event()
        self._work = asyncio.Event()
        self._resync_all = False
        self._reread: set[str] = set()
        self._handlers: dict[str, Callable[[bytes], None]] = {
            keys.status: self._on_status,
            keys.command_results: self._on_receipt,
            keys.jobs: lambda data: self._tell_job(JobNews.from_json(data)),
        }
        channels = (*self._handlers, keys.auth_changed)
        self._subscription = Subscription(
            redis_url, f"{name}-bridge", channels, keys.log_pattern, self
        )

    @property
    def connected(self) -> bool:
        """Whether events arrive and `states` was read since the subscription began."""
        return self._subscribed and self._synced.is_set()

    @property
    def states(self) -> dict[str, ServiceState]:
        """Every published service by name. While Redis is away: as last known. Do not change it."""
        return self._projection.states

    async def wait_connected(self, timeout: float) -> bool:
        """Wait until `connected`, at most `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._synced.wait()
        except TimeoutError:
            return False
        return True

    def expect(self, command_id: str) -> asyncio.Future[Receipt]:
        """A future for a command's final receipt; ask before the command is published.

        Never fails by itself: while Redis is away it waits, and after a reconnect the receipt is
        read again. The caller has the deadline and calls `forget` once per `expect`.
        """
        return self._awaited.expect(command_id)

    def forget(self, command_id: str) -> None:
        self._awaited.forget(command_id)

    def abandon(self) -> None:
        """Answer whoever still waits for a receipt: this replica ends."""
        self._awaited.abandon()

    def on_state(self, listener: StateListener) -> None:
        """Call `listener(process_name, state)` at every change of `states`."""
        self._state_listeners.append(listener)

    def on_log(self, listener: LogListener) -> None:
        """Call `listener(chunk)` for every log chunk, while `acquire_logs` holds."""
        self._log_listeners.append(listener)

    def on_log_sync(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when a log subscription begins: what came before must be read."""
        self._log_sync_listeners.append(listener)

    def on_accounts(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when accounts or logins changed, or may have unheard."""
        self._account_listeners.append(listener)

    @property
    def open_jobs(self) -> dict[str, JobNews]:
        """Every background job that is not over, by id, as last known. Do not change it."""
        return self._jobs

    def on_job(self, listener: JobListener) -> None:
        """Call `listener(news)` at every change of a background job."""
        self._job_listeners.append(listener)

    def acquire_logs(self) -> None:
        """Log chunks are wanted. Pair with `release_logs`."""
        self._log_users += 1
        self._subscription.want_pattern(True)

    def release_logs(self) -> None:
        self._log_users -= 1
        self._subscription.want_pattern(self._log_users > 0)

    def on_metrics(self, listener: MetricsListener) -> None:
        """Call `listener(snapshot as JSON)` for every sample, while `acquire_metrics` holds."""
        self._metrics_listeners.append(listener)

    def acquire_metrics(self, *, fast: bool) -> None:
        """Snapshots are wanted; the subscriptions tell the collector. Pair with the release."""
        self._count_metrics(1, fast)

    def release_metrics(self, *, fast: bool) -> None:
        self._count_metrics(-1, fast)

    def _count_metrics(self, step: int, fast: bool) -> None:
        for channel in (self._keys.metrics, self._keys.metrics_fast)[: 2 if fast else 1]:
            self._metrics_users[channel] += step
            self._subscription.want_channel(channel, self._metrics_users[channel] > 0)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._subscription.run(), name="bridge-listen")
            group.create_task(self._read_forever(), name="bridge-read")

    # -- what the subscription says ---------------------------------------------------------

    def on_subscribed(self) -> None:
        self._subscribed = True
        self.counters.connects += 1
        self._want_resync()
        self._tell_accounts()

    def on_lost(self) -> None:
        self._subscribed = False
        self._epoch += 1
        self._synced.clear()

    def on_pattern(self) -> None:
        for listener in self._log_sync_listeners:
            _call(listener)

    def on_message(self, channel: str, data: bytes) -> None:
        if channel == self._keys.auth_changed:
            self._tell_accounts()
            return
        if channel == self._keys.metrics:
            self.counters.snapshots += 1
            for listener in self._metrics_listeners:
                _call(listener, data)
            return
        handle = self._handlers[channel]
        try:
            handle(data)
        except (ValueError, TypeError, AttributeError, KeyError):
            self.counters.bad_messages += 1

    def on_pattern_message(self, data: bytes) -> None:
        try:
            chunk = LogChunk.decode(data)
        except ValueError:
            self.counters.bad_messages += 1
            return
        if chunk.end - chunk.start != len(chunk.data) or not chunk.data.endswith(b"\n"):
            self.counters.bad_messages += 1
            return
        self.counters.log_chunks += 1
        for listener in self._log_listeners:
            _call(listener, chunk)

    def _on_receipt(self, message: bytes) -> None:
        self._awaited.resolve(Receipt.from_json(message))
        self.counters.receipts += 1

    def _on_status(self, message: bytes) -> None:
        tree = orjson.loads(message)
        if tree.get("resync") is True:
            self._want_resync()
            return
        event = ServiceState.from_mapping(tree)
        if not isinstance(event.process_name, str) or not isinstance(event.seq, int):
            raise TypeError("process_name or seq")
        self.counters.events += 1
        verdict = self._projection.apply(event)
        if verdict is not Verdict.OLD:
            self._tell_state(event.process_name)
        if verdict is not Verdict.NEXT:
            self._reread.add(event.process_name)
            self._work.set()

    def _want_resync(self) -> None:
        self._resync_all = True
        self._work.set()

    async def _read_forever(self) -> None:
        """Bring `states` and awaited receipts up to date whenever something asked for it."""
        while True:
            await self._work.wait()
            self._work.clear()
            everything, self._resync_all = self._resync_all, False
            names, self._reread = self._reread, set()
            try:
                if everything:
                    await self._read_everything()
                else:
                    await self._read_some(names)
            except (RedisError, OSError) as error:
                log.debug("Reading states failed, will be tried again: %s", error)
                self._resync_all = self._resync_all or everything
                self._reread |= names
                await asyncio.sleep(REREAD_AFTER_S)
                self._work.set()

    async def _read_everything(self) -> None:
        epoch = self._epoch
        self._projection.begin_read()
        changed = self._projection.merge_all(await read_all_services(self._redis, self._keys))
        for name in changed:
            self._tell_state(name)
        for command_id in self._awaited.open_ids():
            await self._read_awaited(command_id)
        try:
            await self._read_jobs()
        except ResponseError as error:  # another type is there: no reason to be without the states
            log.debug("Reading open jobs failed: %s", error)
        self.counters.resyncs += 1
        if self._subscribed and self._epoch == epoch:
            self._synced.set()

    async def _read_some(self, names: set[str]) -> None:
        for name in sorted(names):
            self._projection.begin_read()
            try:
                found = await read_service(self._redis, self._keys, name)
            except ValueError:
                self.counters.bad_messages += 1
                continue
            self.counters.rereads += 1
            if self._projection.merge_one(name, found):
                self._tell_state(name)

    async def _read_jobs(self) -> None:
        """What a lost connection may have kept from us: new states, and jobs that ended."""
        found = await read_open_jobs(self._redis, self._keys)
        for job_id, known in list(self._jobs.items()):
            if job_id not in found:
                self._tell_job(await read_job_end(self._redis, known))
        for job_id, news in found.items():
            if self._jobs.get(job_id) != news:
                self._tell_job(news)

    def _tell_job(self, news: JobNews) -> None:
        if news.open:
            self._jobs[news.id] = news
        else:
            self._jobs.pop(news.id, None)
        for listener in self._job_listeners:
            _call(listener, news)

    async def _read_awaited(self, command_id: str) -> None:
        try:
            receipt = await read_receipt(self._redis, self._keys, command_id)
        except (ValueError, TypeError):
            self.counters.bad_messages += 1
            return
        if receipt is not None:
            self._awaited.resolve(receipt)

    def _tell_accounts(self) -> None:
        for listener in self._account_listeners:
            _call(listener)

    def _tell_state(self, name: str) -> None:
        for listener in self._state_listeners:
            _call(listener, name, self.states.get(name))


def _call(listener: Callable[..., None], *args: object) -> None:
    try:
        listener(*args)
    except Exception:  # one listener's fault must not end the subscription of all
        log.exception("A listener of the bridge failed")
