"""One cluster for each test: they kill its parts."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replicas.cluster import Cluster, haproxy


@pytest.fixture
def place() -> Iterator[Path]:
    """A short directory."""
    directory = Path(tempfile.mkdtemp(prefix="dumb-replicas-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def cluster(place: Path, redis_url: str) -> Iterator[Cluster]:
    """Three replicas; for a test that asks each of them."""
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
