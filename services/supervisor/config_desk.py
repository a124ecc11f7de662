"""Changes of the configuration, one after another: on the disk, then in force, then announced.

Commands for services that come behind a change wait for it, so that `reload-config` and a
`start` in one breath mean what they say.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from services.supervisor.config_change import Proposal, RefusedError
from services.supervisor.config_state import ConfigState, Tree, restart_required
from services.supervisor.configuration import Author, Configuration, StaleError, Step
from services.supervisor.job import Job
from shared.config.services import ServiceBlock
from shared.config.trees import etag_of, same
from shared.errors import ConfigError
from shared.models.command import Action, CommandStatus
from shared.models.config_change import ConfigOp, Refusal

_log = logging.getLogger(__name__)

WATCH_S: Final = 1.0
MAX_STALE: Final = 5
_TOP: Final = ("puid", "pgid", "tz", "data_root", "postgres")

Running = Callable[[], frozenset[str]]
Adopted = Callable[[Step], None]


class ConfigDesk:
    """Takes `update-config` and `reload-config`, and watches the file."""

    def __init__(self, config: Configuration, running: Running, adopted: Adopted) -> None:
        """`adopted` is called with what changed, before the receipt is final."""
        self._config = config
        self._running = running
        self._adopted = adopted
        self._work: asyncio.Queue[Job | Callable[[], None]] = asyncio.Queue()
        self._busy = 0
        self._lock = asyncio.Lock()

    def submit(self, job: Job) -> None:
        """Take a claimed job; it is finished here."""
        self._busy += 1
        self._work.put_nowait(job)

    def after(self, call: Callable[[], None]) -> None:
        """Call it when every change that was submitted is in force; at once when there is none."""
        if self._busy:
            self._work.put_nowait(call)
        else:
            call()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve())
            group.create_task(self._watch())

    async def _serve(self) -> None:
        while True:
            item = await self._work.get()
            if not isinstance(item, Job):
                _guarded(item)
                continue
            try:
                async with self._lock:
                    if item.may_begin():
                        await self._carry_out(item)
            except Exception as error:  # noqa: BLE001 - the edge: the next change must be made
                _log.exception("changing the configuration failed")
                item.receipt.result = {"code": Refusal.UNAVAILABLE.value}
                item.finish(CommandStatus.FAILED, f"Internal error: {type(error).__name__}")
            finally:
                self._busy -= 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if self._config.changed_on_disk():
                async with self._lock:
                    if self._config.changed_on_disk():
                        await self._reload(Author("file", "file"))

    # -- one change ------------------------------------------------------------------------

    async def _carry_out(self, job: Job) -> None:
        command = job.command
        author = Author(command.actor or command.source, command.source, command.id)
        if command.action is Action.RELOAD_CONFIG:
            problem = await self._reload(author)
            status = CommandStatus.FAILED if problem else CommandStatus.SUCCEEDED
            job.finish(status, problem or "reloaded")
            return
        done = self._config.history.made_by(command.id)
        if done is not None:  # by a supervisor that died before it could say so
            job.receipt.result = {"changed": True, "version": str(done.version)}
            job.finish(CommandStatus.SUCCEEDED, f"version {done.version}")
            return
        before, top = self._config.services(), self._config.effective
        running = self._running()
        try:
            step = await self._change(command.args, author, running)
        except RefusedError as error:
            job.receipt.result = {"code": error.refusal.value}
            failed = error.refusal is Refusal.UNAVAILABLE
            status = CommandStatus.FAILED if failed else CommandStatus.REJECTED
            job.finish(status, str(error)[:1000])
            return
        self._put_in_force(step)
        job.receipt.result = self._result(step, command.args, before, top, running)
        job.finish(CommandStatus.SUCCEEDED, _words(step))

    async def transact(self, make: Callable[[ConfigState], Proposal], author: Author) -> Step:
        """Make a change that another command consists of, and put it in force.

        One that the same command made before it was interrupted is not made again.

        Args:
            make: called in a thread; again when the file was replaced meanwhile. For a change that
                was made before too: from what is so now it tells the same again.

        Raises:
            RefusedError: it cannot be made; nothing has changed.
        """
        async with self._lock:
            done = self._config.history.made_by(author.command_id)
            if done is not None:
                await asyncio.to_thread(make, self._config.state)
                return self._config.standing(done)
            running = self._running()
            step = await self._fresh(partial(self._config.transact, make, author, running))
            self._put_in_force(step)
            return step

    async def _change(self, args: dict[str, Any], author: Author, running: frozenset[str]) -> Step:
        return await self._fresh(partial(self._config.change, args, author, running))

    async def _fresh(self, change: Callable[[], Step]) -> Step:
        """Make a change from the file as it is on the disk."""
        for _ in range(MAX_STALE):
            if self._config.changed_on_disk():
                await self._reload(Author("file", "file"))
            try:
                return await asyncio.to_thread(change)
            except StaleError:
                continue
        raise RefusedError(Refusal.CONFLICT, "Somebody keeps replacing the configuration file.")

    async def _reload(self, author: Author) -> str:
        """The problem, or ""."""
        stamp = self._config.stamp()
        try:
            step = await asyncio.to_thread(self._config.reload, author)
        except ConfigError as error:
            self._config.refuse(error, stamp)
            self._adopted(self._config.standing())
            return str(error)
        self._config.accept()
        self._put_in_force(step)
        if step.record is not None:
            _log.info("configuration taken over (version %d)", step.record.version)
        return ""

    def _put_in_force(self, step: Step) -> None:
        self._config.adopt(step)
        self._adopted(step)

    def _result(
        self,
        step: Step,
        args: dict[str, Any],
        before: list[ServiceBlock],
        top: Tree,
        running: frozenset[str],
    ) -> dict[str, Any]:
        """What the receipt tells of a change. No values: receipts are for everybody."""
        config = self._config
        moved = any(not same(top.get(key), config.effective.get(key)) for key in _TOP)
        names = restart_required(before, config.state, running, moved) if step.record else []
        result: dict[str, Any] = {
            "changed": step.changed,
            "version": str(config.version),
            "restart_required": names,
        }
        if args.get("op") == ConfigOp.SERVICE:
            result |= self._about_service(args, before)
        return result

    def _about_service(self, args: dict[str, Any], before: list[ServiceBlock]) -> dict[str, Any]:
        old = next((s for s in before if s.process_name == args.get("process_name")), None)
        new = next((s for s in self._config.services() if old and s.path == old.path), None)
        if new is None:
            return {}
        keys, depth = args.get("updates") or {}, len(new.path)
        overridden = [
            known.name
            for known in self._config.state.overridden
            if known.path[:depth] == new.path and not keys.keys().isdisjoint(known.path[depth:])
        ]
        return {
            "etag": etag_of(new.block),
            "process_name": new.process_name,
            "overridden": overridden,
        }


def _words(step: Step) -> str:
    if step.record is not None:
        return f"version {step.record.version}"
    return "saved" if step.pages_changed else "nothing changed"


def _guarded(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001 - one entry's fault must not end the queue
        _log.exception("a command could not be begun")
