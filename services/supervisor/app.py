"""The supervisor as a whole: takes the lock, recovers, serves, and ends in order."""

import asyncio
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from services.supervisor.accounts import Accounts
from services.supervisor.appfiles.worker import AppFiles, own_files
from services.supervisor.capture import Capture
from services.supervisor.commands.bulk import Bulk
from services.supervisor.commands.parts import Wholes
from services.supervisor.config_desk import ConfigDesk
from services.supervisor.config_news import publish_config, ui_news, whole_news
from services.supervisor.configuration import Configuration, Step
from services.supervisor.dispatcher import Dispatcher
from services.supervisor.effects import Effects
from services.supervisor.identity import boot_id
from services.supervisor.inbox import Inbox
from services.supervisor.job import SHUTDOWN, Job, internal_command
from services.supervisor.journal import Journal
from services.supervisor.lifecycle import Lifecycle
from services.supervisor.logs import LogFeed, LogShelf, limits_of
from services.supervisor.logsender import LogSender
from services.supervisor.outbox import Outbox
from services.supervisor.ownlog import OwnLogHandler
from services.supervisor.recovery import Recovery
from services.supervisor.registry import API_KEY, Registry
from services.supervisor.session import Session, cancelled
from services.supervisor.spawn import Surroundings
from services.supervisor.surroundings import describe
from services.supervisor.tail import Tails
from services.supervisor.unit import Unit
from shared.bus.client import BUS_ERRORS
from shared.bus.keys import Keys
from shared.config.dependencies import Dependencies, dependencies
from shared.config.services import ServiceBlock
from shared.errors import DumbError
from shared.models.command import Action
from shared.models.service import ServiceState
from shared.settings import Settings
from shared.version import VERSION

_log = logging.getLogger(__name__)

HEARTBEAT_TTL_S: Final = 5
PROGRESS_EVERY_S: Final = 2.0
DESCRIBE_EVERY_S: Final = 15.0
FAREWELL_S: Final = 3.0
"""How long the last news may take to reach Redis at the end."""


class AlreadyRunningError(DumbError):
    """Another supervisor holds the lock of this data directory."""

    code = "already_running"


