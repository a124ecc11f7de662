"""One cluster for tests that only ask, one each for those that kill its parts."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.flow import set_up
from tests.replicas.cluster import Cluster, haproxy
from tests.support.redis_server import PrivateRedis, find_redis_server


@contextmanager
def directory() -> Iterator[Path]:
    """A short one."""
    found = Path(tempfile.mkdtemp(prefix="dumb-replicas-"))
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture
def place() -> Iterator[Path]:
    with directory() as found:
        yield found


@pytest.fixture(scope="module")
def agreed() -> Iterator[tuple[Cluster, str]]:
    """Three replicas with an account, and its token; for tests that leave both as they are."""
    with directory() as place:
        redis = PrivateRedis(find_redis_server(), place / "redis")
        redis.start()
        found = Cluster(place / "home", redis.url, None)
        try:
            yield found, str(set_up(found.clients()[0])["access_token"])
        finally:
            found.close()
            redis.stop()


@pytest.fixture
def cluster(place: Path, redis_url: str) -> Iterator[Cluster]:
    """Three replicas without a proxy, of the test's own."""
    found = Cluster(place / "home", redis_url, None)
    yield found
    found.close()


@pytest.fixture
def proxied(place: Path, redis_url: str) -> Iterator[Cluster]:
    """Three replicas behind HAProxy."""
    binary = haproxy()
    if binary is None:
        pytest.skip("HAProxy is not installed")
    found = Cluster(place / "home", redis_url, binary)
    yield found
    found.close()
