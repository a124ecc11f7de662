"""From checked commands to units: duplicates, expiry, names."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from services.supervisor.commands.cancel import Canceller
from services.supervisor.config_desk import ConfigDesk
from services.supervisor.entries import Malformed, parse_entry
from services.supervisor.job import Job
from services.supervisor.journal import Journal, JournalError
from services.supervisor.outbox import Outbox
from services.supervisor.outgoing import Reject
from services.supervisor.records import Outcome
from services.supervisor.registry import Registry
from shared.errors import AmbiguousServiceError, UnknownServiceError
from shared.models.command import Action, Command, CommandStatus, Receipt

_log = logging.getLogger(__name__)


TELL_AFTER_S: Final = 0.01


class Dispatcher:
    """Decides what becomes of an entry; every entry ends in exactly one receipt."""

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        outbox: Outbox,
        config: ConfigDesk,
        change_accounts: Callable[[Job], None],
        *,
        app_files: Callable[[Job], None],
        others: Mapping[Action, Callable[[Job], None]],
        certain: Callable[[], bool],
    ) -> None:
        """`others`: who takes what concerns several services, or none. `certain`: whether nobody
        else can carry out the same commands now."""
        self._certain = certain
        self.postponed: list[tuple[Command, Mapping[bytes, bytes]]] = []
        """Accepted, but not begun when that was not certain; see `again` and `carried_out`."""
        self._registry = registry
        self._journal = journal
        self._outbox = outbox
        self._config = config
        self._change_accounts = change_accounts
        self._app_files = app_files
        self._others = {Action.CANCEL: Canceller(self.find).submit, **others}
        self._in_flight: dict[str, Job] = {}
        self.closing = False
        """While the supervisor shuts down nothing new is begun; entries stay pending."""

    def entry(
        self, stream: str, entry_id: str, raw: Mapping[bytes, bytes], *, trigger: bool
    ) -> None:
        """Take one entry of a command stream. Never raises for what stands in it."""
        if self.closing:
            return
        parsed = parse_entry(stream, entry_id, raw, trigger=trigger)
        if isinstance(parsed, Malformed):
            self._malformed(stream, entry_id, raw, parsed)
            return
        command = parsed if raw.get(b"id") else self._with_own_id(parsed)
        known = self._in_flight.get(command.id)
        if known is not None:
            if (known.command.stream, known.command.entry_id) != (stream, entry_id):
                self._outbox.ack(stream, entry_id, delete=bool(command.args))
            return
        if self.outcome(command):
            return
        self._begin(command, raw)

    def _with_own_id(self, command: Command) -> Command:
        """The two streams count on their own: the entry ids that serve as default can meet."""
        memory = self._journal.memory
        holders = (
            holder.command.stream if isinstance(holder, Job) else holder.stream
            for holder in (
                self._in_flight.get(command.id),
                memory.outcomes.get(command.id),
                memory.intents.get(command.id),
            )
            if holder is not None
        )
        if all(stream in {"", command.stream} for stream in holders):
            return command
        suffix = "trigger" if command.source == "trigger" else "command"
        return replace(command, id=f"{command.id}:{suffix}")

    def outcome(self, command: Command) -> bool:
        """Answer a command that was carried out before from the journal; whether it was."""
        known = self._journal.memory.outcomes.get(command.id)
        if known is None:
            return False
        receipt = Receipt(
            id=command.id,
            action=command.action.value,
            process_name=command.process_name,
            actor=command.actor,
            source=command.source,
            status=known.status,
            detail=known.detail,
            created_at=known.at,
            finished_at=known.at,
            steps=[(known.at, f"{known.status} (read back from the journal)")],
        )
        self._outbox.recall(receipt)
        self._outbox.ack(command.stream, command.entry_id, delete=bool(command.args))
        return True

    def _begin(self, command: Command, raw: Mapping[bytes, bytes]) -> None:
        job = Job(
            command, self._journal, self._outbox, self._finished, gate=partial(self._gate, raw)
        )
        self._in_flight[command.id] = job
        created = _entry_time(command.entry_id)
        begun = command.id in self._journal.memory.intents
        if command.expires_at < time.time() and not begun:
            job.receipt.created_at = created
            job.finish(
                CommandStatus.EXPIRED, "Read too late: it was not carried out. Send it again."
            )
            return
        if command.action is Action.RELOAD_CONFIG:
            job.claim(created)
            self._config.submit(job)
        elif command.action is Action.UPDATE_CONFIG:
            self._begin_change(job, created, self._config.submit)
        elif command.action is Action.UPDATE_ACCOUNTS:
            self._begin_change(job, created, self._change_accounts)
        elif command.action in {Action.READ_APP_CONFIG, Action.UPDATE_APP_CONFIG}:
            self._config.after(lambda: self._begin_app_file(job, created))
        elif command.action in self._others:
            self._config.after(lambda: self._begin_other(job, created))
        else:
            job.take_back = partial(job.finish, CommandStatus.CANCELLED)
            self._config.after(lambda: self._begin_service(job, created, raw))

    def _begin_service(self, job: Job, created: float, raw: Mapping[bytes, bytes]) -> None:
        if self.closing or job.done.is_set() or not job.may_begin():
            return  # while it waited for the configuration; if it is not done, it stays pending
        command = job.command
        try:
            name = self._registry.find(command.process_name)
        except (UnknownServiceError, AmbiguousServiceError) as error:
            self._reject(job, str(error), raw)
            return
        job.receipt.process_name = name
        unit = self._registry.units.get(name)
        if unit is None:
            self._reject(
                job,
                f"'{name}' is this API itself: start and stop it with `dumb up` and `dumb down`, "
                "or with what runs its container.",
                raw,
            )
            return
        job.claim(created)
        try:
            unit.submit(job)
        except JournalError as error:
            job.finish(CommandStatus.FAILED, str(error))

    def _begin_app_file(self, job: Job, created: float) -> None:
        if self.closing or not job.may_begin():  # while it waited; it stays pending
            return
        if job.command.action is Action.UPDATE_APP_CONFIG:
            self._begin_change(job, created, self._app_files)
            return
        job.claim(created)  # without an intent: after a crash nobody waits for what it says
        self._app_files(job)

    def _begin_other(self, job: Job, created: float) -> None:
        if self.closing or not job.may_begin():  # while it waited; it stays pending
            return
        try:
            self._begin_change(job, created, self._others[job.command.action])
        except Exception as error:  # noqa: BLE001 - an entry must not end the reading of others
            _log.exception("%s could not be begun", job.command.action)
            job.finish(CommandStatus.FAILED, f"Internal error: {type(error).__name__}")

    def _begin_change(self, job: Job, created: float, change: Callable[[Job], None]) -> None:
        job.claim(created)
        try:
            job.intend(0)  # begun: after a crash it is looked up in what was written, not expired
        except JournalError as error:
            job.finish(CommandStatus.FAILED, str(error))
            return
        change(job)

    # -- a claim that is not certain -------------------------------------------------------

    def _gate(self, raw: Mapping[bytes, bytes], job: Job) -> bool:
        """Whether a command may take effect; else it waits, apart from everything else."""
        if self._certain():
            return True
        self._in_flight.pop(job.command.id, None)
        self.postponed.append((job.command, raw))
        return False

    def again(self, command: Command, raw: Mapping[bytes, bytes]) -> None:
        """Begin a postponed command: the claim is ours, and no other one carried it out."""
        if command.id not in self._in_flight and not self.outcome(command):
            self._begin(command, raw)

    def carried_out(self, command: Command, status: CommandStatus) -> None:
        """Another supervisor has carried out a postponed command."""
        detail = "It was carried out by another supervisor."
        self._journal.outcome(Outcome(command.id, status, detail, time.time(), command.stream))
        self._outbox.ack(command.stream, command.entry_id, delete=bool(command.args))

    def _reject(self, job: Job, reason: str, raw: Mapping[bytes, bytes]) -> None:
        """An entry that names nothing that could be done: kept with its reason, like nonsense."""
        job.finish(CommandStatus.REJECTED, reason)
        self._outbox.reject(Reject(job.command.stream, job.command.entry_id, reason, dict(raw)))

    def _finished(self, job: Job) -> None:
        self._in_flight.pop(job.command.id, None)
        # Not now: the outcome is about to leave, and the line can wait for that.
        asyncio.get_running_loop().call_later(TELL_AFTER_S, self._tell, job)

    def _tell(self, job: Job) -> None:
        _log.info(
            "%s %s (%s, %s): %s",
            job.command.action,
            job.receipt.process_name,
            job.command.source,
            job.command.id,
            job.receipt.detail or job.receipt.status,
        )

    def _malformed(
        self, stream: str, entry_id: str, raw: Mapping[bytes, bytes], entry: Malformed
    ) -> None:
        """An entry that cannot be carried out: its reason and what it asked for are kept."""
        now = time.time()
        known = self._journal.memory.outcomes.keys() | self._in_flight.keys()
        if entry.command_id not in known:  # nonsense under a good command's id changes nothing
            self._outbox.receipt(
                Receipt(
                    id=entry.command_id,
                    action=entry.asked.action,
                    process_name=entry.asked.process_name,
                    actor=entry.asked.actor,
                    source=entry.asked.source,
                    status=CommandStatus.REJECTED,
                    detail=entry.reason,
                    created_at=_entry_time(entry_id),
                    finished_at=now,
                    steps=[(now, "rejected")],
                )
            )
        self._outbox.reject(Reject(stream, entry_id, entry.reason, dict(raw)))

    def own(self, command: Command) -> Job:
        """A command of the supervisor's own making that people can ask about and take back."""
        job = Job(command, self._journal, self._outbox, self._finished, recorded=True)
        self._in_flight[command.id] = job
        return job

    def find(self, command_id: str) -> Job | None:
        """The command under way that has this id."""
        return self._in_flight.get(command_id)

    @property
    def in_flight(self) -> int:
        """How many commands are under way."""
        return len(self._in_flight)


def _entry_time(entry_id: str) -> float:
    """Epoch seconds of a stream id."""
    return int(entry_id.split("-")[0]) / 1000
