"""Origins, hosts and CORS."""

from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from services.api.hosts import known_host
from shared.api_address import is_loopback
from tests.api.rest.conftest import CONFIG, Api, StartApi
from tests.support.fake_supervisor import ScriptedSupervisor

KNOWN = "http://nas.lan:3005"


ORIGINS = [
    (KNOWN, 200),
    ("http://localhost:5173", 200),
    ("http://127.0.0.1:1", 200),
    ("https://evil.example", 403),
    ("http://nas.lan:3006", 403),
    ("null", 403),
    ("", 403),
    ("http://localhost.evil.example", 403),
    ("file://", 403),
]


async def test_a_page_of_an_unknown_origin_changes_nothing(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    for origin, status in ORIGINS:
        supervisor.seen.clear()
        answer = await api.post("stop", "Web Server", headers={"Origin": origin})
        assert answer.status_code == status, origin
        assert bool(supervisor.seen) == (status == 200), origin
        if status == 403:
            assert "dumb.frontend.origins" in answer.json()["detail"]
            assert "access-control-allow-origin" not in answer.headers


async def test_two_origins_are_one_too_many(api: Api) -> None:
    headers = [("Origin", KNOWN), ("Origin", "https://evil.example")]
    assert (await api.post("stop", "Web Server", headers=headers)).status_code == 403


async def test_reading_is_left_to_cors(api: Api) -> None:
    known = await api.http.get("/health", headers={"Origin": KNOWN})
    assert known.headers["access-control-allow-origin"] == KNOWN
    assert known.headers["access-control-allow-credentials"] == "true"
    unknown = await api.http.get("/health", headers={"Origin": "https://evil.example"})
    assert unknown.status_code == 200
    assert "access-control-allow-origin" not in unknown.headers


async def test_preflight(api: Api) -> None:
    asked = {"Origin": KNOWN, "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type, idempotency-key"}  # fmt: skip
    answer = await api.http.options("/api/process/start-service", headers=asked)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["access-control-max-age"] == "600"
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    refused = await api.http.options("/config", headers={**asked, "Origin": "https://evil.example"})
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


async def test_origins_follow_the_configuration(api: Api, supervisor: ScriptedSupervisor) -> None:
    new = {"Origin": "https://new.example"}
    assert (await api.post("stop", "Web Server", headers=new)).status_code == 403
    frontend = {**CONFIG["dumb"]["frontend"], "origins": ["https://new.example", "*", 3]}
    dumb: dict[str, Any] = {**CONFIG["dumb"], "frontend": frontend}
    await supervisor.publish_config({**CONFIG, "dumb": dumb}, version=2)
    answer = await api.post("stop", "Web Server", headers=new)
    assert answer.status_code == 200
    assert "access-control-allow-credentials" not in answer.headers  # `*` took them away
    assert (await api.post("stop", "Web Server", headers={"Origin": KNOWN})).status_code == 403
    async with connect(f"ws://127.0.0.1:{api.port}/ws/status", origin="https://new.example") as ws:  # type: ignore[arg-type]
        assert await ws.recv()
    async with connect(f"ws://127.0.0.1:{api.port}/ws/status", origin=KNOWN) as ws:  # type: ignore[arg-type]
        with pytest.raises(ConnectionClosedError) as closed:
            await ws.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


HOSTS = [
    ("localhost", 200),
    ("LOCALHOST:9", 200),
    ("127.0.0.1:8000", 200),
    ("127.3.2.1", 200),
    ("[::1]:8000", 200),
    ("dumb.localhost", 200),
    ("nas.lan:8000", 200),  # the host of a configured origin
    ("evil.example", 403),
    ("127.0.0.1.evil.example", 403),
    ("localhost@evil.example", 403),
    ("0.0.0.0:8000", 403),
    ("", 403),
    ("a b", 403),
    ("[::1", 403),
    ("localhost:notaport", 403),
]


async def test_a_loopback_bind_knows_its_hosts(api: Api) -> None:
    for host, status in HOSTS:
        answer = await api.http.get("/health", headers={"Host": host})
        assert answer.status_code == status, host
        if status == 403:
            assert "detail" in answer.json()


async def test_a_public_bind_takes_any_host(
    redis_url: str, supervisor: ScriptedSupervisor, start_api: StartApi
) -> None:
    assert supervisor is not None
    api = await start_api(redis_url, bind_host="0.0.0.0")  # noqa: S104
    assert (await api.http.get("/health", headers={"Host": "nas.example"})).status_code == 200


async def test_a_rebound_name_opens_no_socket(api: Api) -> None:
    url = f"ws://evil.example:{api.port}/ws/logs"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, host="127.0.0.1", port=api.port, origin=None):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False),  # noqa: S104
     ("10.0.0.1", False), ("nas.lan", False), ("", False)],
)  # fmt: skip
def test_is_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_known_host_takes_the_bind_address() -> None:
    assert known_host("Box.local:80", "box.local", ())
    assert not known_host("box.local", "127.0.0.1", ())
    assert known_host("box.local", "127.0.0.1", ["https://box.local:3005"])
