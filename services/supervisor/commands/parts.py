"""Commands that concern several services: what they consist of, and how they end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, Protocol

from services.supervisor.job import Job, TooLateError
from services.supervisor.journal import Journal, JournalError
from services.supervisor.outbox import Outbox
from services.supervisor.unit import Unit
from shared.models.command import Action, Command, CommandStatus, Receipt

Task = asyncio.Task[None]
Finish = Callable[[Task], None]
"""Finishes the job by how its work ended."""


class Whole(Protocol):
    """The larger command."""

    @property
    def command(self) -> Command:
        """As it was accepted."""

    def step(self, what: str) -> None:
        """Tell whoever waits for it."""


class Part(Job):
    """The share of one service in a larger command, which tells its steps."""

    def __init__(self, whole: Whole, command: Command, journal: Journal, outbox: Outbox) -> None:
        super().__init__(command, journal, outbox)
        self._whole = whole

    def step(self, what: str) -> None:
        """Add a step, here and there."""
        super().step(what)
        self._whole.step(f"{self.command.process_name}: {what}")


class Wholes:
    """Carries such commands out, and ends with the supervisor."""

    def __init__(self, units: Mapping[str, Unit], journal: Journal, outbox: Outbox) -> None:
        self.units = units
        self.journal = journal
        self.outbox = outbox
        self._tasks: set[Task] = set()
        self._frozen = False
        self._closing = False

    def begin(self, work: Coroutine[Any, Any, None], finish: Finish) -> Task:
        """Do the work of a claimed command. Cancelling it takes the command back."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def through(task: Task) -> None:
            self._tasks.discard(task)
            if not self._frozen:
                finish(task)

        task.add_done_callback(through)
        return task

    async def part(self, whole: Whole, action: Action, name: str, source: str = "") -> Receipt:
        """What became of one service. Cancelled, the part is taken back, and waited for.

        Args:
            source: where it is not the one of the whole.
        """
        command = Command(
            id=f"{whole.command.id}:{name}",
            action=action,
            process_name=name,
            stream="",
            entry_id="",
            actor=whole.command.actor,
            source=source or whole.command.source,
        )
        part = Part(whole, command, self.journal, self.outbox)
        unit = self.units.get(name)
        if unit is None:
            part.finish(CommandStatus.FAILED, f"'{name}' is not configured any more.")
            return part.receipt
        try:
            unit.submit(part)
        except JournalError as error:
            part.finish(CommandStatus.FAILED, str(error))
        try:
            await part.done.wait()
        except asyncio.CancelledError:
            if self._frozen:
                raise
            if not self._closing:
                with contextlib.suppress(TooLateError):
                    part.withdraw("The command that it was part of was cancelled.")
            await part.done.wait()
            raise
        return part.receipt

    async def close(self) -> None:
        """The supervisor stops all services: end every command as cancelled, with them."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def freeze(self) -> None:
        """The services go on without this supervisor: the next one goes on with the commands."""
        self._frozen = True
        for task in self._tasks:
            task.cancel()


async def in_order(
    after: Mapping[str, Collection[str]], act: Callable[[str], Awaitable[None]]
) -> None:
    """Call `act` for every key as soon as it has returned for all that the key comes after."""
    through = {name: asyncio.Event() for name in after}

    async def one(name: str) -> None:
        for other in after[name]:
            await through[other].wait()
        await act(name)
        through[name].set()

    async with asyncio.TaskGroup() as group:
        for name in after:
            group.create_task(one(name))


def failure(task: Task) -> str:
    """The sentence about work that ended on an error, "" when it did not."""
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None or isinstance(error, JournalError):
        return "" if error is None else str(error)
    return f"Internal error: {type(error).__name__}: {error}"
