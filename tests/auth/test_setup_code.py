"""`DUMB_SETUP_CODE`: while there is no account, only those who know it get in."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed

from services.api.auth.limits import Limits
from services.api.auth.roles import EXEMPT, OPEN
from shared.settings import SettingsError, load_settings
from tests.auth.conftest import PASSWORD, Replica, Stack
from tests.auth.test_walk import SOCKETS, _all_routes

CODE = "open-sesame-42"
RIGHT = {"X-Setup-Code": CODE}
WRONG = {"X-Setup-Code": CODE + "x"}
ALICE = {"username": "alice", "password": PASSWORD}


async def _coded(stack: Stack, **limits: int) -> Replica:
    url = stack.supervisor.redis_url
    return await stack.start(url, setup_code=CODE, limits=Limits(**limits))


async def _post(
    replica: Replica, path: str, headers: dict[str, str], **more: Any
) -> httpx.Response:
    return await replica.http.post(path, headers=headers, **more)


async def _closing(replica: Replica, path: str, **options: Any) -> tuple[int, str]:
    socket = await replica.socket(path, **options)
    try:
        with suppress(ConnectionClosed):
            async with asyncio.timeout(10):
                await (await socket.ping())
                return 0, ""
        return socket.close_code or 0, socket.close_reason or ""
    finally:
        await socket.close()


async def test_everything_needs_it_until_there_is_an_account(stack: Stack) -> None:
    one = await _coded(stack, pair=1000, place=1000, pool=1000)
    asked = 0
    for route in _all_routes(one.app.routes):
        if not isinstance(route, Route):
            continue
        for method in route.methods or ():
            if (("GET" if method == "HEAD" else method), route.path) in OPEN:
                path = route.path.replace("{name:path}", "pages/scalar.js")
                answer = await one.http.request(method, path)
                assert answer.status_code < 400, route.path
                continue
            for headers in ({}, WRONG, {"X-Setup-Code": ""}):
                answer = await one.http.request(method, route.path, headers=headers)
                assert answer.status_code == 403, (method, route.path, headers)
                assert "X-Setup-Code" in answer.text
            asked += 1
    assert asked > 50
    assert OPEN < EXEMPT
    assert (await one.get("/nothing")).status_code == 403
    for path in SOCKETS:
        for wrong in ("", "?setup_code=", f"?setup_code={CODE}x", f"?token={CODE}"):
            code, reason = await _closing(one, path + wrong)
            assert (code, "setup code" in reason) == (1008, True), (path, wrong)
        assert await _closing(one, f"{path}?setup_code={CODE}") == (0, "")
        assert await _closing(one, path, additional_headers=RIGHT) == (0, "")
    # In the query of a request it is refused: those are written into logs.
    assert (await one.get(f"/process/processes?setup_code={CODE}")).status_code == 403


async def test_from_the_first_question_to_the_first_account(stack: Stack) -> None:
    one = await _coded(stack)
    status = (await one.get("/auth/status")).json()
    assert status["setup_code_required"] is True
    for path in ("/auth/setup", "/auth/skip-setup", "/auth/users", "/auth/login"):
        for headers in ({}, WRONG):
            assert (await _post(one, path, headers, json=ALICE)).status_code == 403, path
    skipped = await _post(one, "/auth/skip-setup", RIGHT)
    assert skipped.status_code == 200
    # Declined, and it is needed nevertheless: there is no account.
    assert (await one.get("/process/processes")).status_code == 403
    assert (await one.http.get("/process/processes", headers=RIGHT)).status_code == 200
    # It does not replace the other rules.
    evil = RIGHT | {"Origin": "http://evil.example:3005"}
    assert (await _post(one, "/auth/setup", evil, json=ALICE)).status_code == 403
    two = [("X-Setup-Code", CODE), ("X-Setup-Code", "x")]
    assert (await one.http.get("/process/processes", headers=two)).status_code == 403
    assert (await _post(one, "/auth/users", RIGHT, json=ALICE)).status_code == 200
    # From here on accounts decide, and nothing asks for it.
    assert "setup_code_required" not in (await one.get("/auth/status")).json()
    for headers in ({}, RIGHT, WRONG):
        answer = await one.http.get("/process/processes", headers=headers)
        assert answer.status_code == 401
    pair = await one.login()
    assert (await one.get("/process/processes", pair.access)).status_code == 200
    assert (await one.post("/auth/disable", token=pair.access)).status_code == 200
    assert (await one.get("/process/processes")).status_code == 200


async def test_open_sockets_stay_through_the_question_who_is_there(stack: Stack) -> None:
    one = await _coded(stack)
    socket = await one.socket(f"/ws/status?interval=0.5&setup_code={CODE}")
    await socket.recv()
    assert (await _post(one, "/auth/skip-setup", RIGHT)).status_code == 200  # all are judged again
    for _ in range(3):
        await socket.recv()
    assert (await _post(one, "/auth/setup", RIGHT, json=ALICE)).status_code == 200
    async with asyncio.timeout(10):
        await socket.wait_closed()
    assert socket.close_code == 1008


async def test_guesses_are_limited_like_those_of_passwords(stack: Stack) -> None:
    one, two = await _coded(stack), await _coded(stack)
    replicas = (one, two)

    async def guess(number: int) -> int:
        headers = {"X-Setup-Code": f"guess-{number}"}
        path = "/process/processes" if number % 3 else "/auth/status"  # this one needs none
        return (await replicas[number % 2].http.get(path, headers=headers)).status_code

    statuses = await asyncio.gather(*(guess(number) for number in range(24)))
    assert sorted(statuses) == [200] * 8 + [403] * 10 + [429] * 6
    # Even the right one has to wait now, everywhere; a stranger's Host is not counted.
    for replica in replicas:
        replica.http.cookies.clear()
    answer = await one.http.get("/process/processes", headers=RIGHT)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    assert "setup code" in answer.json()["detail"]
    ticket = answer.json()["ticket"]
    assert (await _post(two, "/auth/setup", RIGHT, json=ALICE)).status_code == 429
    one.http.cookies.clear()
    code, reason = await _closing(one, f"/ws/logs?setup_code={CODE}")
    assert (code, "setup code" in reason) == (1013, True)
    assert (await one.get("/process/processes")).status_code == 403  # nothing was guessed
    assert (await one.get("/livez")).status_code == 200
    noted: Any = stack.supervisor.redis.xrange("dumb:audit")
    outcomes = [f[b"outcome"] for _, f in noted if f[b"action"] == b"setup-code"]
    assert outcomes == [b"refused"] * 10
    # With the ticket it counts, and then this client is known.
    two.http.cookies.clear()
    ticketed = {**RIGHT, "X-Login-Ticket": ticket}
    assert (await two.http.get("/process/processes", headers=ticketed)).status_code == 200
    assert (await two.http.get("/process/processes", headers=RIGHT)).status_code == 200


async def test_the_right_one_is_never_counted(stack: Stack) -> None:
    one = await _coded(stack, pair=2)
    answers = await asyncio.gather(
        *(one.http.get("/process/processes", headers=RIGHT) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}


def test_the_setting(tmp_path: Any) -> None:
    file = tmp_path / "code"
    file.write_text(f"  {CODE}\n")
    env = {"DUMB_HOME": str(tmp_path)}
    assert load_settings(env).setup_code == ""
    assert load_settings(env | {"DUMB_SETUP_CODE": f" {CODE} "}).setup_code == CODE
    assert load_settings(env | {"DUMB_SETUP_CODE_FILE": str(file)}).setup_code == CODE
    both = {"DUMB_SETUP_CODE": "x", "DUMB_SETUP_CODE_FILE": str(file)}
    assert load_settings(env | both).setup_code == "x"
    assert CODE not in repr(load_settings(env | {"DUMB_SETUP_CODE": CODE}))
    file.write_text("\n")
    for bad in (
        {"DUMB_SETUP_CODE": "gr\u00fcn"},
        {"DUMB_SETUP_CODE": "a\nb"},
        {"DUMB_SETUP_CODE": "x" * 201},
        {"DUMB_SETUP_CODE_FILE": str(file)},
        {"DUMB_SETUP_CODE_FILE": str(tmp_path / "none")},
    ):
        with pytest.raises(SettingsError, match=next(iter(bad))):
            load_settings(env | bad)
