"""The supervisor is killed again and again while it brings up services that need one another."""

import os
import random
import time
from pathlib import Path
from typing import Any

import orjson

from tests.faults.observed import block, doubles, living, starts
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

COUNT = 12
KILLS = 6


def _blocks(marks: Path, rng: random.Random) -> dict[str, Any]:
    """Each needs some of those before it."""
    names = [f"n{number}" for number in range(COUNT)]
    services = {}
    for at, name in enumerate(names):
        needs = rng.sample(names[:at], min(at, rng.randrange(3)))
        services[name] = block(
            marks, name, "worker", enabled=True, depends_on=dict.fromkeys(needs, "ready")
        )
    return services


def test_a_boot_that_is_killed_goes_on_and_starts_nothing_twice(
    tmp_path: Path, redis_url: str
) -> None:
    seed = int(os.environ.get("DUMB_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"DUMB_FAULT_SEED={seed}")
    rng = random.Random(seed)
    marks = tmp_path / "marks"
    marks.mkdir()
    services = _blocks(marks, rng)
    boss = SupervisorProcess(tmp_path / "home", redis_url, services)
    try:
        for _ in range(KILLS):
            boss.start(ready=False)
            time.sleep(rng.uniform(0.2, 0.9))  # the fault itself, not a synchronisation
            boss.kill()
        boss.start()
        wait_until_sync(lambda: _phase(boss) == "ready", timeout=30, what=f"ready: {_phase(boss)}")
        for name, service in services.items():
            state = boss.service(name)
            assert state["status"] == "running", (name, state)
            _wait_started(marks, name, int(state["generation"]))
            began = float(state["started_at"])
            for on in service["depends_on"]:
                assert float(boss.service(on)["ready_at"]) <= began, (on, name)
        assert doubles(marks) == []
    finally:
        boss.close()


def _wait_started(marks: Path, name: str, times: int) -> None:
    """Wait until the program noted so many starts; one of them lives."""
    wait_until_sync(lambda: len(starts(marks, name)) >= times, what=f"{name} to note its start")
    assert len(starts(marks, name)) == times
    assert len(living(marks, name)) == 1


def _phase(boss: SupervisorProcess) -> str:
    raw: Any = boss.redis.get("dumb:startup")
    return str(orjson.loads(raw)["phase"]) if raw else ""
