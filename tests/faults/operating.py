"""Somebody who gives one service command after command and knows what must have come of it."""

import random
import threading
from pathlib import Path
from typing import Any

from redis import Redis

from tests.faults.observed import journal_records, starts
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

PATIENCE_S = 40.0
"""A command that meets several kills has its outcome after this at the latest."""


class Operator:
    """Commands for one service, one at a time, so that the number of starts is known exactly."""

    def __init__(
        self, supervisor: SupervisorProcess, directory: Path, name: str, rng: random.Random
    ) -> None:
        self.supervisor = supervisor
        self.name = name
        self.sent: list[str] = []
        self.expected = 0
        """How often the program must have been started by now."""
        self._directory = directory
        self._rng = rng
        self._up = False
        self._redis = Redis.from_url(supervisor.redis_url, protocol=2)

    def submit(self, action: str) -> str:
        """Send it under an id of its own, now and then twice, on either stream; the id."""
        command_id = f"{self.name.replace(' ', '_')}-{len(self.sent)}-{action}"
        self.sent.append(command_id)
        if action == "restart" or (action == "start" and not self._up):
            self.expected += 1
        self._up = action != "stop"
        for _ in range(self._rng.choice([1, 1, 1, 2])):
            stream = self._rng.choice(["dumb:commands", "dumb:triggers"])
            self._redis.xadd(
                stream, {"action": action, "process_name": self.name, "id": command_id}
            )
        return command_id

    def settle(self) -> None:
        """Wait for the outcome of the last command and check what it did."""
        command_id = self.sent[-1]
        receipt: dict[str, str] = {}

        def final() -> bool:
            nonlocal receipt
            raw: Any = self._redis.hgetall(f"dumb:command:{command_id}")
            receipt = {key.decode(): value.decode() for key, value in raw.items()}
            return receipt.get("status") not in {None, "queued", "running"}

        try:
            wait_until_sync(final, timeout=PATIENCE_S, what=f"the outcome of {command_id}")
        except TimeoutError as error:
            raise AssertionError(self._story(command_id, receipt)) from error
        assert receipt["status"] == "succeeded", (command_id, receipt)
        wait_until_sync(
            lambda: len(starts(self._directory, self.name)) >= self.expected,
            what=f"start {self.expected} of {self.name} after {command_id}",
        )
        self.check()

    def _story(self, command_id: str, receipt: dict[str, str]) -> str:
        """Everything that is known of a command that has no outcome."""
        streams = ("dumb:commands", "dumb:triggers")
        entries: list[Any] = [self._redis.xrange(name) for name in streams]
        pending: list[Any] = [
            self._redis.xpending_range(name, "supervisor", "-", "+", 100) for name in streams
        ]
        records = [
            record
            for record in journal_records(self.supervisor.home)
            if command_id in str(record) or record.get("name") == self.name
        ]
        return (
            f"no outcome of {command_id}: receipt {receipt}, pending {pending}, entries "
            f"{[e for found in entries for e in found if command_id.encode() in e[1].values()]}, "
            f"heartbeat {self._redis.hgetall('dumb:supervisor')}, journal {records}"
        )

    def check(self) -> None:
        """No more starts than commands asked for."""
        noted = starts(self._directory, self.name)
        assert len(noted) <= self.expected, (self.sent[-1], self.expected, noted)

    def again(self) -> None:
        """Send the last command once more under its id: it must not run."""
        action = self.sent[-1].rsplit("-", 1)[1]
        entry = {"action": action, "process_name": self.name, "id": self.sent[-1]}
        self._redis.xadd("dumb:commands", dict(entry.items()))

    def choose(self) -> str:
        """Any action; a start or stop of something that is so already is one too."""
        return self._rng.choice(["start", "restart", "restart", "stop"])

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()


class BusyOperator(threading.Thread):
    """An operator who goes on until told to end; `fault` holds what went wrong."""

    def __init__(self, operator: Operator) -> None:
        super().__init__(daemon=True)
        self.operator = operator
        self.fault: BaseException | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        """Command after command."""
        try:
            while not self._ended.is_set():
                self.operator.submit(self.operator.choose())
                self.operator.settle()
                self.operator.again()
        except BaseException as error:  # noqa: BLE001 - told by `end`, in the test's own thread
            self.fault = error

    def end(self) -> None:
        """Let the last command settle. Raises what the thread met."""
        self._ended.set()
        self.join(PATIENCE_S + 20)
        if self.fault is not None:
            raise self.fault
        self.operator.check()
