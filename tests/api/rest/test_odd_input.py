"""No input, however odd, yields a 500, and none of it ends the replica."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from services.api.errors import ECHO_CHARS, echo
from services.api.limits import COMMAND_BYTES
from tests.api.rest.conftest import Api
from tests.support.rawhttp import get, raw_exchange, status_of

GETS = [
    b"/process/processes", b"/process", b"/process/capabilities", b"/process/update-notices",
    b"/process/service-status", b"/config", b"/config/onboarding-status", b"/health", b"/livez",
    b"/readyz", b"/logs", b"/docs", b"/scalar", b"/openapi.json", b"/process/commands/x",
]  # fmt: skip
POSTS = [b"/process/start-service", b"/process/stop-service", b"/process/restart-service"]

ODD_VALUES = [
    b"%00", b"%FF%FE", b"%ED%A0%80", b"%F0%9F%92%A9", b"%", b"%zz", b"+", b"%0d%0aX:%20y",
    b"x" * 20_000, b"1" * 5000, b"-1", b"NaN", b"1e400", b"..%2f..%2fetc", b"*", b"[", b"\xc3\xa9",
    b"a&process_name=b", b"%2B", b"{}", b"()", b"%E2%80%AE",
]  # fmt: skip
ODD_QUERIES = [
    b"process_name=" + value + suffix
    for value in ODD_VALUES
    for suffix in (b"", b"&include_health=" + value[:50], b"&cursor=" + value + b"&file_id=x")
] + [b"&&&==", b"=", b"process_name", b"scope=%00", b"tail_bytes=" + b"9" * 400, b"?" * 2000]

DEEP = b"[" * 100_000 + b"]" * 100_000
ODD_BODIES = [
    b"", b"{", b"null", b"[]", b'"x"', b"NaN", b"\xff\xfe", b"\x00", b"\xef\xbb\xbf{}",
    b'{"process_name":"\\ud800"}', b'{"process_name":"\xed\xa0\x80"}', b'{"process_name":NaN}',
    b'{"process_name":' + b"9" * 5000 + b"}", b'{"process_name":1e999}', b'{"process_name":-0.0}',
    b'{"process_name":' + DEEP + b"}", DEEP, b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"process_name":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"process_name":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}",
    b'{"process_name":"\\u0000"}', b'{"process_name":"' + b"x" * 1_000_000 + b'"}',
    b'{"process_name":"a","process_name":["b"]}', b'{"process_name":{"\\ud83d\\ude00":[1e308]}}',
    b'{"process_name":"a\\nb\\r","protection_override":5}', b"process_name=Sonarr",
    b'{"process_name":"' + "Ünïcödé \u202e".encode() + b'"}',
]  # fmt: skip

ODD_HEADERS = [
    b"Content-Type: application/json; charset=\xff", b"Content-Type: \xff/\xff",
    b"Content-Type: text/plain", b"Content-Type:", b"Prefer: \xff,;;=,", b"Prefer: ,,,",
    b"Idempotency-Key: \xff", b"Origin: \xff", b"Origin: http://[", b"Origin: http://a:99999",
    b"Origin: http://\xc3\xa9", b"Host: [", b"Host: \xff", b"Host: a:b:c", b"Host: 127.0.0.1:99999",
    b"Authorization: Bearer \x80", b"X: " + b"y" * 60_000, b"Accept: \xff", b"Range: bytes=0-",
    b"Cookie: \xff=\xff", b"Access-Control-Request-Method: \xff", b"If-None-Match: *",
    b"Expect: 100-continue", b"Transfer-Encoding: \xff", b"Content-Length: 18446744073709551616",
    b"Content-Length: -1", b"Upgrade: websocket", b"Sec-WebSocket-Key: x",
]  # fmt: skip


@pytest.fixture
def no_trace(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails the test when the replica logged a trace, whatever it answered."""
    yield
    traces = [r.getMessage() for r in caplog.get_records("call") if r.exc_info]
    assert traces == []


async def _answers(api: Api, requests: list[bytes]) -> list[int]:
    found = []
    for at in range(0, len(requests), 16):
        batch = requests[at : at + 16]
        answers = await asyncio.gather(*(raw_exchange(api.port, r) for r in batch))
        for request, answer in zip(batch, answers, strict=True):
            assert status_of(answer) < 500, (request[:200], answer[:500])
            if status_of(answer) == 422:
                json.loads(answer.partition(b"\r\n\r\n")[2])
            found.append(status_of(answer))
    return found


