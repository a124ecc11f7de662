"""Redis away, the supervisor away, and back again."""

import asyncio
import os
import signal

import pytest

from services.api.address import find_address
from services.api.commands import Order, keyed_id
from services.api.configuration import ConfigReader
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.errors import BusUnavailableError
from shared.models.command import Action
from shared.settings import load_settings
from tests.api.rest.conftest import CONFIG, Api, StartApi, _supervisor
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until

READS = [
    "/process/processes", "/process?process_name=Sonarr", "/config", "/config/onboarding-status",
    "/process/service-status?process_name=Sonarr", "/logs?process_name=Sonarr",
    "/process/commands/x",
]  # fmt: skip


async def _assert_away(api: Api) -> None:
    for path in READS:
        answer = await api.http.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), path
        assert "Redis" in answer.json()["detail"]
    answer = await api.post("start", "Web Server")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "Redis" in answer.json()["detail"]  # nobody was let in, so nothing was queued
    health = await api.http.get("/health")
    assert (health.status_code, health.json()["details"]) == (200, "Redis does not answer")
    ready = await api.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["missing"] == ["redis", "supervisor", "bridge"]
    assert (await api.http.get("/livez")).status_code == 200
    # It needs no Redis, but whether the caller may have it does.
    assert (await api.http.get("/process/capabilities")).status_code == 503


async def test_redis_dies_and_comes_back(
    fresh_redis: PrivateRedis, keys: Keys, start_api: StartApi
) -> None:
    async with _supervisor(fresh_redis.url, keys) as supervisor:
        await supervisor.appear()
        await supervisor.publish_config(CONFIG)
        api = await start_api(fresh_redis.url)
        assert (await api.post("start", "Web Server")).status_code == 200
    fresh_redis.kill()
    await wait_until(lambda: not api.bridge.connected)
    await _assert_away(api)
    fresh_redis.start()
    async with _supervisor(fresh_redis.url, keys) as supervisor:
        assert await api.bridge.wait_connected(10)
        await supervisor.appear()
        assert (await api.post("stop", "Web Server")).status_code == 200
        assert (await api.http.get("/readyz")).status_code == 200
        for path in READS[:-1]:
            assert (await api.http.get(path)).status_code == 200, path


async def test_it_starts_without_redis(
    fresh_redis: PrivateRedis, keys: Keys, start_api: StartApi
) -> None:
    fresh_redis.stop()
    api = await start_api(fresh_redis.url, wait=False)
    await _assert_away(api)
    fresh_redis.start()
    async with _supervisor(fresh_redis.url, keys) as supervisor:
        await supervisor.appear()
        await supervisor.publish_config(CONFIG)
        assert await api.bridge.wait_connected(10)
        assert (await api.post("start", "Web Server")).status_code == 200


async def test_a_redis_that_hangs_does_not_hang_health(
    fresh_redis: PrivateRedis, keys: Keys, start_api: StartApi
) -> None:
    async with _supervisor(fresh_redis.url, keys) as supervisor:
        await supervisor.appear()
        api = await start_api(fresh_redis.url)
        os.kill(fresh_redis.pid, signal.SIGSTOP)
        try:
            health = await asyncio.wait_for(api.http.get("/health"), 3)
            assert health.json()["details"] == "Redis does not answer"
            assert (await asyncio.wait_for(api.http.get("/livez"), 1)).status_code == 200
        finally:
            os.kill(fresh_redis.pid, signal.SIGCONT)

        async def well() -> bool:
            return bool((await api.http.get("/health")).json()["status"] == "healthy")

        await wait_until(well)


async def test_a_command_whose_fate_is_unknown_is_told_by_its_id(
    fresh_redis: PrivateRedis, start_api: StartApi
) -> None:
    api = await start_api(fresh_redis.url)
    fresh_redis.kill()
    order = Order(Action.START, "Web Server", "tester", key="k")
    with pytest.raises(BusUnavailableError, match=f"/process/commands/{keyed_id('k', 'api')}"):
        await api.app.state.commands.place(order)
    assert len(api.bridge._awaited) == 0


