"""A collector over a Redis of the test, and somebody who says what a supervisor says."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.support.collector import CollectorProcess
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.redis_server import PrivateRedis


@pytest.fixture
def collector(tmp_path: Path, redis_url: str) -> Iterator[CollectorProcess]:
    """Not yet started."""
    found = CollectorProcess(tmp_path, redis_url)
    yield found
    found.close()


@pytest.fixture
def lone_collector(tmp_path: Path, fresh_redis: PrivateRedis) -> Iterator[CollectorProcess]:
    """Not yet started, with a Redis that the test may stop."""
    found = CollectorProcess(tmp_path, fresh_redis.url)
    yield found
    found.close()


@pytest_asyncio.fixture
async def supervisor(redis_url: str) -> AsyncIterator[ScriptedSupervisor]:
    redis = commands_client(redis_url, "test-supervisor")
    try:
        yield ScriptedSupervisor(redis, Keys())
    finally:
        await redis.aclose(close_connection_pool=True)
