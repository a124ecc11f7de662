"""Short directories: a unix socket's path may have 107 bytes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.broker import AclRedis


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the test's own."""
    directory = Path(tempfile.mkdtemp(prefix="dumb-deploy-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def shared_acl_redis() -> Iterator[AclRedis]:
    """With the five users, for tests that only try what is allowed."""
    directory = Path(tempfile.mkdtemp(prefix="dumb-deploy-"))
    broker = AclRedis(directory)
    broker.server.start()
    yield broker
    broker.server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def acl_redis(place: Path) -> Iterator[AclRedis]:
    """With the five users."""
    broker = AclRedis(place / "redis")
    broker.server.start()
    yield broker
    broker.server.stop()
