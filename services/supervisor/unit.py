"""One service as an actor: requests come in, are put in order, and are carried out one by one."""

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial

from services.supervisor.effects import Nobody, Others
from services.supervisor.intents import decide
from services.supervisor.job import KEEPS_WISH, UNASKED, Job, TooLateError
from services.supervisor.journal import JournalError
from services.supervisor.lifecycle import Lifecycle, OperationError, nobody
from services.supervisor.spawn import LaunchError
from services.supervisor.stopper import StopError
from shared.models.command import Action, CommandStatus
from shared.models.service import ServiceState

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Request:
    """An action and the jobs that share its outcome."""

    action: Action
    jobs: list[Job] = field(default_factory=list)
    cancelled_by: str = ""

    def step(self, what: str) -> None:
        """Add a step to every receipt that follows this request."""
        for job in self.jobs:
            job.step(what)

    def may_begin(self) -> bool:
        """Drops the jobs that may not take effect now; whether there is still a reason to act."""
        asked = bool(self.jobs)
        self.jobs = [job for job in self.jobs if job.may_begin()]
        return bool(self.jobs) or not asked

    def ends(self, generation: int) -> bool:
        """Whether it does not leave the process of that generation running."""
        if self.action is Action.RESTART:
            return any(job.target > generation for job in self.jobs)
        return self.action is Action.STOP

    def finish(self, status: CommandStatus, detail: str) -> None:
        """End every job."""
        for job in self.jobs:
            job.finish(status, detail)


class Unit:
    """The queue in front of one service's `Lifecycle`."""

    def __init__(self, lifecycle: Lifecycle, others: Others | None = None) -> None:
        self.lifecycle = lifecycle
        self._others: Others = others or Nobody()
        self._queue: list[Request] = []
        self._current: Request | None = None
        self._operation: asyncio.Task[str] | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The process name."""
        return self.lifecycle.state.process_name

    @property
    def state(self) -> ServiceState:
        """What is true of the service now."""
        return self.lifecycle.state

    @property
    def busy(self) -> bool:
        """Whether a request is under way or waits."""
        return self._current is not None or bool(self._queue)

    @property
    def leaving(self) -> bool:
        """Whether a request will end the process that runs now."""
        current = [self._current] if self._current is not None else []
        return any(request.ends(self.state.generation) for request in [*current, *self._queue])

    def submit(self, job: Job) -> None:
        """Take a request in; the job tells the outcome.

        Raises:
            JournalError: nothing was begun.
        """
        action = job.command.action
        current = self._current.action if self._current else None
        decision = decide(current, [request.action for request in self._queue], action)
        job.intend(self.state.generation + 1)
        job.take_back = partial(self._take_back, job)
        for request in self._queue[decision.keep_queued :]:
            request.finish(CommandStatus.CANCELLED, _superseded(request, job))
        del self._queue[decision.keep_queued :]
        if decision.join_current and self._current is not None:
            self._join(self._current, job)
            return
        if decision.join_queued:
            self._join(self._queue[-1], job)
            return
        if decision.cancel_current and self._current is not None and self._operation is not None:
            self._current.cancelled_by = _superseded(self._current, job)
            self._operation.cancel()
        self._queue.append(Request(action, [job]))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())

    def _join(self, request: Request, job: Job) -> None:
        first = request.jobs[0].command.id
        request.jobs.append(job)
        job.step(f"joined {first}, which is under way")

    def _take_back(self, job: Job, why: str) -> None:
        """One who asked does not want it any more. Raises `TooLateError`."""
        current = self._current
        request = next((r for r in (*self._queue, current) if r and job in r.jobs), None)
        if request is not None and len(request.jobs) > 1:  # the others still want it
            request.jobs.remove(job)
            job.finish(CommandStatus.CANCELLED, why)
        elif request is not None and request is not current:
            self._queue.remove(request)
            request.finish(CommandStatus.CANCELLED, why)
        elif request is None or self._operation is None or self._operation.done():
            raise TooLateError("It is just over.")
        elif request.action is Action.STOP:
            raise TooLateError(f"'{self.name}' was told to end: that is not taken back.")
        else:
            request.cancelled_by = why
            self._operation.cancel()
            self._queue.insert(0, Request(Action.STOP))  # nothing half-started stays

    async def _work(self) -> None:
        while self._queue:
            request = self._queue.pop(0)
            if not request.may_begin():
                self._others.rested(self.name)
                continue
            self._current = request
            self._operation = asyncio.get_running_loop().create_task(self._perform(request))
            await asyncio.wait({self._operation})
            status, detail = _verdict(self._operation, request)
            self._current = None
            request.finish(status, detail)
            self._others.rested(self.name)

    async def _perform(self, request: Request) -> str:
        life = self.lifecycle
        life.report = request.step
        try:
            pull = any(job.command.source not in UNASKED for job in request.jobs)
            if request.action is Action.START:
                return await life.start(pull=pull)
            if request.action is Action.STOP:
                return await self._stop(request)
            return await life.restart(max(job.target for job in request.jobs), pull=pull)
        finally:
            life.report = nobody

    async def _stop(self, request: Request) -> str:
        """A shutdown stops what a person wants up: cut short, it is all brought back."""
        life = self.lifecycle
        sources = {job.command.source for job in request.jobs}
        if sources and sources <= KEEPS_WISH:
            return await life.stop(wanted=life.state.desired)
        users = self._others.users_of(self.name)
        done = await life.stop()
        if not users:
            return done
        for job in request.jobs:
            job.receipt.result = {"needed_by": users}
        return f"{done}; needed by {', '.join(users)}"


def _superseded(request: Request, job: Job) -> str:
    command = job.command
    return (
        f"The {request.action} of '{command.process_name}' was cancelled by a later "
        f"{command.action} ({command.id})."
    )


def _verdict(operation: "asyncio.Task[str]", request: Request) -> tuple[CommandStatus, str]:
    if operation.cancelled():
        return CommandStatus.CANCELLED, request.cancelled_by or "The supervisor is shutting down."
    error = operation.exception()
    if error is None:
        return CommandStatus.SUCCEEDED, operation.result()
    if isinstance(error, LaunchError | OperationError | StopError | JournalError):
        return CommandStatus.FAILED, str(error)
    # An edge that must not die: one service's fault must not end the supervision of others.
    _log.error("%s failed", request.action, exc_info=error)
    return CommandStatus.FAILED, f"Internal error: {type(error).__name__}: {error}"
