"""The supervisor as a whole: recovers, serves, and ends in order."""

import asyncio
import gc
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.supervisor.accounts import Accounts
from services.supervisor.appfiles.worker import AppFiles, no_logs, own_files
from services.supervisor.backpressure import Backpressure
from services.supervisor.claim import Claim
from services.supervisor.commands.bulk import Bulk
from services.supervisor.commands.parts import Wholes
from services.supervisor.commands.reset import Reset
from services.supervisor.commands.start_core import StartCore
from services.supervisor.config_desk import ConfigDesk
from services.supervisor.config_publisher import ConfigPublisher
from services.supervisor.configuration import Configuration, Step
from services.supervisor.dispatcher import Dispatcher
from services.supervisor.effects import Effects
from services.supervisor.files.owner import OURS, Owner
from services.supervisor.files.place import Keep
from services.supervisor.fleet.boot import Boot
from services.supervisor.fleet.fleet import Fleet
from services.supervisor.fleet.health import HealthMonitor
from services.supervisor.fleet.policy import RestartPolicy, policy_of
from services.supervisor.fleet.port_moves import move_ports
from services.supervisor.fleet.restarts import Restarter
from services.supervisor.fleet.schedule import Scheduler
from services.supervisor.fleet.shutdown import Shutdown
from services.supervisor.fleet.survey import boot_options
from services.supervisor.heartbeat import Heartbeat
from services.supervisor.identity import boot_id
from services.supervisor.inbox import Inbox
from services.supervisor.job import BOOT, Job, internal_command
from services.supervisor.journal import Journal
from services.supervisor.lifecycle import Lifecycle
from services.supervisor.loglevel import LogLevels
from services.supervisor.logs import LogShelf, limits_of
from services.supervisor.logsender import LogSender
from services.supervisor.outbox import Outbox
from services.supervisor.ownlog import OwnLogHandler
from services.supervisor.ports import free
from services.supervisor.recovery import Recovery, state_of
from services.supervisor.registry import API_KEY, Registry
from services.supervisor.session import Session, cancelled
from services.supervisor.signals import Signals
from services.supervisor.spare import remove_spares
from services.supervisor.spawn import (
    LaunchError,
    Surroundings,
    make_beside_others,
    owner_of,
)
from services.supervisor.tail import Tails
from services.supervisor.unit import Unit
from services.supervisor.upkeep import Upkeep
from shared.bus.keys import Keys
from shared.config.dependencies import Dependencies
from shared.config.services import ServiceBlock
from shared.exits import Exit
from shared.models.command import Action
from shared.models.startup import Startup
from shared.settings import Settings
from shared.states import Desired
from shared.version import VERSION

_log = logging.getLogger(__name__)

FAREWELL_S: Final = 3.0
"""How long the last news may take to reach Redis at the end."""


