"""`GET /logs`."""

from typing import Any

import pytest

from services.api.routes.logs import is_alias
from tests.api.rest.conftest import Api
from tests.support.fake_supervisor import ScriptedSupervisor


async def _logs(api: Api, **params: Any) -> dict[str, Any]:
    answer = await api.http.get("/logs", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_log_by_cursor(api: Api, supervisor: ScriptedSupervisor) -> None:
    chunk = await supervisor.bus.log("Web Server", ["one", "two"])
    first = await _logs(api, process_name="Web Server")
    assert first == {
        "process_name": "Web Server",
        "size": chunk.end,
        "cursor": chunk.end,
        "chunk": chunk.data.decode(),
        "reset": True,
        "file_id": "g1",
        "log": chunk.data.decode(),
    }
    more = await supervisor.bus.log("Web Server", ["three"])
    second = await _logs(
        api, process_name="Web Server", cursor=first["cursor"], file_id=first["file_id"]
    )
    assert (second["chunk"], second["reset"], second["log"]) == (more.data.decode(), False, None)
    assert second["cursor"] == more.end
    nothing = await _logs(api, process_name="Web Server", cursor=second["cursor"])
    assert (nothing["chunk"], nothing["reset"]) == ("", False)


@pytest.mark.parametrize(
    "query", [{"cursor": 10**30}, {"cursor": 0, "file_id": "other"}, {"cursor": -5}]
)
async def test_a_cursor_that_cannot_be_honoured_gives_the_tail(
    api: Api, supervisor: ScriptedSupervisor, query: dict[str, Any]
) -> None:
    chunk = await supervisor.bus.log("Web Server", ["one"])
    found = await _logs(api, process_name="Web Server", **query)
    assert (found["reset"], found["cursor"], found["chunk"]) == (
        True,
        chunk.end,
        chunk.data.decode(),
    )
    assert found["log"] is None


async def test_an_unknown_service_has_an_empty_log(api: Api) -> None:
    assert await _logs(api, process_name="Nobody\0") == {
        "process_name": "Nobody\0",
        "size": 0,
        "cursor": 0,
        "chunk": "",
        "reset": True,
        "file_id": None,
        "log": "",
    }


@pytest.mark.parametrize(
    "query",
    ["", "?process_name=x&tail_bytes=1023", "?process_name=x&tail_bytes=8388609",
     "?process_name=x&cursor=x", "?process_name=x&file_id=" + "f" * 129],
)  # fmt: skip
async def test_queries_that_are_refused(api: Api, query: str) -> None:
    assert (await api.http.get(f"/logs{query}")).status_code == 422


@pytest.mark.parametrize("alias", ["DUMB", "dmb", "Dumb_Api", "DMB API Service", "DUMB API"])
async def test_aliases_of_the_control_plane(
    api: Api, supervisor: ScriptedSupervisor, alias: str
) -> None:
    chunk = await supervisor.bus.log("DUMB API", ["up"])
    found = await _logs(api, process_name=alias)
    assert (found["process_name"], found["log"]) == (alias, chunk.data.decode())


@pytest.mark.parametrize(
    "name", ["DUMB Frontend", "dumber", "api", "", "dumb api servic", "d" * 99]
)
def test_what_is_no_alias(name: str) -> None:
    assert not is_alias(name)
