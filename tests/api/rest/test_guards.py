"""Origins, hosts and CORS while there are no accounts; with them: tests/auth."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.api.rest.conftest import CONFIG, Api
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.rawhttp import raw_exchange, status_of

KNOWN = "https://nas.example:3005"


def _with_origins(origins: Any, **frontend: Any) -> dict[str, Any]:
    block = {**CONFIG["dumb"]["frontend"], "origins": origins, **frontend}
    return {**CONFIG, "dumb": {**CONFIG["dumb"], "frontend": block}}


ORIGINS = [
    ("http://nas.lan:3005", 200),  # configured in CONFIG
    ("http://192.168.1.10:3005", 200),  # the frontend, at any neighbor
    ("http://192.168.1.10:3006", 403),
    ("http://[fd00::10]:3005", 200),
    ("http://localhost:5173", 403),
    ("http://127.0.0.1:1", 403),
    ("http://203.0.113.5:3005", 403),
    ("http://evil.example:3005", 403),
    ("https://evil.example", 403),
    ("http://nas.lan:3006", 403),
    ("null", 403),
    ("", 403),
    ("http://localhost.evil.example:3005", 403),
    ("file://", 403),
]


@pytest.mark.parametrize("way", ["post", "get", "preflight"])
async def test_which_pages_may_ask(api: Api, supervisor: ScriptedSupervisor, way: str) -> None:
    for origin, status in ORIGINS:
        supervisor.seen.clear()
        headers = {"Origin": origin}
        if way == "post":
            answer = await api.post("stop", "Web Server", headers=headers)
            assert bool(supervisor.seen) == (status == 200), origin
        elif way == "get":
            answer = await api.http.get("/process/processes", headers=headers)
        else:
            headers["Access-Control-Request-Method"] = "POST"
            answer = await api.http.options("/process/stop-service", headers=headers)
        assert answer.status_code == status, origin
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == (origin if status == 200 else None), origin
        if status == 403:
            assert "dumb.frontend.origins" in answer.json()["detail"]


async def test_pages_of_the_api_itself(api: Api) -> None:
    """Behind a proxy its port is that of the Host header; without one, that of the socket too."""
    published = {"Host": "192.168.1.10:9000", "Origin": "http://192.168.1.10:9000"}
    assert (await api.post("stop", "Web Server", headers=published)).status_code == 200
    own = {"Origin": f"http://192.168.1.10:{api.port}"}
    assert (await api.post("stop", "Web Server", headers=own)).status_code == 200
    other = published | {"Origin": "http://192.168.1.10:9001"}
    assert (await api.post("stop", "Web Server", headers=other)).status_code == 403
    no_port = {"Host": "nas.lan", "Origin": "https://nas.lan"}
    assert (await api.post("stop", "Web Server", headers=no_port)).status_code == 200


async def test_two_origins_are_one_too_many(api: Api) -> None:
    headers = [("Origin", "http://nas.lan:3005"), ("Origin", "https://evil.example")]
    assert (await api.post("stop", "Web Server", headers=headers)).status_code == 403


async def test_a_forwarded_host_is_not_believed(api: Api) -> None:
    for name in ("X-Forwarded-Host", "Forwarded", "X-Original-Host"):
        headers = {"Host": "evil.example", name: "localhost"}
        assert (await api.http.get("/livez", headers=headers)).status_code == 403
        headers = {"Host": "localhost", name: "evil.example"}
        assert (await api.http.get("/livez", headers=headers)).status_code == 200


async def test_cors(api: Api) -> None:
    origin = "http://192.168.1.10:3005"
    answer = await api.http.get("/health", headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in answer.headers["vary"]
    missing = await api.http.get("/nothing", headers={"Origin": origin})
    assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, origin)


async def test_preflight(api: Api) -> None:
    asked = {"Origin": "http://nas.lan:3005", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type, x-setup-code"}  # fmt: skip
    answer = await api.http.options("/api/process/start-service", headers=asked)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["access-control-max-age"] == "600"
    assert "x-setup-code" in answer.headers["access-control-allow-headers"]
    odd = await api.http.options(
        "/config", headers={**asked, "Access-Control-Request-Method": "BREW"}
    )
    assert (odd.status_code, odd.json()) == (400, {"detail": "Disallowed CORS method"})


async def test_origins_follow_the_configuration(api: Api, supervisor: ScriptedSupervisor) -> None:
    new = {"Origin": "https://new.example"}
    assert (await api.post("stop", "Web Server", headers=new)).status_code == 403
    tree = _with_origins(["https://new.example", "*", 3, KNOWN], port=4000)
    await supervisor.publish_config(tree, version=2)
    answer = await api.post("stop", "Web Server", headers=new)
    assert answer.status_code == 200
    assert "access-control-allow-credentials" not in answer.headers  # `*` took them away
    # Its host is known from now on, at any port; so is the frontend's port.
    for headers, status in [
        ({"Host": "new.example:1"}, 200),
        ({"Host": "other.example"}, 403),
        ({"Origin": "http://192.168.1.10:4000"}, 200),
        ({"Origin": "http://new.example:4000"}, 200),
        ({"Origin": "http://192.168.1.10:3005"}, 403),
        ({"Origin": "http://nas.lan:3005"}, 403),
        ({"Origin": KNOWN}, 200),
    ]:
        answer = await api.http.get("/process/processes", headers=headers)
        assert answer.status_code == status, headers
    async with connect(f"ws://127.0.0.1:{api.port}/ws/status", origin="https://new.example") as ws:  # type: ignore[arg-type]
        assert await ws.recv()
    async with connect(
        f"ws://127.0.0.1:{api.port}/ws/status",
        origin="http://nas.lan:3005",  # type: ignore[arg-type]
    ) as ws:
        with pytest.raises(ConnectionClosedError) as closed:
            await ws.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_the_samples_origin_means_any_neighbor(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    await supervisor.publish_config(_with_origins(["http://0.0.0.0:3100"], port=4000), version=2)
    for origin, status in [
        ("http://192.168.1.10:3100", 200),
        ("http://nas:3100", 200),
        ("http://0.0.0.0:3100", 200),
        ("http://evil.example:3100", 403),
        ("http://192.168.1.10:3005", 403),
    ]:
        answer = await api.http.get("/process/processes", headers={"Origin": origin})
        assert answer.status_code == status, origin
    # As a host it is refused: 0.0.0.0 means the machine on which the browser runs.
    assert (await api.http.get("/livez", headers={"Host": "0.0.0.0:8000"})).status_code == 403


HOSTS = [
    ("localhost", 200),
    ("LOCALHOST:9", 200),
    ("127.0.0.1:8000", 200),
    ("[::1]:8000", 200),
    ("[::ffff:192.168.1.10]", 200),
    ("192.168.1.10", 200),
    ("dumb.localhost", 200),
    ("nas", 200),
    ("nas.local:8000", 200),
    ("nas.example:8000", 403),
    ("203.0.113.5:8000", 403),
    ("evil.example", 403),
    ("127.0.0.1.evil.example", 403),
    ("localhost@evil.example", 403),
    ("0.0.0.0:8000", 403),
    ("", 403),
    ("a b", 403),
    ("[::1", 403),
    ("localhost:notaport", 403),
]


@pytest.mark.parametrize(
    "path", ["/health", "/docs", "/auth/status", "/nothing", "/process/processes"]
)
async def test_hosts_of_the_neighborhood(api: Api, path: str) -> None:
    for host, status in HOSTS:
        answer = await api.http.get(path, headers={"Host": host})
        wanted = 404 if (path, status) == ("/nothing", 200) else status
        assert answer.status_code == wanted, host
        if status == 403:
            assert "detail" in answer.json()


RAW = [
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 403),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 403),
    (b"GET /livez HTTP/1.1\r\nHost: \tlocalhost \r\n", 200),
    (b"GET /livez HTTP/1.1\r\nHost: localhost, evil.example\r\n", 403),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nOrigin:\r\n", 403),
    (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nOrigin: \xff\r\n", 403),
    (b"GET /livez%0a HTTP/1.1\r\nHost: evil.example\r\n", 403),
    (b"GET /livez HTTP/1.0\r\n", 403),
    (b"GET /livez HTTP/1.0\r\nHost: localhost\r\n", 200),
    (b"GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\n", 403),
    (b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n", 200),
    (b"GET /livez HTTP/1.1\r\nHost: n\xc3\xa4s.lan\r\n", 403),
]


@pytest.mark.parametrize(("head", "status"), RAW)
async def test_what_http_libraries_do_not_send(api: Api, head: bytes, status: int) -> None:
    answer = await raw_exchange(api.port, head + b"Connection: close\r\n\r\n")
    assert status_of(answer) == status, answer


async def test_a_rebound_name_opens_no_socket(api: Api) -> None:
    url = f"ws://evil.example:{api.port}/ws/logs"
    async with connect(url, host="127.0.0.1", port=api.port, origin=None) as ws:
        with pytest.raises(ConnectionClosedError) as closed:
            await ws.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert "evil.example" in closed.value.rcvd.reason


async def test_a_refusal_does_not_wait_for_the_body(api: Api) -> None:
    head = (
        b"POST /process/stop-service HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 999\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        writer.write(head)
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
    finally:
        writer.close()


async def test_a_broken_document_is_no_reason_to_let_pages_in(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    odd: list[Any] = [7, None, {"a": 1}, [[]], "null", ["http://[", "://", "http://"]]
    for number, origins in enumerate(odd):
        await supervisor.publish_config(_with_origins(origins, port="x"), version=number + 2)
        for origin in ("null", "http://evil.example:3005"):
            answer = await api.http.get("/process", headers={"Origin": origin})
            assert answer.status_code == 403, (origins, origin)
