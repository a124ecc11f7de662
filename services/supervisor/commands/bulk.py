"""`bulk`: one action for several services, in the order of their dependencies.

`args`: `action`, and `process_names` or `all`. Starts go from what is needed to what needs it,
stops the other way round; a restart stops all of them first. The receipt's `result.results` tells
what became of each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.supervisor.commands.parts import Task, Wholes, failure, in_order
from services.supervisor.job import RESTARTING, Job
from services.supervisor.records import Intent, Outcome
from services.supervisor.unit import Unit
from shared.config.dependencies import Dependencies
from shared.models.command import SERVICE_ACTIONS, Action, CommandStatus, Receipt
from shared.states import Desired

Units = Mapping[str, Unit]


@dataclass(slots=True)
class _Run:
    """One command under way. `receipts`: of the last part of each service that was begun."""

    job: Job
    action: Action
    names: list[str]
    receipts: dict[str, Receipt] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Under which the journal keeps the goal of a restart."""
        return f"{self.job.command.id}:{name}"


class Bulk:
    """Takes `bulk`."""

    def __init__(self, wholes: Wholes, graph: Callable[[], Dependencies]) -> None:
        self._wholes = wholes
        self._graph = graph

    def submit(self, job: Job) -> None:
        """Take a claimed job; it is finished here."""
        try:
            action, names = asked(job.command.args, self._wholes.units)
        except ValueError as error:
            job.finish(CommandStatus.REJECTED, str(error))
            return
        run = _Run(job, action, names)
        task = self._wholes.begin(self._carry_out(run), partial(self._finish, run))

        def take_back(_why: str) -> None:
            task.cancel()

        job.take_back = take_back

    async def _carry_out(self, run: _Run) -> None:
        if run.action is Action.START:
            await self._start(run)
        elif run.action is Action.STOP:
            await self._stop(run, run.names)
        else:
            await self._restart(run)

    async def _start(self, run: _Run) -> None:
        graph, wanted = self._graph(), set(run.names)
        after = {
            name: wanted.intersection(graph.needs_of(name, transitive=True)) for name in run.names
        }
        await in_order(after, partial(self._one, run, Action.START))

    async def _stop(self, run: _Run, names: Sequence[str], source: str = "") -> None:
        for wave in self._graph().shutdown_waves(names):
            one = partial(self._one, run, Action.STOP, source=source)
            await in_order(dict.fromkeys(wave, ()), one)

    async def _restart(self, run: _Run) -> None:
        """What reached its next generation before a crash is not stopped again."""
        units, targets = self._wholes.units, self._intend(run)
        await self._wholes.journal.sync()
        due = [name for name in run.names if units[name].state.generation < targets[name]]
        await self._stop(run, due, RESTARTING)
        await self._start(run)

    def _intend(self, run: _Run) -> dict[str, int]:
        journal, targets = self._wholes.journal, {}
        for name in run.names:
            key, target = run.key(name), self._wholes.units[name].state.generation + 1
            if key not in journal.memory.intents:
                journal.intent(Intent(key, Action.RESTART, name, target))
            targets[name] = journal.memory.intents[key].target
        return targets

    async def _one(self, run: _Run, action: Action, name: str, *, source: str = "") -> None:
        before = run.receipts.get(name)
        if before is not None and before.status is not CommandStatus.SUCCEEDED:
            return  # it could not be stopped, so it is not started
        run.receipts[name] = await self._wholes.part(run.job, action, name, source)

    def _finish(self, run: _Run, task: Task) -> None:
        job, receipts = run.job, run.receipts
        if run.action is Action.RESTART:
            for key in map(run.key, run.names):
                if key in self._wholes.journal.memory.intents:
                    status = CommandStatus.SUCCEEDED
                    self._wholes.journal.outcome(Outcome(key, status, "", 0.0))
        job.receipt.result = {"results": [_told(name, receipts.get(name)) for name in run.names]}
        failed = [name for name in run.names if not _done(receipts.get(name))]
        words = f"{len(run.names) - len(failed)} of {len(run.names)} done"
        first = next((receipts[name].detail for name in failed if name in receipts), "")
        if task.cancelled():
            job.finish(CommandStatus.CANCELLED, f"cancelled; {words}")
        elif failed or failure(task):
            why = failure(task) or first
            job.finish(CommandStatus.FAILED, f"{words}: {why}")
        else:
            job.finish(CommandStatus.SUCCEEDED, words)


def asked(args: Mapping[str, Any], units: Units) -> tuple[Action, list[str]]:
    """What a `bulk` is about, each service once.

    `all` means what makes sense: starts what is enabled, stops and restarts what is up.

    Raises:
        ValueError: a sentence.
    """
    word, names = args.get("action"), args.get("process_names")
    action = next((known for known in SERVICE_ACTIONS if known == word), None)
    if action is None:
        raise ValueError("'action' must be start, stop or restart.")
    if args.get("all") is True:
        return action, [unit.name for unit in units.values() if _concerned(unit, action)]
    if not isinstance(names, list) or not names:
        raise ValueError("'process_names' must be a list of names, or 'all' true.")
    unknown = next((name for name in names if not isinstance(name, str) or name not in units), None)
    if unknown is not None:
        raise ValueError(f"No service that could be started is named '{unknown!s:.200}'.")
    return action, list(dict.fromkeys(names))


def _concerned(unit: Unit, action: Action) -> bool:
    if action is Action.START:
        return unit.lifecycle.service.enabled
    return unit.lifecycle.alive or unit.busy or unit.state.desired is Desired.UP


def _done(receipt: Receipt | None) -> bool:
    return receipt is not None and receipt.status is CommandStatus.SUCCEEDED


def _told(name: str, receipt: Receipt | None) -> dict[str, str]:
    """`not begun` is of a command that was cancelled."""
    if receipt is None:
        return {"process_name": name, "status": CommandStatus.CANCELLED, "detail": "not begun"}
    return {"process_name": name, "status": receipt.status, "detail": receipt.detail}