class Supervisor:
    """Wiring and phases. One per data directory, enforced by a lock."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], own_log: OwnLogHandler
    ) -> None:
        """Take the lock and read journal and configuration.

        Raises:
            AlreadyRunningError, JournalError, ConfigError: it cannot serve.
        """
        self._settings = settings
        self._environ = dict(environ)
        self._project = Path(__file__).resolve().parents[2]
        self._stop = asyncio.Event()
        self._handover = False
        self._catch_signals()  # before the lock: who sees its pid there may signal it
        self._lock = _take_lock(settings.run_dir)
        self._started_at = time.time()
        self._phase = "initializing"
        self._keys = Keys(settings.redis_prefix)
        self._journal = Journal(settings.run_dir / "journal.jsonl")
        self._config = Configuration(settings.config_path, settings.run_dir, environ, settings.home)
        self._config.load()
        self._shelf = LogShelf(settings.log_dir, settings.run_dir / "logs")
        self._shelf.limits = limits_of(self._config.dumb)
        self._registry = Registry(self._make_unit)
        self._outbox = Outbox(self._keys, self._registry.states)
        self._sender = LogSender(self._shelf, self._keys)
        self._tails = Tails(self._shelf)
        self._accounts = Accounts(settings.users_path, settings.run_dir, self._keys)
        self._accounts.load()
        self._desk = ConfigDesk(self._config, self._running, self._config_adopted)
        self._app_files = AppFiles(
            self._config.services,
            self._surroundings,
            self._outbox,
            own_files(settings),
        )
        self._wholes = Wholes(self._registry.units, self._journal, self._outbox)
        self._dispatcher = Dispatcher(
            self._registry,
            self._journal,
            self._outbox,
            self._desk,
            self._accounts.submit,
            app_files=self._app_files.submit,
            others={Action.BULK: Bulk(self._wholes, self._graph).submit},
        )
        self._published = ("", -1, -1)
        self._described = 0.0
        self._own_log = own_log
        self._waits: set[asyncio.Task[None]] = set()

    # -- life ------------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until a signal; the exit code (0, or 1 when something had to be left behind)."""
        self._open_own_log()
        self._registry.configure(self._config.services())
        recovery = Recovery(self._registry, self._journal, self._shelf, self._outbox)
        clean = self._journal.memory.clean or self._journal.memory.boot_id != boot_id()
        recovery.take_over()
        self._journal.begin_run(boot_id())
        session = self._session()
        serving = asyncio.create_task(session.run())
        self._phase = "starting_services"
        boot = [self._internal(action, unit, "boot") for action, unit in recovery.plan(clean=clean)]
        background = [
            asyncio.create_task(self._tails.run(self._registry)),
            asyncio.create_task(self._watch_boot(boot)),
            asyncio.create_task(self._desk.run()),
            asyncio.create_task(self._accounts.run()),
        ]
        _log.info(
            "supervisor %s up: %d services, %d adopted, %d to start",
            VERSION, len(self._registry.units), recovery.adopted, len(boot),
        )  # fmt: skip
        _spare_the_collector()
        await self._stop.wait()
        for task in background:
            task.cancel()
        code = self._detach() if self._handover else await self._shut_down()
        await self._farewell(session, serving)
        return code

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGUSR2, self._hand_over)

    def _hand_over(self) -> None:
        self._handover = True
        self._stop.set()

    def _detach(self) -> int:
        """Leave every service running for the next supervisor."""
        self._dispatcher.closing = True
        self._wholes.freeze()
        for unit in self._registry.units.values():
            unit.lifecycle.detach()
        _log.info("handed over: the services go on running")
        return 0

    async def _shut_down(self) -> int:
        """Stop every service; nothing new is begun meanwhile."""
        self._phase = "shutting_down"
        self._dispatcher.closing = True
        closing = asyncio.create_task(self._wholes.close())
        jobs = [
            self._internal(Action.STOP, unit, SHUTDOWN)
            for unit in self._registry.units.values()
            if unit.lifecycle.alive or unit.busy
        ]
        _log.info("shutting down: stopping %d services", len(jobs))
        waiting = {asyncio.create_task(job.done.wait()) for job in jobs}
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=PROGRESS_EVERY_S)
            left = [job.command.process_name for job in jobs if not job.done.is_set()]
            if left:
                _log.info("still stopping: %s", ", ".join(left))
        await closing
        survivors = [u.name for u in self._registry.units.values() if u.lifecycle.alive]
        if survivors:
            _log.error("could not be stopped: %s", ", ".join(survivors))
            return 1
        self._journal.end_run()
        _log.info("everything is stopped")
        return 0

    async def _farewell(self, session: Session, serving: "asyncio.Task[None]") -> None:
        """Let the last states, receipts and lines reach Redis, if it is there."""
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._outbox.drained()
                await self._sender.drained()
                await session.goodbye()
        except (TimeoutError, *BUS_ERRORS) as error:
            _log.warning("the last news did not reach Redis (%s)", error or "no answer in time")
        await cancelled(serving)
        self._own_log.sink = None
        self._app_files.close()
        self._shelf.close()
        self._journal.close()

    # -- services --------------------------------------------------------------------------

    def _make_unit(self, block: ServiceBlock) -> Unit:
        effects = Effects(
            journal=self._journal,
            outbox=self._outbox,
            shelf=self._shelf,
            run_dir=self._settings.run_dir,
            surroundings=self._surroundings,
            throttle=self._throttle,
        )
        record = self._journal.memory.services.get(block.process_name, {})
        state = _state_of(block, record.get("state"))
        return Unit(Lifecycle(block, state, effects))

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            home=self._settings.home,
            project=self._project,
            python=sys.executable,
            environ=self._environ,
            top=self._config.effective,
        )

    def _graph(self) -> Dependencies:
        return dependencies(self._config.effective)

    def _internal(self, action: Action, unit: Unit, why: str) -> Job:
        job = Job(internal_command(action, unit.name, why), self._journal, self._outbox)
        unit.submit(job)
        return job

    def _throttle(self, capture: Capture, feed: LogFeed) -> None:
        """Backpressure: who writes faster than Redis takes it waits in its own pipe."""
        if not self._sender.lagging(feed):
            return
        capture.pause()

        async def resume() -> None:
            await self._sender.room(feed)
            capture.follow()

        task = asyncio.get_running_loop().create_task(resume())
        self._waits.add(task)
        task.add_done_callback(self._waits.discard)

    async def _watch_boot(self, jobs: list[Job]) -> None:
        """Name the phase: ready or degraded once every service of the boot has its outcome."""
        for job in jobs:
            await job.done.wait()
        failed = [job for job in jobs if job.receipt.status.value != "succeeded"]
        self._phase = "degraded" if failed else "ready"
        for job in failed:
            _log.error("%s", job.receipt.detail)
        if jobs:
            _log.info("%d of %d services started", len(jobs) - len(failed), len(jobs))

    # -- configuration ---------------------------------------------------------------------

    def _running(self) -> frozenset[str]:
        units = self._registry.units.values()
        return frozenset(unit.name for unit in units if unit.lifecycle.alive or unit.busy)

    def _config_adopted(self, step: Step) -> None:
        """A change is in force: services take it over, and it is announced before its receipt."""
        config, record = self._config, step.record
        if record is not None:
            self._shelf.limits = limits_of(config.dumb)
            names = self._names()
            for name in self._registry.configure(config.services()):
                self._journal.forget(name)
            if self._names() != names:
                self._outbox.rewrite()
        only_ui = step.ui_changed and record is None
        news = ui_news(config, self._keys) if only_ui else whole_news(config, self._keys, record)
        if (step.changed or self._published_problem != config.problem) and self._outbox.config(
            news
        ):
            self._published = self._stand()

    def _names(self) -> set[str]:
        return {state.process_name for state in self._registry.states()}

    def _stand(self) -> tuple[str, int, int]:
        return self._config.problem, self._config.version, self._config.ui_revision

    @property
    def _published_problem(self) -> str:
        return self._published[0]

    async def _publish_config(self, redis: Redis) -> None:
        stand = self._stand()
        await publish_config(redis, self._keys, self._config)
        self._published = stand

    # -- Redis -----------------------------------------------------------------------------

    def _session(self) -> Session:
        return Session(
            self._settings.redis_url,
            Inbox(self._keys, self._dispatcher),
            self._outbox,
            self._sender,
            beat=self._beat,
            publish_config=self._publish_first,
        )

    async def _publish_first(self, redis: Redis) -> None:
        """What readers decide by, before anything else of a new connection."""
        self._described = 0.0
        await self._publish_config(redis)
        await self._accounts.publish(redis)

    async def _beat(self, redis: Redis) -> None:
        """The heartbeat; and news of the configuration, which are as rare."""
        if self._published != self._stand():
            await self._publish_config(redis)
            self._outbox.rewrite()
        await self._describe(redis)
        key = self._keys.supervisor
        fields: dict[Any, Any] = {
            "node": socket.gethostname(),
            "version": VERSION,
            "pid": str(os.getpid()),
            "boot_id": boot_id(),
            "started_at": str(self._started_at),
            "heartbeat_at": str(time.time()),
            "phase": self._phase,
            "rejected": str(self._outbox.rejected),
        }
        pipe = redis.pipeline(transaction=True)
        pipe.delete(key)  # also when somebody wrote another type there
        if not self._stop.is_set() or self._handover:
            pipe.hset(key, mapping=fields)
            pipe.expire(key, HEARTBEAT_TTL_S)
        await pipe.execute()
        if await self._accounts.keep(redis):  # emptied beneath us, or put back to an older state
            await self._publish_config(redis)
            self._outbox.rewrite()

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
        await redis.set(self._keys.environment, orjson.dumps(facts))

    def _open_own_log(self) -> None:
        names = [b.process_name for b in self._config.services() if b.config_key == API_KEY]
        feed = self._shelf.own(names[0] if names else "DUMB API")

        def sink(data: bytes) -> None:
            feed.store.append(data, {})
            self._shelf.appended(feed)

        self._own_log.sink = sink


def _state_of(block: ServiceBlock, saved: Any) -> ServiceState:
    """What the journal remembers of a service, under what its block says today."""
    state = ServiceState(process_name=block.process_name)
    if isinstance(saved, dict):
        try:
            state = ServiceState.from_mapping(saved)
        except ValueError as error:
            _log.warning("the journal's state of %s is unusable: %s", block.process_name, error)
    return state.with_(enabled=block.enabled, config_key=block.config_key, instance=block.instance)


def _spare_the_collector() -> None:
    """What was imported and set up stays: collecting it again and again costs milliseconds."""
    gc.collect()
    gc.freeze()


def _take_lock(run_dir: Path) -> int:
    """An exclusive lock for as long as this process lives; the file names the holder's pid."""
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = run_dir / "supervisor.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise AlreadyRunningError(
            f"Another supervisor (pid {holder}) is in charge of {run_dir.parent}."
        ) from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
