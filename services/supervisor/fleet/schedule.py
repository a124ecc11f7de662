"""Schedules: at each slot the supervisor gives a command itself, `cron:<service>:<slot>`.

The id makes it happen once. Slots that passed while nobody was there, or while the clock jumped
over them, are skipped, and the state of the service says so.
"""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.supervisor.job import Job
from services.supervisor.journal import Journal, JournalError
from services.supervisor.records import Intent
from services.supervisor.unit import Unit
from shared.config.schedule import Overlap, Schedule, ScheduledAction, next_slot, parse_schedules
from shared.models.command import Action, Command, CommandStatus
from shared.states import Desired

_log = logging.getLogger(__name__)

SCHEDULE: Final = "schedule"
"""The source of these commands."""

LATE_S: Final = 60.0
"""A slot that is noticed later than this is not made up for."""

LOOK_S: Final = 10.0
"""At most so long between two looks at the clock: it may have jumped."""

COUNTED: Final = 100
"""Missed slots are counted up to here."""

_PREFIX: Final = "cron:"
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")

Clock = Callable[[], float]


class Scheduler:
    """Follows the schedules of all services. `clock`: epoch seconds."""

    def __init__(
        self,
        units: Mapping[str, Unit],
        journal: Journal,
        own: Callable[[Command], Job],
        default_tz: Callable[[], Any],
        clock: Clock = time.time,
    ) -> None:
        self._units = units
        self._journal = journal
        self._own = own
        self._default_tz = default_tz
        self._clock = clock
        self._changed = asyncio.Event()
        self._due: dict[str, float] = {}
        self._looked = clock()

    def reconfigured(self) -> None:
        """Schedules may be other ones."""
        self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        self._resume()
        self._changed.set()
        while True:
            if self._changed.is_set() or self._clock() < self._looked:
                self._changed.clear()
                self._due = dict.fromkeys(self._units, 0.0)
            self.look()
            wait = min([LOOK_S, *(due - self._looked for due in self._due.values())])
            try:
                async with asyncio.timeout(max(wait, 0.0) if self._due else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def look(self) -> None:
        """See to every service whose slot has come."""
        now = self._looked = self._clock()
        for name in [name for name, due in self._due.items() if due <= now]:
            unit = self._units.get(name)
            following = self._see_to(unit, now) if unit is not None else None
            if following is None:
                del self._due[name]
            else:
                self._due[name] = following

    # -- one service -----------------------------------------------------------------------

    def _see_to(self, unit: Unit, now: float) -> float | None:
        """Do what is due; the next slot, None when there is none."""
        entries = parse_schedules(unit.lifecycle.service.block.get("schedule"), self._default_tz())
        if not entries:
            self._tell(unit, None, "")
            return None
        since = min(self._journal.memory.slots.get(unit.name, now), now)
        missed, first = 0, 0.0
        for entry in entries:
            count, oldest, last = _past(entry, since, now)
            missed += count
            first = min(first or oldest, oldest) if count else first
            if last is not None:
                self._fire(unit, entry, last)
        if missed:
            some = f"{missed} slots" if missed > 1 else "a slot"
            self._skipped(unit, first, f"{some} passed while no supervisor looked at the clock")
        self._journal.slot(unit.name, now)
        slots = [slot for entry in entries if (slot := next_slot(entry, now)) is not None]
        following = min(slots, default=None)
        self._tell(unit, following, unit.state.schedule_note)
        return following

    def _fire(self, unit: Unit, entry: Schedule, slot: float) -> None:
        why = _why_not(unit, entry)
        if why:
            self._skipped(unit, slot, why)
            return
        action = _action(unit, entry)
        command_id = command_id_of(unit.name, slot)
        memory = self._journal.memory
        if command_id in memory.outcomes or command_id in memory.intents:
            return  # the clock was put back
        self._tell(unit, unit.state.next_run_at, "")
        self._submit(unit, action, command_id, slot)

    def _submit(self, unit: Unit, action: Action, command_id: str, slot: float) -> None:
        job = self._own(_command(command_id, action, unit.name))
        job.claim(slot)
        try:
            unit.submit(job)
        except JournalError as error:
            job.finish(CommandStatus.FAILED, str(error))

    def _resume(self) -> None:
        """What a supervisor that was killed had begun: finished, and not done twice."""
        for intent in list(self._journal.memory.intents.values()):
            if intent.id.startswith(_PREFIX) and not intent.stream:
                self._resume_one(intent)

    def _resume_one(self, intent: Intent) -> None:
        unit, action = self._units.get(intent.service), Action(intent.action)
        if unit is not None and not (
            action is Action.START and unit.state.generation >= intent.target
        ):
            self._submit(unit, action, intent.id, float(intent.id.rpartition(":")[2]))
            return
        job = self._own(_command(intent.id, action, intent.service))
        if unit is None:
            job.finish(CommandStatus.FAILED, f"'{intent.service}' is not configured any more.")
        else:
            job.finish(CommandStatus.SUCCEEDED, "started before the supervisor was killed")

    # -- what people see -------------------------------------------------------------------

    def _skipped(self, unit: Unit, slot: float, why: str) -> None:
        words = f"{_time(slot)} skipped: {why}"
        _log.warning("schedule of %s: %s", unit.name, words)
        self._tell(unit, unit.state.next_run_at, words)

    def _tell(self, unit: Unit, following: float | None, note: str) -> None:
        state = unit.state
        if (state.next_run_at, state.schedule_note) != (following, note):
            unit.lifecycle.book.note(next_run_at=following, schedule_note=note)


def _past(entry: Schedule, since: float, now: float) -> tuple[int, float, float | None]:
    """Of the slots in (since, now]: how many were missed, the first of those, and what is due."""
    count, oldest, due = 0, 0.0, None
    at = since
    while (slot := next_slot(entry, at)) is not None and slot <= now and count < COUNTED:
        if due is not None or now - slot > LATE_S:
            missed = slot if due is None else due
            count, oldest = count + 1, oldest or missed
        due = slot if now - slot <= LATE_S else due
        at = slot
    if count >= COUNTED:  # the last minute still counts
        late = next_slot(entry, now - LATE_S)
        due = late if late is not None and late <= now else None
    return count, oldest, due


def _why_not(unit: Unit, entry: Schedule) -> str:
    """Why a slot is skipped, "" when it is not."""
    up = unit.lifecycle.alive or unit.busy
    if entry.action is ScheduledAction.RUN and up and entry.overlap is Overlap.SKIP:
        return "it still runs"
    if entry.action is ScheduledAction.RESTART and unit.state.desired is Desired.DOWN:
        return "it is stopped"
    return ""


def _action(unit: Unit, entry: Schedule) -> Action:
    if entry.action is ScheduledAction.STOP:
        return Action.STOP
    again = entry.action is ScheduledAction.RESTART or unit.lifecycle.alive or unit.busy
    return Action.RESTART if again else Action.START


def command_id_of(name: str, slot: float) -> str:
    """`cron:<service>:<slot>`; a name that an id cannot hold is told apart by its hash."""
    plain = _ODD.sub("-", name)[:80]
    if plain != name:
        plain += f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{_PREFIX}{plain}:{int(slot)}"


def _command(command_id: str, action: Action, name: str) -> Command:
    return Command(
        id=command_id,
        action=action,
        process_name=name,
        stream="",
        entry_id="",
        actor=SCHEDULE,
        source=SCHEDULE,
    )


def _time(slot: float) -> str:
    return datetime.fromtimestamp(slot, UTC).strftime("%Y-%m-%d %H:%M UTC")
