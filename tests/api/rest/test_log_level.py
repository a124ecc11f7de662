"""`/process/runtime-log-level`: bodies, and a supervisor that has not said anything."""

from typing import Any

import pytest

from shared.models.command import CommandStatus
from shared.models.log_level import LogLevel
from tests.api.rest.conftest import Api
from tests.support.fake_supervisor import ScriptedSupervisor

PATH = "/process/runtime-log-level"


@pytest.mark.parametrize("body", [{}, {"debug_enabled": 1}, {"debug_enabled": True, "x": 1}, []])
async def test_other_bodies_are_a_422(api: Api, body: Any) -> None:
    assert (await api.http.post(PATH, json=body)).status_code == 422


@pytest.mark.parametrize("value", [None, b"", b"7", b"[]", b'{"configured":"LOUD"}', b"\xff"])
async def test_what_nobody_has_said_is_a_503(
    api: Api, supervisor: ScriptedSupervisor, value: bytes | None
) -> None:
    if value is not None:
        await supervisor.redis.set(supervisor.keys.log_level, value)
    answer = await api.http.get(PATH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_refusal_is_told(api: Api, supervisor: ScriptedSupervisor) -> None:
    await supervisor.redis.set(supervisor.keys.log_level, LogLevel("ERROR").to_json())
    assert (await api.http.get(PATH)).json()["effective_level"] == "ERROR"
    supervisor.verdicts[""] = (CommandStatus.FAILED, "why")
    answer = await api.http.post(PATH, json={"debug_enabled": True})
    assert (answer.status_code, answer.json()) == (500, {"detail": "why"})
