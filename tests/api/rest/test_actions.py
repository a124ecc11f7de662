"""`POST /process/actions` and `…/cancel`: what is asked of the supervisor, and what is answered."""

from asyncio import Event
from typing import Any

import pytest

from shared.models.command import CommandStatus
from tests.api.rest.conftest import Api
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.wait import wait_until


async def act(api: Api, **body: Any) -> Any:
    return await api.http.post("/process/actions", json=body)


async def test_one_command_for_all_of_them(api: Api, supervisor: ScriptedSupervisor) -> None:
    answer = await act(api, action="start", process_names=["Sonarr", "Plex", "Sonarr"])
    assert (answer.status_code, answer.json()["status"]) == (200, "start: done")
    assert [(seen.action, seen.process_name) for seen in supervisor.seen] == [("bulk", "")]
    assert answer.headers["x-command-id"] == supervisor.seen[0].id
    assert (await act(api, action="stop", all=True)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"action": "start", "process_names": ["Sonar"]}, 404, "Did you mean 'Sonarr'?"),
        ({"action": "stop", "process_names": ["Sonarr", "DUMB API"]}, 409, "this API itself"),
        ({"action": "dance", "all": True}, 422, "literal_error"),
        ({"action": "start"}, 422, "either process_names or all"),
        ({"action": "start", "process_names": [], "all": True}, 422, "too_short"),
        ({"action": "start", "process_names": ["Plex"], "all": True}, 422, "either"),
        ({"action": "start", "process_names": [""]}, 422, "string_too_short"),
        ({"action": "start", "all": "yes"}, 422, "bool_type"),
        ({"action": "start", "all": True, "extra": 1}, 422, "extra_forbidden"),
        ({"action": "start", "process_names": "Plex"}, 422, "list_type"),
    ],
)
async def test_bad_lists_begin_nothing(
    api: Api, supervisor: ScriptedSupervisor, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await act(api, **body)
    assert answer.status_code == status
    assert words in answer.text
    assert supervisor.seen == []


async def test_a_failure_is_a_500_with_what_is_known(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    supervisor.verdicts[""] = (CommandStatus.FAILED, "1 of 2 done: no such luck")
    answer = await act(api, action="start", process_names=["Plex", "Sonarr"])
    assert answer.status_code == 500
    assert answer.json() == {"detail": "1 of 2 done: no such luck"}


async def test_who_does_not_wait_gets_a_receipt(api: Api) -> None:
    answer = await api.http.post(
        "/api/process/actions?wait=0", json={"action": "start", "process_names": ["Plex"]}
    )
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/process/commands/{answer.json()['id']}"
    assert answer.json()["action"] == "bulk"


async def test_cancel(api: Api) -> None:
    assert (await api.http.post("/process/commands/nobody/cancel")).status_code == 404
    done = await api.post("start", "Plex")
    over = await api.http.post(f"/process/commands/{done.headers['x-command-id']}/cancel")
    assert (over.status_code, "It is over" in over.json()["detail"]) == (409, True)


async def test_what_the_supervisor_refuses_is_a_409(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    gate = supervisor.gates["Plex"] = Event()
    started = await api.post("start", "Plex", params={"wait": "0"})
    command = started.json()["id"]
    supervisor.verdicts[""] = (CommandStatus.REJECTED, "no way back")
    refused = await api.http.post(f"/process/commands/{command}/cancel")
    assert (refused.status_code, refused.json()["detail"]) == (409, "no way back")
    assert supervisor.seen[-1].action == "cancel"
    gate.set()

    async def over() -> bool:
        return bool((await api.http.get(f"/process/commands/{command}")).json()["finished_at"])

    await wait_until(over, what="the end of the start")
