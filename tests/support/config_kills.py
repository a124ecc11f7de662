"""`kill -9` of a supervisor at random moments of persisted updates of its configuration."""

import random
import time
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.supervisor import SupervisorProcess

LONGEST_S = 0.05
"""A kill comes within this time after the updates were sent."""


@dataclass
class Tally:
    """What was done and seen. `between`: kills that left some of the updates undone."""

    updates: int = 0
    kills: int = 0
    between: int = 0


def kill_at_random(boss: SupervisorProcess, updates: int, seed: int) -> Tally:
    """Send updates, kill, look at the file, start again; `boss` runs and has a service `Web`.

    Raises:
        AssertionError: a file that is neither old nor new, or a version that does not agree.
    """
    rng = random.Random(seed)
    tally = Tally()
    base, done = _version(boss), 0
    while tally.updates < updates:
        for _ in range(min(rng.randint(1, 12), updates - tally.updates)):
            tally.updates += 1
            _send(boss, tally.updates)
        time.sleep(rng.uniform(0, LONGEST_S))
        boss.kill()
        tally.kills += 1
        found = _number(boss)
        assert done <= found <= tally.updates, (done, found, tally.updates)
        tally.between += found < tally.updates
        boss.start()
        outcome = boss.result(f"u{tally.updates}")
        assert outcome["status"] == "succeeded", outcome
        done = _number(boss)
        assert done == tally.updates
        # Each update is one version: carried out exactly once, and counted exactly once.
        assert _version(boss) == base + done, (_version(boss), base, done)
        raw: Any = boss.redis.get("dumb:config")
        assert orjson.loads(raw)["file"] == orjson.loads(boss.config.read_bytes())
    return tally


def _send(boss: SupervisorProcess, number: int) -> None:
    env = {"FIRST": str(number), "FILL": "x" * 5000, "LAST": str(number)}
    args = {"op": "service", "process_name": "Web", "updates": {"env": env}, "persist": True}
    boss.send("update-config", "", id=f"u{number}", args=orjson.dumps(args).decode())


def _number(boss: SupervisorProcess) -> int:
    """Which update the file holds, 0 for none; it is whole."""
    env = orjson.loads(boss.config.read_bytes())["web"].get("env", {})
    assert env.get("FIRST") == env.get("LAST")
    return int(env.get("LAST", 0))


def _version(boss: SupervisorProcess) -> int:
    raw: Any = boss.redis.get("dumb:config:version")
    return int(raw)
