"""Fixtures of the whole suite: a Redis of the run's own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.redis_server import PrivateRedis, find_redis_server

pytest_plugins = ["tests.support.rounds"]


@contextmanager
def _own_server() -> Iterator[PrivateRedis]:
    # Not tmp_path: a unix socket's path may have 107 bytes, and pytest's directories are long.
    directory = Path(tempfile.mkdtemp(prefix="dumb-redis-"))
    server = PrivateRedis(find_redis_server(), directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def private_redis() -> Iterator[PrivateRedis]:
    """The server that the tests share. Do not stop it: see `fresh_redis`."""
    with _own_server() as server:
        yield server


@pytest.fixture
def redis_url(private_redis: PrivateRedis) -> str:
    """URL of the shared server, whose database 0 has just been emptied."""
    private_redis.flush()
    return private_redis.url


@pytest.fixture
def fresh_redis() -> Iterator[PrivateRedis]:
    """A server of this test's own, which may stop, kill and start it."""
    with _own_server() as server:
        yield server
