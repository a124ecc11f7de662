"""The jobs of the Seerr sync, as the worker calls them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from services.jobs.config import NoConfigError, read_config
from services.jobs.job import JobRun
from services.jobs.seerr.roles import Roles, is_enabled, read_roles
from services.jobs.seerr.store import Store, state_file
from services.jobs.seerr.sync import Bench, dry_run, run_cycle
from shared.bus.client import commands_client

Work = Callable[[Roles, Bench], Awaitable[dict[str, Any]]]


def sync(run: JobRun) -> dict[str, Any]:
    """One cycle. Raises what `run_cycle` raises."""
    return _with_roles(run, run_cycle, wanted=True)


def plan(run: JobRun) -> dict[str, Any]:
    """What a cycle would do, whether it is enabled or not. Raises what redis-py raises."""
    return _with_roles(run, dry_run, wanted=False)


def mirror(run: JobRun) -> dict[str, Any]:
    """Write `seerr_sync_state.json`, if something changed since. Raises `ConfigError` too."""

    async def work(bench: Bench) -> dict[str, Any]:
        if not await bench.store.get_meta():
            return {"written": False}
        return {"written": await bench.store.mirror(await bench.store.load())}

    return asyncio.run(_with_bench(run, work))


def _with_roles(run: JobRun, work: Work, *, wanted: bool) -> dict[str, Any]:
    """Configuration and keys are read here, so that no job carries them."""
    try:
        config = read_config(run.redis, run.keys).effective
    except NoConfigError as error:
        return {"problem": str(error)}
    if wanted and not is_enabled(config):
        return {"problem": "seerr_sync.enabled is false"}
    roles, problems = read_roles(config)
    if roles is None:
        for problem in problems:
            run.log.error("Seerr sync config error: %s.", problem)
        return {"problem": "the configuration: " + "; ".join(problems)}
    return asyncio.run(_with_bench(run, lambda bench: work(roles, bench)))


async def _with_bench(
    run: JobRun, work: Callable[[Bench], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    redis = commands_client(run.settings.redis_url, "dumb-jobs-seerr")
    store = Store(redis, run.keys, state_file(run.settings.config_path))
    bench = Bench(redis, run.keys, run.settings.home, store, run.id, run.log, run.progress)
    try:
        return await work(bench)
    finally:
        await redis.aclose(close_connection_pool=True)
