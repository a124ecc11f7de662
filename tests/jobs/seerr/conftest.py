"""A primary, subordinates, and cycles between them on a Redis of the test's own."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from redis.asyncio import Redis

from services.jobs.seerr.roles import read_roles
from services.jobs.seerr.store import Store, state_file
from services.jobs.seerr.sync import Bench, dry_run, run_cycle
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.support.seerr.server import FakeSeerr, serving
from tests.support.seerr.world import SeerrWorld

KEYS = Keys()


@dataclass
class Family:
    """One primary and its subordinates. `options` are those of `seerr_sync.options`."""

    primary: FakeSeerr
    subs: list[FakeSeerr]
    redis: Redis
    home: Path
    options: dict[str, Any] = field(default_factory=dict)
    jobs: int = 0

    @property
    def labels(self) -> list[str]:
        return [sub.url for sub in self.subs]

    def config(self) -> dict[str, Any]:
        return {
            "seerr_sync": {
                "enabled": True,
                "external_primary": {
                    "enabled": True,
                    "url": f"{self.primary.url}/",
                    "api_key": self.primary.key,
                },
                "external_subordinates": [sub.as_subordinate() for sub in self.subs],
                "options": self.options,
            }
        }

    @property
    def store(self) -> Store:
        return Store(self.redis, KEYS, state_file(self.home / "dumb_config.json"))

    async def sync(self) -> dict[str, Any]:
        """One cycle; its result."""
        return await self._with_roles(run_cycle)

    async def plan(self) -> dict[str, Any]:
        return await self._with_roles(dry_run)

    async def _with_roles(
        self, work: Callable[[Any, Bench], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        roles, problems = read_roles(self.config())
        assert roles is not None, problems
        self.jobs += 1
        log = logging.getLogger("test.seerr")
        return await work(
            roles, Bench(self.redis, KEYS, self.home, self.store, f"job-{self.jobs}", log)
        )

    async def failures(self) -> dict[str, str]:
        """Errors by `<fingerprint>||<label>`."""
        return {key: f.error for key, f in (await self.store.load()).failures.items()}

    def check(self) -> None:
        """What holds always: every answer and every body fits Seerr's own description."""
        for fake in (self.primary, *self.subs):
            assert fake.problems == []


MakeFamily = Callable[..., Awaitable[Family]]


@pytest_asyncio.fixture
async def make_family(redis_url: str, tmp_path: Path) -> AsyncIterator[MakeFamily]:
    """`await make_family(3)`: a primary and three subordinates that run."""
    async with AsyncExitStack() as stack:
        redis = commands_client(redis_url, "test-seerr")
        stack.push_async_callback(redis.aclose, close_connection_pool=True)

        async def make(
            subordinates: int = 1, *, auto_approve: bool = True, **options: Any
        ) -> Family:
            primary = FakeSeerr(SeerrWorld(auto_approve=False), key="primary-key-0123456789")
            subs = [
                FakeSeerr(
                    SeerrWorld(auto_approve=auto_approve, first_id=1000 * (n + 1)),
                    key=f"sub-key-{n}-0123456789",
                )
                for n in range(subordinates)
            ]
            await stack.enter_async_context(serving(primary, *subs))
            family = Family(primary, subs, redis, tmp_path, options)
            stack.callback(family.check)
            return family

        yield make


@pytest_asyncio.fixture
async def family(make_family: MakeFamily) -> Family:
    """One subordinate, with the options as they are by default."""
    return await make_family()
