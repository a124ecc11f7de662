"""Limits of descriptors: the API takes all that it may have, services keep what the user has."""

import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.api.roster import MAX_CONNECTIONS, connection_cap
from tests.deploy.flow import WEB, Running, ok

SOFT = 512


@pytest.fixture
def user_limits() -> Iterator[None]:
    """What programs started in the test find."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def limits_of(pid: int) -> tuple[int, int]:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


@pytest.mark.usefixtures("user_limits")
def test_only_the_api_raises_its_limit(tmp_path: Path, redis_url: str) -> None:
    running = Running(tmp_path, {"REDIS_URL": redis_url})
    try:
        supervisor = running.start("supervisor")
        api = running.start_api()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        assert limits_of(api.process.pid) == (hard, hard)
        assert limits_of(supervisor.process.pid) == (SOFT, hard)
        http = running.client()
        ok(http.post("/process/start-service", json={"process_name": WEB}))
        inside = psutil.Process(supervisor.process.pid).children(recursive=True)
        pids = [child.pid for child in inside if "sleep 1000" in " ".join(child.cmdline())]
        assert [limits_of(pid) for pid in pids] == [(SOFT, hard)] * len(pids)
        assert pids
    finally:
        running.close()


@pytest.mark.parametrize(
    ("soft", "cap"), [(64, 32), (400, 200), (1024, 768), (1 << 20, MAX_CONNECTIONS)]
)
def test_the_cap_leaves_room(monkeypatch: pytest.MonkeyPatch, soft: int, cap: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert connection_cap() == cap
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, -1))
    assert connection_cap() == MAX_CONNECTIONS