class Supervisor:
    """Wiring. One per data directory, enforced by a lock, and one per Redis, by a claim."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        own_log: OwnLogHandler,
        signals: Signals,
        claim: Claim,
    ) -> None:
        """Read journal and configuration, under the lock on the data directory.

        Raises:
            JournalError, ConfigError: it cannot serve.
        """
        self._settings = settings
        self._environ = dict(environ)
        self._project = Path(__file__).resolve().parents[2]
        self._own_log = own_log
        self._signals = signals
        self._claim = claim
        fence = claim.fence
        keys = self._keys = Keys(settings.redis_prefix)
        self._heartbeat = Heartbeat(settings, keys, claim, self._environ, self._startup)
        self._journal = Journal(settings.run_dir / "journal.jsonl")
        self._config = Configuration(
            settings.config_path,
            settings.run_dir,
            environ,
            settings.home,
            log_dir=settings.log_dir,
        )
        self._config.load()
        self._shelf = LogShelf(settings.log_dir, settings.run_dir / "logs")
        self._shelf.limits = limits_of(self._config.dumb)
        self._shelf.owner_of = self._owner_of
        self._shelf.keep = Keep(no_logs(settings))
        self._registry = Registry(self._make_unit)
        units = self._registry.units
        self._outbox = Outbox(keys, self._registry.states, fence)
        self._sender = LogSender(self._shelf, keys, fence)
        self._backpressure = Backpressure(self._sender)
        self._restarter = Restarter(units, self._policy, self._submit)
        self._monitor = HealthMonitor(self._policy, self._restarter.checked)
        self._fleet = Fleet(
            self._registry, self._graph, self._submit, self._restarter, self._monitor
        )
        self._boot = Boot(units, self._fleet.moved, self._publish_startup)
        self._accounts = Accounts(settings.users_path, settings.run_dir, keys, fence)
        self._accounts.load()
        self._publisher = ConfigPublisher(self._config, self._outbox, keys, fence)
        self._upkeep = Upkeep(
            keys, fence, self._names, lambda: (self._config.version, self._config.problem)
        )
        self._desk = ConfigDesk(self._config, self._running, self._config_adopted)
        self._app_files = AppFiles(
            self._config.services, self._surroundings, self._outbox, own_files(settings)
        )
        self._wholes = Wholes(units, self._journal, self._outbox)
        self._levels = LogLevels(
            lambda: self._config.dumb, settings.log_level, self._outbox, keys, fence
        )
        self._dispatcher = Dispatcher(
            self._registry,
            self._journal,
            self._outbox,
            self._desk,
            self._accounts.submit,
            app_files=self._app_files.submit,
            others={
                Action.BULK: Bulk(self._wholes, self._graph).submit,
                Action.START_CORE: StartCore(
                    self._wholes,
                    self._desk,
                    self._graph,
                    self._running,
                    free,
                    provide=self._provide,
                ).submit,
                Action.RESET_RESTART_STATE: Reset(self._registry, self._restarter).submit,
                Action.SET_LOG_LEVEL: self._levels.submit,
            },
            certain=lambda: claim.certain,
        )
        self._scheduler = Scheduler(
            units, self._journal, self._dispatcher.own, lambda: self._config.effective.get("tz")
        )

    # -- life ------------------------------------------------------------------------------

    async def run(self) -> Exit:
        """Serve until a signal."""
        self._open_own_log()
        self._levels.refresh()
        self._registry.configure(self._config.services())
        self._tell_problems()
        recovery = Recovery(self._registry, self._journal, self._shelf, self._outbox)
        clean = self._journal.memory.clean or self._journal.memory.boot_id != boot_id()
        recovery.take_over()
        plan = recovery.plan(self._graph(), clean=clean)
        self._journal.begin_run(boot_id())
        session = self._session()
        serving = asyncio.create_task(session.run())
        starting = [unit.name for action, unit in plan if action is Action.START]
        await move_ports(self._config.state, starting, self._registry, self._desk)
        for action, unit in plan:
            self._submit(action, unit, BOOT)
        background = [
            asyncio.create_task(work)
            for work in (
                Tails(self._shelf).run(self._registry),
                self._desk.run(),
                self._accounts.run(),
                self._scheduler.run(),
                self._follow_boot(fresh=bool(plan)),
            )
        ]
        _log.info(
            "supervisor %s up: %d services, %d adopted, %d to start",
            VERSION, len(self._registry.units), recovery.adopted, len(plan),
        )  # fmt: skip
        _spare_the_collector()
        await self._signals.stop.wait()
        for task in background:
            task.cancel()
        self._dispatcher.closing = self._fleet.closing = True
        self._restarter.close()
        self._monitor.close()
        code = self._detach() if self._signals.handover else await self._shut_down()
        await self._farewell(session, serving)
        return code

    async def _follow_boot(self, *, fresh: bool) -> None:
        """Name the phases; once the boot is over, what ends is restarted."""
        expected = [unit.name for unit in self._registry.units.values() if _is_expected(unit)]
        options = boot_options(self._config.dumb.get("startup"))
        synthetic = list(self._registry.synthetic)
        await self._boot.settle(expected, synthetic, options, fresh=fresh)
        self._restarter.begin()
        await self._boot.mend()

    def _detach(self) -> Exit:
        """Leave every service running for the next supervisor."""
        self._wholes.freeze()
        for unit in self._registry.units.values():
            unit.lifecycle.detach()
        _log.info("handed over: the services go on running")
        return Exit.HANDED_OVER

    async def _shut_down(self) -> Exit:
        """Stop every service; nothing new is begun meanwhile."""
        self._boot.shutting_down("")
        closing = asyncio.create_task(self._wholes.close())
        told = self._boot.shutting_down
        code = await Shutdown(self._registry.units, self._graph(), self._submit, told).run()
        await closing
        if code is not Exit.LEFT_BEHIND:
            self._journal.end_run()
        self._heartbeat.leaving = True
        return code

    async def _farewell(self, session: Session, serving: "asyncio.Task[None]") -> None:
        """Let the last states, receipts and lines reach Redis, if it is there."""
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._outbox.drained()
                await self._sender.drained()
                await session.goodbye(leaving=self._heartbeat.leaving)
        except (TimeoutError, RedisError, OSError) as error:
            _log.warning("the last news did not reach Redis (%s)", error or "no answer in time")
        await cancelled(serving)
        if not self._signals.handover:
            remove_spares(self._settings.run_dir)
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
            throttle=self._backpressure.throttle,
            others=self._fleet,
        )
        record = self._journal.memory.services.get(block.process_name, {})
        state = state_of(block, record.get("state"))
        return Unit(Lifecycle(block, state, effects), self._fleet)

    def _owner_of(self, service: ServiceBlock) -> Owner:
        """Whom a service runs as; if that cannot be said, nobody with more rights than we have."""
        try:
            return owner_of(service, self._surroundings())
        except LaunchError:
            return OURS

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            home=self._settings.home,
            project=self._project,
            python=sys.executable,
            environ=self._environ,
            top=self._config.effective,
            user=Owner(*(self._settings.service_user or ())),
        )

    def _submit(self, action: Action, unit: Unit, why: str) -> Job:
        """Ask for something ourselves; `why` is its source."""
        job = Job(internal_command(action, unit.name, why), self._journal, self._outbox)
        unit.submit(job)
        return job

    def _graph(self) -> Dependencies:
        return self._config.state.dependencies

    def _policy(self, process_name: str) -> RestartPolicy | None:
        return policy_of(self._config.dumb.get("auto_restart"), process_name)

    def _provide(self, name: str) -> None:
        """A directory for a new instance. Blocks, raises `LaunchError`."""
        unit = self._registry.units.get(name)
        if unit is not None and unit.lifecycle.service.instance:
            make_beside_others(unit.lifecycle.service, self._surroundings())

    def _running(self) -> frozenset[str]:
        units = self._registry.units.values()
        return frozenset(unit.name for unit in units if unit.lifecycle.alive or unit.busy)

    # -- configuration ---------------------------------------------------------------------

    def _config_adopted(self, step: Step) -> None:
        """A change is in force: services take it over, and it is announced before its receipt."""
        if step.record is not None:
            self._shelf.limits = limits_of(self._config.dumb)
            names = self._names()
            for name in self._registry.configure(self._config.services()):
                self._journal.forget(name)
            if self._names() != names:
                self._outbox.rewrite()
            self._fleet.reconfigured()
            self._scheduler.reconfigured()
            self._levels.refresh()
            self._tell_problems()
        self._publisher.announce(step)

    def _tell_problems(self) -> None:
        """What is wrong between services; each one that has a share in it is not started."""
        for problem in self._graph().problems:
            _log.error("%s: %s", ".".join(problem.path), problem.message)

    def _names(self) -> set[str]:
        return {state.process_name for state in self._registry.states()}

    # -- Redis -----------------------------------------------------------------------------

    def _session(self) -> Session:
        return Session(
            self._settings.redis_url,
            self._claim,
            Inbox(self._keys, self._dispatcher, self._claim),
            self._outbox,
            self._sender,
            beat=self._beat,
            publish_config=self._publish_first,
        )

    async def _publish_first(self, redis: Redis) -> None:
        """What readers decide by, before anything else of a new connection."""
        self._heartbeat.renew()
        await self._publisher.publish(redis)
        await self._levels.publish(redis)
        await self._accounts.connect(redis)

    async def _beat(self, redis: Redis) -> None:
        """The heartbeat; and news of the configuration, which are as rare."""
        await self._publisher.catch_up(redis)
        await self._heartbeat.beat(redis, self._outbox.rejected)
        # Emptied beneath us, put back to an older state, or written to by somebody else.
        if await self._accounts.keep(redis) or await self._upkeep.mend(redis):
            self._heartbeat.renew()
            await self._publisher.publish(redis)
            await self._levels.publish(redis)
            self._outbox.rewrite()

    def _startup(self) -> Startup:
        return self._boot.status

    def _publish_startup(self, status: Startup) -> None:
        self._outbox.level(self._keys.startup, status.to_json())

    def _open_own_log(self) -> None:
        names = [b.process_name for b in self._config.services() if b.config_key == API_KEY]
        feed = self._shelf.own(names[0] if names else "DUMB API")

        def sink(data: bytes) -> None:
            feed.store.append(data, {})
            self._shelf.appended(feed)

        self._own_log.sink = sink


def _is_expected(unit: Unit) -> bool:
    """Whether the boot is about it: it is being started, or it should run. One that failed under
    an earlier supervisor still counts; one that ended with 0 is nobody's trouble."""
    state = unit.state
    wanted = state.desired is Desired.UP and (unit.lifecycle.alive or state.exit_code != 0)
    return unit.busy or wanted


def _spare_the_collector() -> None:
    """What was imported and set up stays: collecting it again and again costs milliseconds."""
    gc.collect()
    gc.freeze()
