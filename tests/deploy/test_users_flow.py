"""The whole stack, each program as its own Redis user: nothing that it needs is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.deploy.broker import AclRedis
from tests.deploy.flow import PASSWORD, WEB, Running, ok, set_up, start_and_read, status
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.redis

PATHS = ("/environment", "/health", "/process/processes", "/readyz", "/metrics", "/jobs")


@pytest.fixture
def running(acl_redis: AclRedis, place: Path) -> Iterator[Running]:
    found = Running(place / "home", {})
    found.start("supervisor", **acl_redis.environ("supervisor"))
    for name in ("metrics", "jobs"):
        found.start(name, **acl_redis.environ(name))
    found.start_api(**acl_redis.environ("api"))
    yield found
    found.close()


def test_nothing_that_the_programs_need_is_refused(running: Running, acl_redis: AclRedis) -> None:
    http = running.client()
    pair = set_up(http)
    _accounts(http, pair)
    start_and_read(http)
    _configuration(http)
    _sockets(running, pair["access_token"])
    _streams(acl_redis, http)
    for path in PATHS:
        ok(http.get(path))
    assert http.get("/metrics/prometheus").status_code == 200
    assert status(http) == "running"
    ok(http.post("/process/stop-service", json={"process_name": WEB}))
    wait_until_sync(lambda: ok(http.get("/jobs"))["programs"], what="a jobs program")
    assert acl_redis.denied() == []


def test_a_supervisor_takes_over_what_another_left(running: Running, acl_redis: AclRedis) -> None:
    http = running.client()
    set_up(http)
    with acl_redis.as_user("tester") as redis:
        redis.delete("dumb:triggers")  # a stream that is none is renamed and made anew
        redis.set("dumb:triggers", "x")

        def made_anew() -> bool:
            kind: Any = redis.type("dumb:triggers")
            return bool(kind == b"stream")

        wait_until_sync(made_anew, what="a stream of triggers")
    acl_redis.server.stop()
    acl_redis.server.start()
    wait_until_sync(lambda: http.get("/readyz").status_code == 200, what="all is well again")
    start_and_read(http)
    assert acl_redis.denied() == []


def _accounts(http: httpx.Client, pair: dict[str, Any]) -> None:
    refreshed = ok(http.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]}))
    assert (
        http.post("/auth/login", json={"username": "alice", "password": "wrong"}).status_code == 401
    )
    other = ok(http.post("/auth/login", json={"username": "alice", "password": PASSWORD}))
    ok(http.post("/auth/logout", headers={"Authorization": f"Bearer {other['access_token']}"}))
    reused = http.post("/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert reused.status_code == 401
    assert refreshed["access_token"]
    body = {"username": "bobby", "password": PASSWORD, "role": "operator"}
    ok(http.post("/auth/users", json=body))
    made = ok(http.post("/auth/tokens", json={"name": "script"}))
    ok(http.delete(f"/auth/tokens/{made['id']}"))
    ok(http.delete("/auth/users/bobby"))


def _configuration(http: httpx.Client) -> None:
    changes = {"process_name": WEB, "updates": {"env": {"A": "1"}}, "persist": True}
    ok(http.post("/config", json=changes))
    version = ok(http.get("/config/versions"))["versions"][0]["version"]
    ok(http.get(f"/config/versions/{version}/diff"))
    ok(http.post("/config", json={"updates": {"dumb": {"ui": {"seen": True}}}}))
    wanted = {"service_name": WEB, "updates": {}}
    assert "name = first" in ok(http.post("/config/service-config", json=wanted))["raw"]
    update = {"service_name": WEB, "updates": {"main": {"name": "second"}}}
    assert ok(http.post("/config/service-config", json=update))["changed"]


def _sockets(running: Running, token: str) -> None:
    base = f"ws://127.0.0.1:{running.apis[0].port}"
    with connect(f"{base}/ws/status?token={token}") as socket:
        assert WEB in str(socket.recv(timeout=10))
    with connect(f"{base}/ws/logs?backlog=5&token={token}") as socket:
        assert socket.recv(timeout=10)
    with connect(f"{base}/ws/metrics?token={token}") as socket:
        assert "cpu" in str(socket.recv(timeout=10))


def _streams(acl_redis: AclRedis, http: httpx.Client) -> None:
    with acl_redis.as_user("publisher") as redis:
        for fields in ({"action": "nonsense"}, {"action": "restart", "process_name": WEB}):
            raw: Any = redis.xadd("dumb:triggers", dict(fields))
    entry = raw.decode()

    def final() -> bool:
        answer = http.get(f"/process/commands/{entry}")
        return answer.status_code == 200 and answer.json()["status"] == "succeeded"

    wait_until_sync(final, what="the publisher's command")


def test_rights_that_are_missing_are_said(place: Path) -> None:
    broker = AclRedis(place / "redis", prefix="other:")
    broker.server.start()
    running = Running(place / "home", {})
    try:
        supervisor = running.start("supervisor", **broker.environ("supervisor"))
        wait_until_sync(
            lambda: "Redis refuses what this user needs" in supervisor.printed(),
            what="a sentence about the rights",
        )
        assert "users.acl.in" in supervisor.printed()
        assert "Traceback" not in supervisor.printed()
        assert len(supervisor.printed().splitlines()) < 10
    finally:
        running.close()
        broker.server.stop()
