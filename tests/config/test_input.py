"""Bad input: a clear 4xx, and nothing is changed."""

import pytest

from tests.config.conftest import Desk

DEEP = b'{"a":' * 70 + b"1" + b"}" * 70
ODD = [
    (b'{"updates":{"tz":"a","tz":"b"}}', 400, "twice"),
    (b'{"updates":{"seerr_sync":{"x":NaN}}}', 400, "NaN"),
    (b'{"updates":{"seerr_sync":{"x":1e999}}}', 400, "too large"),
    (b'{"updates":{"seerr_sync":{"x":18446744073709551615}}}', 400, "64 bits"),
    (b'{"updates":{"tz":"\\ud800"}}', 400, "surrogate"),
    (b'{"updates":{"tz":"\xff"}}', 400, "UTF-8"),
    (b'{"updates":{"seerr_sync":' + DEEP + b"}}", 400, "64 levels"),
    (b'{"updates":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "64 levels"),
    (b'{"updates":', 400, "line 1"),
    (b'{"updates":{"tz":"' + b"x" * (5 << 20) + b'"}}', 413, "4 MiB"),
    (b'{"process_name":"a.b.c","updates":{"tz":"a"}}', 404, "not found"),
    (b'{"process_name":"web.env","updates":{"PLAIN":"a"}}', 404, "not found"),
    (b'{"updates":{"web.port":1}}', 400, "web.port"),
    (b'{"updates":{"web":{"env":{"A=B":"1"}}}}', 400, "A=B"),
    (b'{"updates":{"web":{"env":{"A":"\\u0000"}}}}', 400, "NUL"),
]


async def test_bad_bodies(desk: Desk) -> None:
    file, version = desk.supervisor.config.read_bytes(), desk.supervisor.version()
    for body, status, words in ODD:
        headers = {"content-type": "application/json"}
        answer = await desk.one.post("/config", content=body, headers=headers)
        assert answer.status_code == status, (body[:60], answer.text[:200])
        assert words in answer.json()["detail"], (body[:60], answer.text[:200])
    assert desk.supervisor.config.read_bytes() == file
    assert desk.supervisor.version() == version


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"updates":[]}', b'{"updates":null}'])
async def test_other_shapes(desk: Desk, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await desk.one.post("/config", content=body, headers=headers)
    assert answer.status_code in {400, 422}
