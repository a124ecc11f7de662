"""Every answer has the security headers, whoever made it."""

import httpx
import pytest
from redis.exceptions import RedisError

from services.api.headers import HSTS, POLICY, SECURITY
from tests.api.rest.conftest import Api, StartApi
from tests.support.rawhttp import get, raw_exchange, status_of

UPGRADE = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def missing(headers: httpx.Headers | dict[str, str]) -> list[str]:
    return [name for name, value in SECURITY.items() if headers.get(name) != value]


def headers_of(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    names = [line.partition(":")[0].lower() for line in lines]
    assert len(names) == len(set(names)), names
    return {n: line.partition(":")[2].strip() for n, line in zip(names, lines, strict=True)}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200), ("HEAD", "/livez", 200), ("GET", "/process/processes", 200),
        ("GET", "/openapi.json", 200), ("GET", "/static/pages/icon.svg", 200),
        ("GET", "/none", 404), ("DELETE", "/livez", 405), ("GET", "/logs", 422),
        ("OPTIONS", "/config", 204),
    ],
)  # fmt: skip
async def test_an_answer(api: Api, method: str, path: str, status: int) -> None:
    answer = await api.http.request(method, path)
    assert (answer.status_code, missing(answer.headers)) == (status, [])
    assert "strict-transport-security" not in answer.headers


async def test_what_middleware_refuses(api: Api) -> None:
    host = await api.http.get("/livez", headers={"host": "evil.example"})
    origin = await api.http.post("/config", json={}, headers={"origin": "http://evil.example"})
    preflight = {"origin": "http://nas.lan:3005", "access-control-request-method": "POST"}
    allowed = await api.http.options("/config", headers=preflight)
    for answer, status in ((host, 403), (origin, 403), (allowed, 200)):
        assert (answer.status_code, missing(answer.headers)) == (status, [])


async def test_a_defect_and_an_outage(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, status in ((RuntimeError("unexpected"), 500), (RedisError("away"), 503)):

        async def fail(failure: Exception = error) -> None:
            raise failure

        monkeypatch.setattr(api.app.state.config, "read", fail)
        answer = await api.http.get("/config")
        assert (answer.status_code, missing(answer.headers)) == (status, [])
        assert "detail" in answer.json()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (get(b"/ws/status", *UPGRADE[:1], b"Connection: Upgrade"), 400),
        (get(b"/ws/status", *UPGRADE, b"Sec-WebSocket-Key: short"), 400),
        (get(b"/ws/none", *UPGRADE, KEY), 403),
        (get(b"/ws/" + b"x" * 9000, *UPGRADE, KEY), 414),
    ],
)
async def test_what_never_becomes_a_request(api: Api, request_bytes: bytes, status: int) -> None:
    answer = await raw_exchange(api.port, request_bytes.replace(b"Connection: close\r\n", b""))
    assert (status_of(answer), missing(headers_of(answer))) == (status, [])


async def test_a_page_brings_its_own_policy_and_no_second_one(api: Api) -> None:
    swagger, scalar = [(await api.http.get(path)).headers for path in ("/docs", "/scalar")]
    assert swagger["x-frame-options"] == "DENY"
    assert "x-frame-options" not in scalar  # it cannot name the frontends
    assert "frame-ancestors 'self' http://127.0.0.1:3005 http://nas.lan:3005;" in scalar[POLICY]
    for headers in (swagger, scalar):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert len(headers.get_list(POLICY)) == 1
        assert "script-src" not in headers[POLICY]  # default-src 'self' is for scripts


async def test_hsts_is_for_those_who_ask_for_it_and_over_tls_only(
    redis_url: str, start_api: StartApi
) -> None:
    api = await start_api(redis_url, wait=False, hsts=True)
    assert "strict-transport-security" not in (await api.http.get("/livez")).headers
    # A trusted proxy in front of it says that the client spoke TLS.
    secure = {"x-forwarded-proto": "https"}
    assert (await api.http.get("/none", headers=secure)).headers[
        "strict-transport-security"
    ] == HSTS
    assert "includeSubDomains" not in HSTS
