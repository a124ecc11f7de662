"""The main process: looks after the workers, says that it is there, and schedules.

It has one thread, no event loop and no handlers: it waits for signals, and once a second it looks
whether anything is due.
"""

import hashlib
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

import orjson
from redis.exceptions import RedisError

from services.jobs.config import ConfigWatch
from services.jobs.recover import Recovery
from services.jobs.schedule import Schedule, move_due_retries
from services.jobs.sweep import mend, sweep
from services.jobs.workers import Workers
from shared.bus.client import blocking_client
from shared.bus.jobs import NewsWriter, live_programs
from shared.bus.keys import Keys
from shared.bus.log_level import obey
from shared.bus.scripts import JOBS_BEAT, LEASE_KEEP
from shared.exits import Exit
from shared.jobs import QUEUES
from shared.lock import take_lock
from shared.settings import Settings
from shared.version import VERSION

_log = logging.getLogger(__name__)

TURN_S: Final = 1.0
LEASE_MS: Final = 10_000
CORRECT_EVERY_S: Final = 60.0
STOP_S: Final = 4.0
"""How long a job under way may go on after SIGTERM; then it is requeued."""
FORGET_PROGRAM_S: Final = 86_400.0

ENDS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
WATCHED: Final = ENDS | {signal.SIGCHLD}


class Keeper:
    """One jobs program. `work(queue, name)` is what a worker process does."""

    def __init__(self, settings: Settings, work: Callable[[str, str], int]) -> None:
        self._settings = settings
        self._keys = Keys(settings.redis_prefix)
        self._place = f"{socket.gethostname()}-{_short(str(settings.home))}"
        """The same for every program on this directory: of those before us none lives."""
        self.program = f"{self._place}-{os.getpid()}-{secrets.token_hex(2)}"
        self._lock = take_lock(settings.run_dir / "jobs.lock", "jobs program", settings.home)
        self._workers = Workers(self.program, QUEUES, lambda q, n: self._in_child(work, q, n))
        self._redis = blocking_client(settings.redis_url, "dumb-jobs")
        self._beat = self._redis.register_script(JOBS_BEAT)
        self._keep = self._redis.register_script(LEASE_KEEP)
        self._news = NewsWriter(self._redis, self._keys)
        self._schedule = Schedule(self._redis, self._keys)
        self._config = ConfigWatch(self._redis, self._keys, self._schedule)
        self._recovery = Recovery(self._redis, self._keys)
        self._started_at = time.time()
        self._scheduling = False
        self._looked = False
        self._corrected = float("-inf")
        self._away = False

    def run(self) -> int:
        """Until SIGTERM or SIGINT. The exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        next_turn = 0.0
        while True:
            self._workers.start_due()
            if time.monotonic() >= next_turn:
                self._guarded(self._turn)
                next_turn = time.monotonic() + TURN_S
            found = signal.sigtimedwait(WATCHED, max(0.0, next_turn - time.monotonic()))
            if found is not None and found.si_signo in ENDS:
                break
            self._look_after_dead()
        self._stop()
        return Exit.OK

    # -- once a second ------------------------------------------------------------------------

    def _turn(self) -> None:
        if not self._looked:
            mend(self._redis, self._keys)  # before the first word, which would not be taken
        now = self._say_alive()
        obey(cast("bytes | None", self._redis.get(self._keys.log_level)), self._settings)
        self._config.look(scheduling=self._scheduling)
        if not self._looked:
            # Whoever held the lock on this directory before is gone, and its workers with it.
            self._sweep()
            self._requeue(self._is_gone)
            self._looked = True
        if not self._scheduling:
            return
        move_due_retries(self._redis, self._keys, QUEUES, self._news)
        self._schedule.turn(now)
        if time.monotonic() - self._corrected > CORRECT_EVERY_S:
            self._corrected = time.monotonic()
            if mend(self._redis, self._keys):
                self._schedule.take_over(now)  # nobody knows its records any more
            self._sweep()
            self._requeue_of_lost_programs(now)
            self._recovery.correct_news()

    def _say_alive(self) -> float:
        """Heartbeat and lease; the time by Redis, in epoch seconds."""
        info = {
            "node": socket.gethostname(),
            "pid": os.getpid(),
            "version": VERSION,
            "started_at": self._started_at,
            "workers": [
                {"name": slot.name, "queue": slot.queue, "pid": slot.pid}
                for slot in self._workers.running
            ],
        }
        milliseconds, scheduling = cast(
            "tuple[int, int]",
            self._beat(
                keys=[self._keys.jobs_programs, self._keys.jobs_lease],
                args=[self.program, orjson.dumps(info), LEASE_MS],
            ),
        )
        now = milliseconds / 1000
        if scheduling and not self._scheduling:
            self._schedule.take_over(now)
            _log.info("this program schedules the jobs")
        self._scheduling = bool(scheduling)
        return now

    def _requeue_of_lost_programs(self, now: float) -> None:
        raw = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys.jobs_programs))
        alive = set(live_programs(raw, now))
        self._requeue(lambda name: not any(name.startswith(f"{program}-") for program in alive))
        old = [p for p in raw if p.decode("utf-8", "replace") not in alive]
        for program in old:
            if not live_programs({program: raw[program]}, now - FORGET_PROGRAM_S):
                self._redis.hdel(self._keys.jobs_programs, program)

    def _is_gone(self, worker: str) -> bool:
        """A worker of this directory that is none of those that run."""
        running = {slot.name for slot in self._workers.running}
        return worker.startswith(f"{self._place}-") and worker not in running

    def _sweep(self) -> None:
        for queue in QUEUES:
            sweep(self._redis, self._keys, queue)

    def _requeue(self, is_dead: Callable[[str], bool]) -> None:
        for queue in QUEUES:
            self._recovery.requeue_dead(queue, is_dead)

    # -- workers ------------------------------------------------------------------------------

    def _look_after_dead(self) -> None:
        for slot in self._workers.reap():
            name, queue = slot.name, slot.queue
            _log.warning("the worker of queue %s ended; starting another", queue)
            dead = lambda worker, name=name: worker == name  # noqa: E731 - a name of the loop
            self._guarded(lambda q=queue, d=dead: self._recovery.requeue_dead(q, d))  # type: ignore[misc]

    def _in_child(self, work: Callable[[str, str], int], queue: str, name: str) -> int:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        os.close(self._lock)  # else a worker that lingers would keep the directory locked
        return work(queue, name)

    def _stop(self) -> None:
        self._workers.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while self._workers.running and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._workers.reap()
        killed = [slot.name for slot in self._workers.running]
        self._workers.signal(signal.SIGKILL)
        while self._workers.running:
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._workers.reap()
        with suppress(RedisError, OSError):
            if killed:
                self._requeue(lambda worker: worker in killed)
            self._redis.hdel(self._keys.jobs_programs, self.program)
            self._keep(keys=[self._keys.jobs_lease], args=[self.program, "0"])
        self._redis.close()

    # -- the rest -----------------------------------------------------------------------------

    def _guarded(self, action: Callable[[], Any]) -> None:
        """Redis may be away at any moment; it is said once, and tried again at the next turn."""
        try:
            action()
        except (RedisError, OSError) as error:
            if not self._away:
                _log.warning("Redis does not answer, nothing is scheduled: %s", error)
            self._away, self._looked, self._scheduling = True, False, False
        except Exception:  # noqa: BLE001 - whatever stands in Redis, the workers are looked after
            _log.exception("The schedule was not looked after; it is tried again")
            self._looked = False
        else:
            if self._away and action == self._turn:
                _log.info("Redis is back.")
            self._away = False


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
