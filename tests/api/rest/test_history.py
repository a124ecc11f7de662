"""What was done lately, and what is so now."""

from typing import Any

from tests.api.rest.conftest import NAMES, Api
from tests.support.fake_supervisor import ScriptedSupervisor


async def note(supervisor: ScriptedSupervisor, **fields: str) -> None:
    entry: dict[Any, Any] = {"at": "1790000000.5", "actor": "ann", "source": "api", **fields}
    await supervisor.redis.xadd(supervisor.keys.audit, entry)


async def test_states_of_all_services_in_the_order_of_the_file(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    await supervisor.bus.running("Sonarr 4K", pid=77)
    await supervisor.bus.running("Not In The File")
    found = (await api.http.get("/api/process/states/")).json()["services"]
    assert [state["process_name"] for state in found] == [*NAMES, "Not In The File"]
    sonarr = found[NAMES.index("Sonarr 4K")]
    assert (sonarr["status"], sonarr["pid"], sonarr["health"]) == ("running", 77, "healthy")
    assert sonarr["restart"]["restart_attempts"] == 0
    assert found[NAMES.index("Web Server")]["enabled"] is True


async def test_commands_under_way_and_finished_ones(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    first = await api.http.post("/process/start-service", json={"process_name": "Web Server"})
    known = first.headers["x-command-id"]
    second = await api.http.post("/process/stop-service", json={"process_name": "Sonarr"})
    # The first one has left the stream; the audit trail remembers it.
    await supervisor.redis.xtrim(supervisor.keys.commands, maxlen=1, approximate=False)
    await note(supervisor, action="start", target="Web Server", outcome="ok", command=known)
    await note(supervisor, action="start", target="Plex", outcome="ok", command="forgotten")
    await note(supervisor, action="exit", target="Plex", outcome="exit code 1")
    found = (await api.http.get("/process/commands")).json()["commands"]
    assert [receipt["id"] for receipt in found] == [second.headers["x-command-id"], known]
    assert found[1]["steps"][0]["what"] == "accepted"
    one = (await api.http.get("/process/commands?process_name=Sonarr&limit=1")).json()["commands"]
    assert [receipt["process_name"] for receipt in one] == ["Sonarr"]
    assert (await api.http.get("/process/commands?limit=0")).status_code == 422


async def test_the_audit_trail_is_paged(api: Api, supervisor: ScriptedSupervisor) -> None:
    for number in range(3):
        await note(supervisor, action="login", target=f"user {number}", outcome="succeeded")
    await supervisor.redis.xadd(supervisor.keys.audit, {b"at": b"noon", b"odd\xff": b"\xff"})
    answer = (await api.http.get("/audit?limit=2")).json()["entries"]
    assert [entry["target"] for entry in answer] == ["", "user 2"]
    assert answer[0]["at"] > 1e9
    assert (answer[1]["actor"], answer[1]["at"], answer[1]["command"]) == ("ann", 1790000000.5, "")
    older = (await api.http.get("/audit", params={"before": answer[1]["id"]})).json()["entries"]
    assert [entry["target"] for entry in older] == ["user 1", "user 0"]
    assert (await api.http.get("/audit?before=x")).status_code == 422
    await supervisor.redis.delete(supervisor.keys.audit)
    await supervisor.redis.set(supervisor.keys.audit, "no stream")
    assert (await api.http.get("/audit")).status_code == 503
    assert (await api.http.get("/process/commands")).json() == {"commands": []}
