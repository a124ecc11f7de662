"""The supervisor is killed again and again; its services and their users must not notice."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.observed import (
    Follower,
    block,
    check_numbers,
    doubles,
    living,
    on_disk,
    starts,
)
from tests.faults.operating import BusyOperator, Operator
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

ROUNDS = 24
WRITERS = ("flood", "slow")
WORKERS = ("worker 1", "worker 2", "stubborn 1")


def _seed() -> int:
    return int(os.environ.get("DUMB_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))


class Killer:
    """Kills the supervisor at moments that a seed decides and starts the next one."""

    def __init__(self, supervisor: SupervisorProcess, rng: random.Random) -> None:
        self.supervisor = supervisor
        self.rng = rng
        self.kills = 0
        self.adoptions: list[float] = []

    def blow(self, within: float) -> None:
        """Kill within so many seconds from now, leave nobody in charge for a while."""
        time.sleep(self.rng.uniform(0, within))  # the fault itself, not a synchronisation
        self.supervisor.kill()
        self.kills += 1
        time.sleep(self.rng.choice([0, self.rng.uniform(0, 0.3)]))

    def successor(self) -> None:
        """Start the next one and wait until it is in charge."""
        began = time.monotonic()
        self.supervisor.start()
        self.adoptions.append(time.monotonic() - began)


@pytest.fixture
def supervisor(tmp_path: Path, redis_url: str) -> Iterator[SupervisorProcess]:
    marks = tmp_path / "marks"
    marks.mkdir()
    services = {name: block(marks, name, name) for name in WRITERS}
    for name in (*WORKERS, "target", "stubborn 2"):
        services[name] = block(marks, name, name.split(" ")[0].replace("target", "worker"))
    supervisor = SupervisorProcess(tmp_path / "home", redis_url, services)
    supervisor.write_config(services, log_size="1M", log_count=100)
    try:
        yield supervisor
    finally:
        supervisor.close()


def _aimed(killer: Killer, target: Operator, stubborn: Operator) -> None:
    """A kill while a command that has just been sent is carried out."""
    kind = killer.kills // 2 % 4
    if kind == 0:  # mid-spawn
        target.submit("stop")
        target.settle()
        target.submit("start")
        killer.blow(0.02)
    elif kind == 1:  # mid-restart
        target.submit("restart")
        killer.blow(0.04)
    elif kind == 2:  # mid-stop of a child that ignores SIGTERM
        stubborn.submit("stop")
        killer.blow(0.5)
    else:  # mid-restart of it
        stubborn.submit("restart")
        killer.blow(0.6)


def test_no_line_no_process_and_no_command_is_lost_or_doubled(
    supervisor: SupervisorProcess, tmp_path: Path
) -> None:
    seed = _seed()
    print(f"DUMB_FAULT_SEED={seed}")
    rng = random.Random(seed)
    marks = tmp_path / "marks"
    follower = Follower(supervisor.redis_url, marks, list(WRITERS))
    killer = Killer(supervisor, rng)
    killer.successor()
    for name in WRITERS:
        assert supervisor.run("start", name)["status"] == "succeeded"
    follower.start()
    target, stubborn = (
        Operator(supervisor, marks, name, random.Random(rng.random()))
        for name in ("target", "stubborn 2")
    )
    for operator in (target, stubborn):
        operator.submit("start")
        operator.settle()
    busy = [
        BusyOperator(Operator(supervisor, marks, name, random.Random(rng.random())))
        for name in WORKERS
    ]
    for thread in busy:
        thread.start()
    try:
        while killer.kills < ROUNDS:
            _aimed(killer, target, stubborn)
            # One that is killed at any moment of its own start, adoption included.
            supervisor.start(ready=False)
            killer.blow(1.0)
            killer.successor()
            _check_processes(marks, killer)
            target.settle()
            stubborn.settle()
    except BaseException:
        follower.end()
        raise
    followed = _finish(follower, busy)
    _check_logs(supervisor, follower, followed)
    operators = [target, stubborn, *(thread.operator for thread in busy)]
    commands = _check_commands(supervisor, operators, marks)
    print(
        f"{killer.kills} kills, {sum(followed.values())} lines, {commands} commands, "
        f"adoption {min(killer.adoptions):.2f} to {max(killer.adoptions):.2f} s, "
        f"median {sorted(killer.adoptions)[len(killer.adoptions) // 2]:.2f} s"
    )


def _check_processes(marks: Path, killer: Killer) -> None:
    for name in WRITERS:
        assert len(living(marks, name)) == 1, (name, killer.kills)
        assert len(starts(marks, name)) == 1, (name, killer.kills)
    assert not doubles(marks), killer.kills


def _finish(follower: Follower, busy: list[BusyOperator]) -> dict[str, int]:
    try:
        for thread in busy:
            thread.end()
        return {name: follower.wait_for_last(name) for name in WRITERS}
    finally:
        follower.end()


def _check_logs(
    supervisor: SupervisorProcess, follower: Follower, followed: dict[str, int]
) -> None:
    """Stream and disk say the same, and it is every line once."""
    for name, last in followed.items():
        assert check_numbers(bytes(follower.data[name]), name) == last
        assert on_disk(supervisor.home, name) == follower.data[name]
    assert followed["flood"] > 50_000


def _check_commands(supervisor: SupervisorProcess, operators: list[Operator], marks: Path) -> int:
    """Every command has its one outcome, nothing is pending, every start was asked for."""

    def pending() -> int:
        streams = ("dumb:commands", "dumb:triggers")
        found: list[Any] = [supervisor.redis.xpending(name, "supervisor") for name in streams]
        return sum(summary["pending"] for summary in found)

    wait_until_sync(lambda: pending() == 0, what="every entry to be acknowledged")
    for operator in operators:
        assert len(starts(marks, operator.name)) == operator.expected, operator.name
        assert len(living(marks, operator.name)) <= 1
        for command_id in operator.sent:
            assert supervisor.receipt(command_id)["status"] == "succeeded", command_id
        operator.close()
    assert not doubles(marks)
    return sum(len(operator.sent) for operator in operators)
