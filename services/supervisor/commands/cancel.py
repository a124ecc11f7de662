"""`cancel`: a command that is under way is taken back, as far as it has a way back."""

import asyncio
from collections.abc import Callable

from services.supervisor.job import Job, TooLateError
from shared.models.command import CommandStatus

Find = Callable[[str], Job | None]
"""The command under way that has this id."""


class Canceller:
    """Takes `cancel`; `args.command` is the id of the other command."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> None:
        """Take a claimed job; it is finished once the other one is."""
        wanted = job.command.args.get("command")
        target = self._find(wanted) if isinstance(wanted, str) else None
        if target is None or target is job:
            job.finish(CommandStatus.REJECTED, f"No command '{wanted!s:.128}' is under way.")
            return
        actor = job.command.actor or job.command.source
        try:
            target.withdraw(f"Cancelled by {actor}.")
        except TooLateError as error:
            job.finish(CommandStatus.REJECTED, str(error))
            return
        task = asyncio.get_running_loop().create_task(self._follow(job, target))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, job: Job, target: Job) -> None:
        await target.done.wait()
        receipt = target.receipt
        if receipt.status is CommandStatus.CANCELLED:
            job.finish(CommandStatus.SUCCEEDED, "cancelled")
        else:
            job.finish(CommandStatus.REJECTED, f"It was over before: {receipt.status}.")
