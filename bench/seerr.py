"""Seerr sync: requests copied per second, a cycle without changes over 10,000, memory.

The Seerrs are stand-ins on the same machine, in a process of their own, that answer at once: what
is measured is this side.
"""

import asyncio
import logging
import multiprocessing
import resource
import shutil
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from bench.report import figure, topic
from services.jobs.seerr.roles import read_roles
from services.jobs.seerr.store import Store, state_file
from services.jobs.seerr.sync import Bench, run_cycle
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.support.redis_server import PrivateRedis, find_redis_server
from tests.support.seerr.server import KEY, FakeSeerr, serving
from tests.support.seerr.world import SeerrWorld

REQUESTS: Final = 10_000
SUBORDINATES: Final = 3


def main() -> None:
    """A first cycle that copies everything to three subordinates, then one without changes."""
    topic(f"Seerr sync, {REQUESTS:,} requests, {SUBORDINATES} subordinates that answer at once")
    home = Path(tempfile.mkdtemp(prefix="dumb-bench-"))
    redis = PrivateRedis(find_redis_server(), home / "redis")
    redis.start()
    here, there = multiprocessing.Pipe()
    # Forked: nothing runs in this process yet that a copy could inherit.
    seerrs = multiprocessing.get_context("fork").Process(target=_serve, args=(there,), daemon=True)
    seerrs.start()
    try:
        asyncio.run(_measure(redis.unix_url, home, here.recv()))
    finally:
        here.send(None)
        seerrs.join(10)
        redis.stop()
        shutil.rmtree(home, ignore_errors=True)


async def _measure(redis_url: str, home: Path, ports: list[int]) -> None:
    redis, keys = commands_client(redis_url, "bench"), Keys()
    store = Store(redis, keys, state_file(home / "dumb_config.json"))
    roles, problems = read_roles(_config(ports))
    assert roles is not None, problems
    bench = Bench(redis, keys, home, store, "bench", logging.getLogger("bench"))
    before = _memory_mib()
    for label in ("first cycle", "no change", "no change, again"):
        began, cpu = time.perf_counter(), time.process_time()
        result = await run_cycle(roles, bench)
        took = time.perf_counter() - began
        assert "problem" not in result, result
        figure(f"{label}: seconds", f"{took:.2f} ({time.process_time() - cpu:.2f} of CPU)")
        made = sum(done.get("create", 0) for done in result["subordinates"].values())
        if made:
            assert made == REQUESTS * SUBORDINATES, made
            figure("copied per second", f"{made / took:,.0f}")
    figure("memory, highest", f"{_memory_mib():.0f} MiB ({before:.0f} before the first cycle)")
    info: dict[str, Any] = await redis.info("memory")
    figure("Redis", f"{info['used_memory'] / 2**20:.1f} MiB")
    await redis.aclose(close_connection_pool=True)


def _config(ports: list[int]) -> dict[str, Any]:
    primary, *subordinates = [{"url": f"http://127.0.0.1:{p}", "api_key": KEY} for p in ports]
    return {
        "seerr_sync": {
            "enabled": True,
            "external_primary": {"enabled": True, **primary},
            "external_subordinates": subordinates,
        }
    }


def _serve(pipe: Connection) -> None:
    """The stand-ins; their ports go through the pipe, and what comes back ends them."""

    async def run() -> None:
        fakes = [FakeSeerr(SeerrWorld(auto_approve=n > 0), check_schema=False)
                 for n in range(SUBORDINATES + 1)]  # fmt: skip
        for number in range(REQUESTS):
            fakes[0].world.create("movie", number + 1)
        async with serving(*fakes):
            pipe.send([fake.port for fake in fakes])
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
