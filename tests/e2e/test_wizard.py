"""The first run as the frontend drives it: two replicas, a supervisor, real children."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.config.conftest import replica
from tests.support.redis_server import free_port
from tests.support.supervisor import SupervisorProcess

STAND_IN = str(Path(__file__).resolve().parents[1] / "programs" / "ready_later.py")


def block(name: str, **fields: Any) -> dict[str, Any]:
    """A media service's stand-in: its port answers after 50 ms."""
    return {
        "process_name": name,
        "enabled": False,
        "command": [sys.executable, "-I", "-S", STAND_IN, "{port}", "0.05"],
        "config_dir": "work",
        "port": free_port(),
        "stop_wait": 2,
        **fields,
    }


@pytest_asyncio.fixture
async def home(redis_url: str, tmp_path: Path) -> AsyncIterator[SupervisorProcess]:
    mine = block("Sonarr", release_version="v4")
    services = {
        "sonarr": {"instances": {"Default": mine}},
        "plex": block("Plex Media Server"),
        "postgres": block("PostgreSQL", health={"readiness": {"kind": "port"}}),
        "zilean": block("Zilean"),
        "tautulli": block("Tautulli"),
        "untouched": block("Untouched"),
    }
    supervisor = SupervisorProcess(tmp_path / "home", redis_url, services)
    supervisor.write_config(services, onboarding_completed=False, ui={"sidebar": {}})
    try:
        supervisor.start()
        yield supervisor
    finally:
        supervisor.close()


async def _lines(url: str, until: asyncio.Event) -> list[str]:
    """What the wizard's log step shows."""
    found: list[str] = []
    async with connect(url) as socket:
        until.set()
        while "start-core: Tautulli is ready" not in (found or [""])[-1]:
            found.append(str(await asyncio.wait_for(socket.recv(), 20)))
    return found


async def test_the_wizard(home: SupervisorProcess, redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(replica(redis_url))
        two = await stack.enter_async_context(replica(redis_url))
        await _wizard(one, two)
    sonarr = home.service("Sonarr Anime")
    assert (sonarr["instance"], sonarr["desired"]) == ("Anime", "up")


async def _wizard(one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
    # /setup: the first account.
    assert (await one.get("/api/auth/status")).json()["has_users"] is False
    account = {"username": "admin", "password": "correct horse"}
    token = (await one.post("/api/auth/setup", json=account)).json()["access_token"]
    for client in (one, two):
        client.headers["authorization"] = f"Bearer {token}"
    assert (await two.get("/api/config/onboarding-status")).json() == {"needs_onboarding": True}

    # Preflight.
    assert (await two.get("/api/health")).json() == {"status": "healthy"}
    flags = (await two.get("/api/process/capabilities")).json()
    assert flags["optional_only_onboarding"] is True
    assert flags["optional_service_options"] is True
    core = (await two.get("/api/process/core-services")).json()["core_services"]
    sonarr = next(service for service in core if service["key"] == "sonarr")
    assert sonarr["supports_instances"] is True

    # Optional services, as axios asks for them.
    query = {"core_service": "sonarr", "optional_services[]": ["zilean"]}
    offered = (await one.get("/api/process/optional-services", params=query)).json()
    keys = [service["key"] for service in offered["optional_services"]]
    assert "zilean" in keys
    assert "postgres" not in keys

    # Submit, with the log step open.
    port = free_port()
    options = {"sonarr": {**sonarr["service_options"]["sonarr"], "port": port, "log_level": None}}
    places = {name: {"config_dir": f"work/{name}"} for name in ("Anime", "4K")}
    body = {
        "core_services": [
            {"name": "sonarr", "instance_name": name, "service_options": {**options, **places}}
            for name in ("Anime", "4K")
        ]
        + [{"name": "plex", "instance_name": None, "service_options": {}}],
        "optional_services": ["zilean", "tautulli"],
        "optional_service_options": {"zilean": {"log_level": "DEBUG"}},
    }
    listening = asyncio.Event()
    url = f"ws://{two.base_url.host}:{two.base_url.port}/ws/logs?token={token}"
    log = asyncio.create_task(_lines(url, listening))
    await listening.wait()
    started = await one.post("/api/process/start-core-service", json=body)
    assert started.status_code == 200, started.text
    results = [{"service": name, "status": "started"} for name in ("plex", "sonarr", "sonarr")]
    assert started.json() == {"results": results, "errors": []}
    assert (await one.post("/api/config/onboarding-completed")).status_code == 200
    assert (await two.get("/api/config/onboarding-status")).json() == {"needs_onboarding": False}
    shown = "\n".join(await log)
    for words in ("Sonarr Anime was added", "PostgreSQL was enabled", "Sonarr 4K is ready"):
        assert words in shown

    # The dashboard of the other replica: true at once.
    entries = (await two.get("/api/process/processes")).json()["processes"]
    enabled = {entry["process_name"] for entry in entries if entry["enabled"]}
    wanted = {"Sonarr Anime", "Sonarr 4K", "Plex Media Server", "PostgreSQL", "Zilean", "Tautulli"}
    assert enabled >= wanted
    assert not {"Sonarr", "Untouched"} & enabled
    for name in wanted:
        status = await two.get("/api/process/service-status", params={"process_name": name})
        assert status.json()["status"] == "running"
    tree = (await two.get("/api/config/")).json()
    instances = tree["sonarr"]["instances"]
    assert set(instances) == {"Default", "Anime", "4K"}
    assert instances["Default"]["release_version"] == "v4"
    assert {instances["Anime"]["port"], instances["4K"]["port"]} >= {port}
    assert instances["Anime"]["port"] != instances["4K"]["port"]
    assert tree["zilean"]["log_level"] == "DEBUG"
    versions = (await two.get("/api/config/versions")).json()["versions"]
    changed = [version for version in versions if version["source"] == "api"]
    assert len([v for v in changed if ["sonarr", "instances", "Anime"] in _split(v)]) == 1


def _split(version: dict[str, Any]) -> list[list[str]]:
    return [path.split(".") if isinstance(path, str) else list(path) for path in version["paths"]]
