"""A boot of fifty services, five deep: each level needs all of the level below.

Every service is ready 100 ms after its start, so nobody can do it in less than 500 ms.
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.report import times, topic
from shared.models.startup import Phase, Startup
from tests.support.redis_server import PrivateRedis, find_redis_server
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

LEVELS = 5
PER_LEVEL = 10
READY_AFTER_S = 0.1
ROUNDS = 5


def main() -> None:
    """Measure and print milliseconds."""
    home = Path(tempfile.mkdtemp(prefix="dumb-bench-"))
    redis = PrivateRedis(find_redis_server(), home / "redis")
    redis.start()
    booted, ended = [], []
    supervisor = SupervisorProcess(home, redis.unix_url, _blocks())
    try:
        for _ in range(ROUNDS):
            redis.flush()
            supervisor.start(ready=False)
            wait_until_sync(lambda: _startup(supervisor).phase.terminal, timeout=30, what="a boot")
            startup = _startup(supervisor)
            assert startup.phase is Phase.READY, startup
            booted.append(((startup.completed_at or 0) - startup.started_at) * 1000)
            began = time.perf_counter()
            assert supervisor.stop() == 0
            ended.append((time.perf_counter() - began) * 1000)
    finally:
        supervisor.close()
        redis.stop()
        shutil.rmtree(home, ignore_errors=True)
    topic(f"{LEVELS * PER_LEVEL} services, {LEVELS} deep, ready after 100 ms each (floor 500 ms)")
    times("boot: configuration read to everything ready", booted, p50=900)
    times("shutdown: SIGTERM to the exit of the supervisor", ended)


def _startup(supervisor: SupervisorProcess) -> Startup:
    raw: Any = supervisor.redis.get("dumb:startup")
    return Startup() if raw is None else Startup.from_json(raw)


def _blocks() -> dict[str, Any]:
    blocks: dict[str, Any] = {}
    for number in range(LEVELS * PER_LEVEL):
        level = number // PER_LEVEL
        below = range((level - 1) * PER_LEVEL, level * PER_LEVEL) if level else ()
        blocks[f"bench{number}"] = {
            "process_name": f"Bench {number}",
            "enabled": True,
            "command": ["sleep", "1000"],
            "start_window": READY_AFTER_S,
            "depends_on": {f"Bench {other}": "ready" for other in below},
        }
    return blocks


if __name__ == "__main__":
    main()
