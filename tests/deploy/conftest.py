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


@pytest.fixture
def acl_redis(place: Path) -> Iterator[AclRedis]:
    """With the five users."""
    broker = AclRedis(place / "redis")
    broker.server.start()
    yield broker
    broker.server.stop()