@pytest.mark.usefixtures("no_trace")
async def test_odd_queries(api: Api) -> None:
    await _answers(api, [get(path + b"?" + query) for path in GETS for query in ODD_QUERIES])
    assert (await api.http.get("/livez")).status_code == 200


@pytest.mark.usefixtures("no_trace")
async def test_odd_paths(api: Api) -> None:
    paths = [b"/process/commands/" + value for value in ODD_VALUES]
    paths += [b"/" + value for value in ODD_VALUES]
    paths += [b"/api/" + value + b"/" for value in ODD_VALUES]
    paths += [b"*", b"http://127.0.0.1/health", b"health", b"", b"/" * 3000, b"/api" * 3000]
    await _answers(api, [get(path) for path in paths])
    assert (await api.http.get("/livez")).status_code == 200


@pytest.mark.usefixtures("no_trace")
async def test_odd_bodies(api: Api) -> None:
    kinds = (b"application/json", b"text/plain", b"application/x-www-form-urlencoded",
             b"multipart/form-data; boundary=", b"application/json; charset=utf-16")  # fmt: skip
    requests = [
        get(path, b"Content-Type: " + kind, method=b"POST", body=body)
        for path in POSTS[:1]
        for kind in kinds
        for body in ODD_BODIES
    ]
    requests += [
        get(path, b"Content-Type: application/json", method=b"POST", body=body)
        for path in POSTS[1:]
        for body in ODD_BODIES
    ]
    found = await _answers(api, requests)
    assert set(found) <= {404, 413, 422}


@pytest.mark.usefixtures("no_trace")
async def test_odd_headers(api: Api) -> None:
    body = b'{"process_name":"Nobody"}'
    requests = [get(path, header) for path in GETS for header in ODD_HEADERS]
    requests += [get(p, h, method=b"POST", body=body) for p in POSTS for h in ODD_HEADERS]
    requests += [get(b"/health", method=m) for m in (b"OPTIONS", b"TRACE", b"PURGE", b"HEAD")]
    await _answers(api, requests)
    assert (await api.http.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00" * 100,
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 99,
    ],
)
async def test_what_is_no_http(api: Api, request_bytes: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(request_bytes)
    writer.write_eof()
    assert status_of(await reader.read()) < 500
    writer.close()
    assert (await api.http.get("/livez")).status_code == 200


async def test_a_body_beyond_the_limit_of_its_route_is_a_413(api: Api) -> None:
    head = {"Content-Type": "application/json"}
    fits = b'{"process_name":"' + b"x" * (COMMAND_BYTES - 19) + b'"}'
    assert len(fits) == COMMAND_BYTES
    answer = await api.http.post("/process/stop-service", content=fits, headers=head)
    assert answer.status_code == 404
    assert len(answer.content) < 1000
    wire = get(b"/process/stop-service", b"Content-Type: application/json", method=b"POST")
    announced = wire.replace(b"Content-Length: 0", b"Content-Length: %d" % (COMMAND_BYTES + 1))
    assert status_of(await raw_exchange(api.port, announced)) == 413


async def test_a_body_that_never_said_its_length_is_a_413(api: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b" " * (1 << 20)

    answer = await api.http.post(
        "/process/stop-service", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The body is larger than 64 KiB."}


async def test_the_unexpected_is_a_500_without_internals(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.app.state.keys = "secret of the house"  # whose attributes a route will miss
    with caplog.at_level(logging.ERROR):
        answer = await api.http.get("/api/process/startup-status/")
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Something went wrong inside the API; its log says what."}
    assert any(r.exc_info and "/startup-status" in r.getMessage() for r in caplog.records)


def test_echo_fits_into_json() -> None:
    deep: object = "x"
    for _ in range(2000):
        deep = [deep]
    assert len(json.dumps(echo(deep))) < 100
    assert echo({"\ud800": 10**400}) == {"?": "a number of more than 64 bits"}
    assert echo("x" * 5000) == "x" * ECHO_CHARS
    assert len(echo(list(range(1000)))) == 50
    assert echo(b"\xff") == "\ufffd"
    assert echo({"a": (True, None, 1.5)}) == {"a": [True, None, 1.5]}
