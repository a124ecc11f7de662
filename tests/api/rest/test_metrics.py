"""`GET /metrics` and its neighbours (contract rest.md 7), from what a collector published."""

from typing import Any

import orjson
import pytest

from tests.api.rest.conftest import Api
from tests.support.fake_supervisor import ScriptedSupervisor

SNAPSHOT = {"timestamp": 1.5, "system": {"cpu_percent": 3.0}, "dumb_managed": [], "external": []}
CANDIDATES = {"filesystems": [{"path": "/"}], "interfaces": [{"name": "lo"}]}


async def _publish(supervisor: ScriptedSupervisor, candidates: Any = CANDIDATES) -> None:
    keys = supervisor.keys
    await supervisor.redis.set(keys.metrics_latest, orjson.dumps(SNAPSHOT))
    await supervisor.redis.set(keys.metrics_candidates, orjson.dumps(candidates))


async def test_the_latest_snapshot_as_it_is(api: Api, supervisor: ScriptedSupervisor) -> None:
    await _publish(supervisor)
    for path in ("/metrics", "/metrics/", "/api/metrics"):
        answer = await api.http.get(path)
        assert (answer.status_code, answer.json()) == (200, SNAPSHOT)


async def test_what_is_configured_and_what_could_be(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    await _publish(supervisor)
    answer = await api.http.get("/metrics/filesystems")
    assert answer.json() == {"configured_paths": ["/"], "candidates": [{"path": "/"}]}
    answer = await api.http.get("/metrics/network-interfaces")
    assert answer.json() == {"configured_interfaces": ["all"], "candidates": [{"name": "lo"}]}
    metrics = {"filesystem_paths": ["/a", 7], "network_interfaces": ["eth0"]}
    await supervisor.publish_config({"dumb": {"metrics": metrics}}, version=2)
    found = (await api.http.get("/metrics/filesystems")).json()
    assert found["configured_paths"] == ["/a"]
    found = (await api.http.get("/metrics/network-interfaces")).json()
    assert found["configured_interfaces"] == ["eth0"]


PATHS = ("/metrics", "/metrics/filesystems", "/metrics/network-interfaces")


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_collector_it_is_a_503_that_says_so(api: Api, path: str) -> None:
    answer = await api.http.get(path)
    assert answer.status_code == 503
    assert "metrics" in answer.json()["detail"]
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("odd", [None, [], "x", {"filesystems": 7}])
async def test_candidates_that_are_none(api: Api, supervisor: ScriptedSupervisor, odd: Any) -> None:
    await _publish(supervisor, odd)
    assert (await api.http.get("/metrics/filesystems")).status_code == 503


async def test_features_that_are_off(api: Api) -> None:
    health = (await api.http.get("/metrics/database-health?process_name=x")).json()
    assert (health["enabled"], health["services"], health["monitored_count"]) == (False, [], 0)
    plex = (await api.http.get("/metrics/plex-status")).json()
    assert (plex["enabled"], plex["indicator"]) == (False, "disabled")