async def test_no_supervisor_is_a_503_before_anything_is_queued(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    await supervisor.vanish()
    answer = await api.post("start", "Web Server")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "supervisor is not running" in answer.json()["detail"]
    assert await supervisor.redis.xlen(supervisor.keys.commands) == 0
    await supervisor.appear()
    assert (await api.post("start", "Web Server")).status_code == 200


async def test_a_command_answered_while_the_subscription_was_away(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    gate = supervisor.gates["Web Server"] = asyncio.Event()
    waiting = asyncio.create_task(api.post("start", "Web Server"))
    await wait_until(lambda: supervisor.seen)
    # The announcement is lost: nobody publishes it, the receipt alone says that it is over.
    receipt = supervisor.keys.command(supervisor.seen[0].id)
    await supervisor.redis.hset(receipt, "status", "succeeded")
    resyncs = api.bridge.counters.resyncs
    await supervisor.redis.client_kill_filter(_type="pubsub")
    answer = await waiting
    assert answer.status_code == 200
    await wait_until(lambda: api.bridge.counters.resyncs > resyncs)
    gate.set()


async def test_scripts_that_redis_forgot(api: Api, supervisor: ScriptedSupervisor) -> None:
    assert (await api.post("start", "Web Server")).status_code == 200
    await supervisor.redis.script_flush()
    assert (await api.post("stop", "Web Server")).status_code == 200


async def test_a_set_of_services_of_another_type(api: Api, supervisor: ScriptedSupervisor) -> None:
    await supervisor.redis.delete(supervisor.keys.services)
    await supervisor.redis.set(supervisor.keys.services, "x")
    for answer in (
        await api.post("start", "Web Server"),
        await api.http.get("/process/service-status?process_name=nobody"),
    ):
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_a_config_of_a_replaced_redis_is_read_again(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    """Version numbers begin anew in another Redis; the resync that comes with it tells."""
    assert (await api.http.get("/config/onboarding-status")).json() == {"needs_onboarding": True}
    tree = {**CONFIG, "dumb": {**CONFIG["dumb"], "onboarding_completed": True}}
    await supervisor.publish_config(tree, version=1)
    resyncs = api.bridge.counters.resyncs
    await supervisor.redis.publish(supervisor.keys.status, b'{"resync":true}')
    await wait_until(lambda: api.bridge.counters.resyncs > resyncs)
    assert (await api.http.get("/config/onboarding-status")).json() == {"needs_onboarding": False}


async def test_the_parsed_config_is_kept_per_version(
    redis_url: str, supervisor: ScriptedSupervisor
) -> None:
    redis = commands_client(redis_url, "test")
    try:
        reader = ConfigReader(redis, supervisor.keys, lambda: 0)
        first = await reader.read()
        assert await reader.read() is first
        assert reader.peek() is first
        await supervisor.publish_config(CONFIG, version=2)
        assert await reader.read() is not first
    finally:
        await redis.aclose(close_connection_pool=True)


@pytest.mark.parametrize(
    ("environ", "published", "expected"),
    [
        ({}, {"host": "127.0.0.9", "port": 9001}, ("127.0.0.9", 9001)),
        ({"DUMB_API_SERVICE_PORT": "9002"}, {"host": "0.0.0.0", "port": 9001}, ("0.0.0.0", 9002)),  # noqa: S104
        ({}, {"host": 5, "port": "x"}, ("127.0.0.1", 8000)),
        ({}, None, ("127.0.0.1", 8000)),
        ({"DUMB_API_SERVICE_HOST": "::1", "DUMB_API_SERVICE_PORT": "1"}, None, ("::1", 1)),
    ],
)
async def test_where_it_listens(
    *,
    redis_url: str,
    keys: Keys,
    tmp_path: object,
    environ: dict[str, str],
    published: dict[str, object] | None,
    expected: tuple[str, int],
) -> None:
    settings = load_settings({"DUMB_HOME": str(tmp_path), "REDIS_URL": redis_url, **environ})
    if published is not None:
        async with _supervisor(redis_url, keys) as supervisor:
            await supervisor.publish_config({"dumb": {"api_service": published}})
    assert await find_address(settings, wait_s=0.3) == expected
