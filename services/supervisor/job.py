"""A command under way: its receipt, and everyone who is told about it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from services.supervisor.journal import Journal, JournalError
from services.supervisor.outbox import Outbox
from services.supervisor.records import Intent, Outcome
from shared.errors import DumbError
from shared.models.command import Action, Command, CommandStatus, Receipt
from shared.texts import encodable

ACK_AFTER_S: Final = 0.01
"""The answer leaves first; and commands that end together share one sync of the journal."""

BOOT: Final = "boot"
SHUTDOWN: Final = "shutdown"
AUTO_RESTART: Final = "auto-restart"
RELEASED: Final = "released"
"""What a held service needs has come."""
NEEDED: Final = "needed"
"""Somebody started a service that needs it."""
DEPENDENCY: Final = "dependency-restart"
"""What it needs was started anew, and its `on_dependency_restart` says `restart`."""

RESTARTING: Final = "restarting"
"""The first half of a restart of several services: all of them are to come back."""

KEEPS_WISH: Final = frozenset({SHUTDOWN, RESTARTING})
"""Stops that do not mean that a person wants the service down."""

UNASKED: Final = frozenset({BOOT, AUTO_RESTART, RELEASED, DEPENDENCY})
"""Nobody asked for these starts: they never start something else that a person stopped. (A boot
has its own list of what to start.)"""

Finished = Callable[["Job"], None]


class TooLateError(DumbError):
    """The command cannot be taken back (any more)."""

    code = "too_late"


class Job:
    """One accepted command, from its claim to its outcome.

    A job without a stream entry is the supervisor's own; it has a receipt if it is `recorded`.
    """

    def __init__(
        self,
        command: Command,
        journal: Journal,
        outbox: Outbox,
        finished: Finished | None = None,
        *,
        recorded: bool = False,
        gate: Callable[["Job"], bool] | None = None,
    ) -> None:
        """`gate`: whether it may take effect now; if not, it was put back and is another's."""
        self.command = command
        self.internal = not (command.stream or recorded)
        """Whether nobody will ask what became of it."""
        self.target = 0
        """The generation that a restart must reach; set when the intent is journalled."""
        self._journal = journal
        self._outbox = outbox
        self._finished = finished
        self._gate = gate
        self._tasks: set[asyncio.Task[None]] = set()
        self.done = asyncio.Event()
        self.take_back: Callable[[str], None] | None = None
        """Ends it before its time, with this reason; set by whoever carries it out, if he can."""
        now = time.time()
        self.receipt = Receipt(
            id=command.id,
            action=command.action.value,
            process_name=command.process_name,
            actor=command.actor,
            source=command.source,
            created_at=now,
        )

    def claim(self, created_at: float) -> None:
        """The supervisor has it. `created_at`: epoch seconds of the stream entry."""
        receipt = self.receipt
        receipt.created_at = created_at
        receipt.steps.append((created_at, "accepted"))
        receipt.status = CommandStatus.RUNNING
        receipt.started_at = time.time()
        self.step("claimed")

    def may_begin(self) -> bool:
        """Asked right before its effect. False: leave it, it begins later elsewhere."""
        return self._gate is None or self._gate(self)

    def intend(self, target: int) -> None:
        """Journal that this is about to be done. Raises `JournalError`."""
        self.target = target
        if self.internal:
            return
        known = self._journal.memory.intents.get(self.command.id)
        if known is not None:
            # Begun by a supervisor that died: the goal stays the one of then.
            self.target = known.target
            return
        command = self.command
        self._journal.intent(
            Intent(command.id, command.action, command.process_name, target, command.stream)
        )

    def step(self, what: str) -> None:
        """Add a step with its time and publish it."""
        self.receipt.steps.append((time.time(), encodable(what)))
        if not self.internal:
            self._outbox.receipt(self.receipt)

    def finish(self, status: CommandStatus, detail: str) -> None:
        """Record the outcome, publish it, acknowledge the entry once it is on the disk."""
        if self.done.is_set():
            return
        detail = encodable(detail)  # it may name a file, whose name is any bytes
        receipt = self.receipt
        receipt.status = status
        receipt.detail = detail
        receipt.finished_at = time.time()
        receipt.steps.append((receipt.finished_at, status.value))
        self.done.set()
        if not self.internal:
            outcome = Outcome(
                self.command.id, status, detail, receipt.finished_at, self.command.stream
            )
            self._journal.outcome(outcome)
            self._outbox.receipt(receipt)
        if self.command.stream:
            task = asyncio.get_running_loop().create_task(self._acknowledge())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._audit(status, detail)
        if self._finished is not None:
            self._finished(self)

    async def _acknowledge(self) -> None:
        command = self.command
        await asyncio.sleep(ACK_AFTER_S)
        try:
            await self._journal.sync()
        except JournalError:
            return  # stays pending, is read again, and is answered from memory
        self._outbox.ack(command.stream, command.entry_id, delete=bool(command.args))

    def withdraw(self, why: str) -> None:
        """End it before its time; `done` tells when that has happened.

        Raises:
            TooLateError: it is over, or has no way back.
        """
        if self.done.is_set():
            raise TooLateError(f"It is over: {self.receipt.status}.")
        if self.take_back is None:
            raise TooLateError(f"A command '{self.command.action}' is not taken back once begun.")
        self.take_back(why)

    def _audit(self, status: CommandStatus, detail: str) -> None:
        command = self.command
        outcome = f"{status}: {detail}" if detail else status.value
        self._outbox.audit(
            command.action.value,
            command.process_name,
            outcome[:500],
            command.actor or command.source,
            command.source,
            command="" if self.internal else command.id,
        )


def internal_command(action: Action, process_name: str, why: str) -> Command:
    """A command of the supervisor's own making; `why` goes into the audit stream."""
    return Command(
        id=f"{why}:{process_name}",
        action=action,
        process_name=process_name,
        stream="",
        entry_id="",
        actor="supervisor",
        source=why,
    )
