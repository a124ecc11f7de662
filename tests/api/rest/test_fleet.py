"""`GET /process/startup-status` and `GET /process/dependency-graph`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.models.startup import Phase, Startup
from shared.states import ServiceStatus
from tests.api.rest.conftest import Api
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.wait import wait_until


async def _get(api: Api, path: str, **query: str) -> dict[str, Any]:
    answer = await api.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


FLEET: dict[str, Any] = {
    "dumb": {"api_service": {"enabled": True, "process_name": "DUMB API", "port": 8000}},
    "postgres": {"enabled": True, "process_name": "PostgreSQL", "port": 5432},
    "riven_backend": {"enabled": True, "process_name": "Riven Backend", "port": 8080},
    "riven_frontend": {"enabled": True, "process_name": "Riven Frontend", "password": "hidden"},
    "rclone": {
        "instances": {
            "Riven": {
                "enabled": True,
                "process_name": "Rclone w/ Riven",
                "core_service": "riven_backend",
                "wait_for_url": [{"url": "http://127.0.0.1:9090/dav"}],
            },
            "Other": {"enabled": True, "process_name": "Rclone w/ CLID", "core_service": "CLID"},
        }
    },
    "zurg": {"instances": {"RD": {"enabled": True, "process_name": "Zurg", "port": 9090}}},
    "zilean": {"process_name": "Zilean"},
}


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = commands_client(redis_url, "test")
    yield client
    await client.aclose(close_connection_pool=True)


@pytest_asyncio.fixture
async def fleet(api: Api, supervisor: ScriptedSupervisor) -> Api:
    """A replica that has seen the services of `FLEET`."""
    await supervisor.publish_config(FLEET, 2)
    await supervisor.bus.running("PostgreSQL")
    await wait_until(
        lambda: (
            {"Zilean", "PostgreSQL"} <= api.bridge.states.keys()
            and api.bridge.states["PostgreSQL"].status is ServiceStatus.RUNNING
        )
    )
    return api


async def test_the_graph_of_a_core_service(fleet: Api) -> None:
    found = await _get(fleet, "/process/dependency-graph", process_name="riven BACKEND")
    assert found.keys() == {
        "process_name", "config_key", "scope", "updated_at", "context", "core_services",
        "processes", "statuses", "startup_order", "dependency_rows", "dependent_rows",
        "linked_outgoing_rows", "linked_incoming_rows", "nodes", "edges", "parallel_groups",
        "dependency_truth_table",
    }  # fmt: skip
    assert (found["process_name"], found["config_key"]) == ("Riven Backend", "riven_backend")
    assert found["context"] == {
        "mode": "core",
        "key": "riven_backend",
        "core": {
            "key": "riven_backend", "name": "Riven", "dependencies": ["zurg", "rclone", "postgres"],
        },
    }  # fmt: skip
    rows = {row["key"]: row for row in found["dependency_rows"]}
    assert rows["postgres"] == {
        "key": "postgres",
        "label": "PostgreSQL",
        "state": "running",
        "process_count": 1,
        "scoped": False,
        "starter_process_name": "PostgreSQL",
        "signals": ["core_service_map", "conditional_startup_map"],
        "classification": "hard",
        "strength": "hard_runtime",
    }
    # A mount of another core service is none of its own; no Zurg says that it serves Riven.
    assert (rows["rclone"]["process_count"], rows["rclone"]["scoped"]) == (1, True)
    assert rows["rclone"]["starter_process_name"] == "Rclone w/ Riven"
    assert (rows["zurg"]["state"], rows["zurg"]["starter_process_name"]) == ("missing", None)
    order = [row["key"] for row in found["startup_order"]]
    assert order[-1] == "riven_backend"
    assert set(order) == {"zurg", "rclone", "postgres", "riven_backend"}
    assert order.index("zurg") < order.index("rclone")
    (frontend,) = found["dependent_rows"]
    assert (frontend["key"], frontend["state"]) == ("riven_frontend", "stopped")
    assert frontend["missing_deps"] == ["riven_backend"]
    assert [row["process_name"] for row in found["linked_incoming_rows"]] == ["Riven Frontend"]
    assert {"source": "Zurg", "target": "Rclone w/ Riven", "signals": ["wait_for_url"],
            "strength": "hard_runtime", "classification": "hard"} in found["edges"]  # fmt: skip
    assert [node["label"] for node in found["nodes"]] == sorted(
        ["PostgreSQL", "Rclone w/ Riven", "Riven Backend", "Riven Frontend", "Zurg"]
    )
    assert [group["id"] for group in found["parallel_groups"]] == [
        "pre_core", "core_target", "post_core",
    ]  # fmt: skip
    assert found["statuses"]["PostgreSQL"] == "running"
    assert "update_status" not in found["processes"][0]
    assert [row["signal"] for row in found["dependency_truth_table"]][-1] == "depends_on"


async def test_the_graph_of_what_others_need(fleet: Api) -> None:
    found = await _get(fleet, "/process/dependency-graph", process_name="postgres")
    assert found["context"]["mode"] == "dependency"
    assert [row["key"] for row in found["startup_order"]] == ["postgres", "zilean", "riven_backend"]
    states = {row["key"]: row["state"] for row in found["dependent_rows"]}
    assert states == {"riven_backend": "stopped", "zilean": "disabled"}
    assert found["dependency_rows"] == []


async def test_with_everything_also_what_can_do_without(fleet: Api) -> None:
    path, name = "/process/dependency-graph", "Zilean"
    runtime = await _get(fleet, path, process_name=name)
    whole = await _get(fleet, path, process_name=name, scope="all")
    assert runtime["linked_incoming_rows"] == []
    (linked,) = whole["linked_incoming_rows"]
    assert (linked["process_name"], linked["classification"]) == ("Riven Backend", "linkage")
    assert linked["strength"] == "soft_linkage"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"process_name": " "}, 400),
        ({"process_name": "Zilean", "scope": "some"}, 400),
        ({"process_name": "nothing of the kind"}, 404),
        ({}, 422),
    ],
)
async def test_what_cannot_be_asked(fleet: Api, query: dict[str, str], status: int) -> None:
    answer = await fleet.http.get("/process/dependency-graph", params=query)
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_the_start_up_status(fleet: Api, redis: Redis, keys: Keys) -> None:
    assert (await _get(fleet, "/process/startup-status"))["phase"] == "initializing"
    startup = Startup(
        Phase.DEGRADED,
        "not ready: Zurg",
        started_at=5.0,
        completed_at=8.0,
        expected_services=("PostgreSQL", "Zilean", "Zurg"),
        failures={"Zurg": "exit code 3"},
    )
    await redis.set(keys.startup, startup.to_json())
    found = await _get(fleet, "/process/startup-status")
    services = found.pop("services")
    assert found == {
        "phase": "degraded",
        "terminal": True,
        "reason": "not ready: Zurg",
        "started_at": 5.0,
        "completed_at": 8.0,
        "expected_services": ["PostgreSQL", "Zilean", "Zurg"],
        "failures": {"Zurg": "exit code 3"},
    }
    assert services["PostgreSQL"] == {
        "state": "ready",
        "reason": None,
        "health_status": "healthy",
        "health_details": {"probe": "process"},
    }
    assert services["Zilean"] == {"state": "pending", "reason": None}
    await redis.set(keys.startup, b"[nonsense")
    assert (await _get(fleet, "/process/startup-status"))["expected_services"] == []
