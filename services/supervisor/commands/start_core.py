"""`start-core`: one change of the configuration, then everything is started in its order.

What is needed comes first and is awaited, then the core services, then optional ones. An equal
command joins the one under way. `result`: `results` and `errors` as the contract has them
(rest.md 3.7), and `changes`: what was changed in the file, and stays.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from services.supervisor.commands.parts import Task, Wholes, failure, in_order
from services.supervisor.config_change import Proposal, RefusedError
from services.supervisor.config_desk import ConfigDesk
from services.supervisor.config_state import ConfigState
from services.supervisor.configuration import Author
from services.supervisor.core.plan import Plan, make_plan
from services.supervisor.core.request import BadRequestError, CoreRequest, parse_request
from services.supervisor.job import Job
from services.supervisor.ports import Free
from services.supervisor.probes.apart import apart
from services.supervisor.spawn import LaunchError
from shared.config.dependencies import Dependencies
from shared.config.template import templates
from shared.models.command import Action, Command, CommandStatus, Receipt
from shared.models.config_change import Refusal

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """One request, and the commands that wait for it. `command`: the first of them."""

    request: CoreRequest
    command: Command
    jobs: list[Job]
    task: Task | None = None
    plan: Plan | None = None
    version: int = 0
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """Of the parts that are over."""

    def step(self, what: str) -> None:
        """Tell everybody who waits."""
        for job in self.jobs:
            job.step(what)

    def tell(self, what: str) -> None:
        """The same, and the live log."""
        self.step(what)
        _log.info("start-core: %s", what)


class StartCore:
    """Takes `start-core`."""

    def __init__(
        self,
        wholes: Wholes,
        desk: ConfigDesk,
        graph: Callable[[], Dependencies],
        running: Callable[[], frozenset[str]],
        free: Free,
        *,
        provide: Callable[[str], None],
    ) -> None:
        """`provide` makes a place for a service. Blocks; raises `LaunchError`, `OSError`."""
        self._wholes = wholes
        self._desk = desk
        self._graph = graph
        self._running = running
        self._free = free
        self._provide = provide
        self._runs: dict[str, _Run] = {}

    def submit(self, job: Job) -> None:
        """Take a claimed job; it is finished here."""
        try:
            request = parse_request(job.command.args)
        except BadRequestError as error:
            _refuse(job, Refusal.INVALID, str(error))
            return
        digest = _digest(job.command.args)
        run = self._runs.get(digest)
        if run is None:
            run = self._runs[digest] = _Run(request, job.command, [job])
            run.task = self._wholes.begin(self._carry_out(run), partial(self._end, run, digest))
        else:
            job.step(f"joined {run.command.id}, which is under way")
            run.jobs.append(job)
        job.take_back = partial(_take_back, run, job)

    async def _carry_out(self, run: _Run) -> None:
        plan = await self._save(run)
        for failed in plan.failures:
            run.tell(f"{failed.service}: {failed.error}")
        await in_order(self._order(plan), partial(self._start, run))

    async def _save(self, run: _Run) -> Plan:
        """Make the change. Raises `BadRequestError`, `RefusedError`."""
        running, found = self._running(), list[Plan]()

        def make(state: ConfigState) -> Proposal:
            found.append(make_plan(run.request, state, templates(), running, self._free))
            return found[-1].file, found[-1].patches

        command = run.command
        author = Author(command.actor or command.source, command.source, command.id)
        step = await self._desk.transact(make, author)
        plan = run.plan = found[-1]
        if step.record is not None:
            run.version = step.record.version
            words = "; ".join(plan.notes) or "no service was added or enabled"
            run.tell(f"the configuration is saved as version {run.version}: {words}")
        return plan

    def _order(self, plan: Plan) -> dict[str, set[str]]:
        """What each service waits for: what it needs, and for an optional one the core as well."""
        graph = self._graph()
        needs = {name: graph.needs_of(name, transitive=True) for name in plan.names}
        names = dict.fromkeys(n for name, row in needs.items() for n in (*row, name))
        order = {name: names.keys() & graph.needs_of(name, transitive=True) for name in names}
        cores = {name for wanted in plan.cores for name in wanted.names}
        before = cores.union(*(order[core] for core in cores))
        for name in {name for wanted in plan.optionals for name in wanted.names} - before:
            order[name] |= cores
        return order

    async def _start(self, run: _Run, name: str) -> None:
        try:
            await apart(partial(self._provide, name))
        except (LaunchError, OSError) as error:  # its start says more
            run.tell(f"{name}: {error}")
        run.tell(f"starting {name}")
        receipt = await self._wholes.part(run, Action.START, name)
        run.receipts[name] = receipt
        if receipt.status is CommandStatus.SUCCEEDED:
            run.tell(f"{name} is ready")
        else:
            run.tell(f"{name} did not start: {receipt.detail}")

    # -- the end ---------------------------------------------------------------------------

    def _end(self, run: _Run, digest: str, task: Task) -> None:
        del self._runs[digest]
        error = None if task.cancelled() else task.exception()
        for job in list(run.jobs):
            if isinstance(error, BadRequestError):
                _refuse(job, Refusal.INVALID, str(error))
            elif isinstance(error, RefusedError):
                _refuse(job, error.refusal, str(error))
            else:
                job.receipt.result = _result(run)
                job.finish(*_verdict(run, task))


def _take_back(run: _Run, job: Job, why: str) -> None:
    """Who joined an equal request keeps it."""
    if len(run.jobs) > 1:
        run.jobs.remove(job)
        job.finish(CommandStatus.CANCELLED, why)
    elif run.task is not None:
        run.task.cancel()


def _refuse(job: Job, refusal: Refusal, sentence: str) -> None:
    job.receipt.result = {"code": refusal.value}
    failed = refusal is Refusal.UNAVAILABLE
    job.finish(CommandStatus.FAILED if failed else CommandStatus.REJECTED, sentence[:1000])


def _verdict(run: _Run, task: Task) -> tuple[CommandStatus, str]:
    kept = f" The configuration of version {run.version} stays." if run.version else ""
    if task.cancelled():
        return CommandStatus.CANCELLED, f"Cancelled before everything was started.{kept}"
    errors, why = _result(run)["errors"], failure(task)
    if why:
        return CommandStatus.FAILED, why + kept
    if errors:
        first = f"{errors[0]['service']}: {errors[0]['error']}"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return CommandStatus.FAILED, f"Not everything was started. {first}{more}{kept}"
    return CommandStatus.SUCCEEDED, "started"


def _result(run: _Run) -> dict[str, Any]:
    """By the names that were sent. What failed without having been asked for comes last."""
    results: list[dict[str, str]] = []
    errors: list[dict[str, str]] = []
    plan = run.plan
    if plan is None:
        return {"results": results, "errors": errors, "changes": []}
    errors += [{"service": f.service, "error": f.error} for f in plan.failures]
    told: set[str] = set()
    for wanted, shown in [(w, True) for w in plan.cores] + [(w, False) for w in plan.optionals]:
        why = next((text for n in wanted.names if (text := _why_not(run.receipts.get(n)))), "")
        told.update(wanted.names)
        if why:
            errors.append({"service": wanted.asked, "error": why})
        elif shown:
            results.append({"service": wanted.asked, "status": "started"})
    for name, receipt in run.receipts.items():
        why = _why_not(receipt)
        if why and name not in told:
            errors.append({"service": name, "error": why})
    return {"results": results, "errors": errors, "changes": list(plan.notes)}


def _why_not(receipt: Receipt | None) -> str:
    """Why a service was not started, "" when it was."""
    if receipt is None:
        return "It was not begun."
    if receipt.status is CommandStatus.SUCCEEDED:
        return ""
    return receipt.detail or f"Its start ended as {receipt.status}."


def _digest(args: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(args, option=orjson.OPT_SORT_KEYS)).hexdigest()
