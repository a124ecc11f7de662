"""Start, stop, restart: answers, receipts, waiting and not waiting."""

import asyncio
from itertools import product
from typing import Any

import pytest
from redis.asyncio import Redis

from services.api import commands as commands_module
from services.api.commands import budget_s, keyed_id, needs_budget_s
from services.api.configuration import parse_published
from shared.bus.keys import Keys
from shared.config.pages import config_of
from shared.config.services import ServiceBlock
from shared.models.command import Action, CommandStatus
from shared.models.service import ServiceState
from shared.states import ServiceStatus
from tests.api.rest.conftest import Api, StartApi
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.wait import wait_until


def _protection(action: str, name: str = "Web Server") -> dict[str, object]:
    return {
        "status": "not_applicable",
        "token": None,
        "preflight": {
            "protected": False,
            "process_name": name,
            "action": action,
            "blocked": False,
            "busy": False,
            "unknown": False,
            "media_servers": [],
        },
    }


async def test_a_start_answers_as_the_original(api: Api, supervisor: ScriptedSupervisor) -> None:
    answer = await api.post("start", "Web Server")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "Service started successfully", "process_name": "Web Server"},
    )
    status = await api.http.get("/process/service-status", params={"process_name": "Web Server"})
    assert status.json() == {
        "process_name": "Web Server",
        "status": "running",
        "state": "running",
        "ready": True,
        "waiting_for": None,
        "last_failure_reason": None,
    }
    seen = supervisor.seen[0]
    assert (seen.action, seen.process_name, seen.source) == ("start", "Web Server", "api")
    assert seen.actor == "api@127.0.0.1"
    assert answer.headers["x-command-id"] == seen.id


@pytest.mark.parametrize(
    ("action", "words"),
    [("stop", "Service stopped successfully"), ("restart", "Service restarted successfully")],
)
async def test_a_stop_and_a_restart_carry_media_protection(
    api: Api, action: str, words: str
) -> None:
    answer = await api.http.post(
        f"/process/{action}-service",
        json={"process_name": "Web Server", "protection_override": "safe", "other": [1]},
    )
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": words,
            "process_name": "Web Server",
            "media_protection": _protection(action),
        },
    )


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (CommandStatus.FAILED, 500),
        (CommandStatus.CANCELLED, 409),
        (CommandStatus.REJECTED, 409),
        (CommandStatus.EXPIRED, 503),
    ],
)
async def test_an_outcome_that_is_no_success_says_why(
    api: Api, supervisor: ScriptedSupervisor, verdict: CommandStatus, status: int
) -> None:
    supervisor.verdicts["Web Server"] = (verdict, "exit code 3: no such file")
    answer = await api.post("start", "Web Server")
    assert (answer.status_code, answer.json()) == (status, {"detail": "exit code 3: no such file"})
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_an_unknown_service_is_a_404_that_names_the_nearest(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    for action in ("start", "stop", "restart"):
        answer = await api.post(action, "web servr")
        assert answer.status_code == 404
        assert "Did you mean 'Web Server'?" in answer.json()["detail"]
        # Loosely spelled is not exact.
        assert (await api.post(action, "webserver")).status_code == 404
        assert (await api.post(action, "")).status_code == 404
        assert (await api.post(action, "x" * 60_000)).status_code == 404
    assert supervisor.seen == []


async def test_a_body_without_a_name_is_a_422(api: Api) -> None:
    bodies: list[Any] = [{}, {"process_name": None}, {"process_name": 3}, [], None, "x"]
    for action, body in product(("start", "stop", "restart"), bodies):
        answer = await api.http.post(f"/process/{action}-service", json=body)
        assert answer.status_code == 422, body
        problem = answer.json()["detail"][0]
        assert {"type", "loc", "msg", "input"} <= problem.keys()
        assert problem["loc"][0] == "body"


@pytest.mark.parametrize(
    ("headers", "query"),
    [({"Prefer": "respond-async"}, ""), ({"Prefer": "handling=lenient, Respond-Async"}, ""),
     ({}, "?wait=0"), ({}, "?wait=false")],
)  # fmt: skip
async def test_respond_async_gives_an_id_and_its_receipt(
    api: Api, supervisor: ScriptedSupervisor, headers: dict[str, str], query: str
) -> None:
    gate = supervisor.gates["Web Server"] = asyncio.Event()
    answer = await api.http.post(
        f"/api/process/start-service{query}", json={"process_name": "Web Server"}, headers=headers
    )
    body = answer.json()
    assert answer.status_code == 202
    assert body == {
        "id": body["id"],
        "status": "queued",
        "action": "start",
        "process_name": "Web Server",
    }
    assert answer.headers["location"] == f"/api/process/commands/{body['id']}"
    expected = "respond-async" if headers else None
    assert answer.headers.get("preference-applied") == expected

    async def status() -> str:
        receipt = await api.http.get(answer.headers["location"])
        return str(receipt.json()["status"])

    async def running() -> bool:
        return await status() == "running"

    async def succeeded() -> bool:
        return await status() == "succeeded"

    await wait_until(running)
    gate.set()
    await wait_until(succeeded)
    receipt = (await api.http.get(answer.headers["location"])).json()
    assert [step["what"] for step in receipt["steps"]] == ["accepted", "claimed", "succeeded"]
    assert all(step["at"] > 1e9 for step in receipt["steps"])
    assert receipt["id"] == body["id"]
    assert (receipt["action"], receipt["process_name"]) == ("start", "Web Server")
    assert (receipt["source"], receipt["actor"]) == ("api", "api@127.0.0.1")
    assert receipt["finished_at"] >= receipt["started_at"]
    assert receipt["result"] is None


async def test_a_receipt_that_is_none(api: Api, supervisor: ScriptedSupervisor) -> None:
    assert (await api.http.get("/process/commands/nothing")).status_code == 404
    assert (await api.http.get("/process/commands/a%20b")).status_code == 404
    assert (await api.http.get("/process/commands/" + "x" * 500)).status_code == 404
    redis, keys = supervisor.redis, supervisor.keys
    await redis.lpush(keys.command("list"), "x")
    assert (await api.http.get("/process/commands/list")).status_code == 409
    bad: dict[str, dict[Any, Any]] = {
        "status": {"status": "dancing"},
        "steps": {"steps": "5"},
        "deep": {"steps": "{"},
        "time": {"created_at": "noon"},
    }
    for name, fields in bad.items():
        await redis.hset(keys.command(name), mapping=fields)
        assert (await api.http.get(f"/process/commands/{name}")).status_code == 409, name


async def test_the_same_key_runs_once_on_two_replicas(
    redis_url: str, supervisor: ScriptedSupervisor, start_api: StartApi
) -> None:
    one, two = await start_api(redis_url), await start_api(redis_url)
    gate = supervisor.gates["Web Server"] = asyncio.Event()
    headers = {"Idempotency-Key": "deploy-42"}
    first = asyncio.create_task(one.post("start", "Web Server", headers=headers))
    second = asyncio.create_task(two.post("start", "Web Server", headers=headers))
    await wait_until(lambda: supervisor.seen)
    gate.set()
    answers = [await first, await second]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers["x-command-id"] == answers[1].headers["x-command-id"]
    # Finished: answered at once, by any replica, though nobody is there to run it.
    await supervisor.vanish()
    again = await two.post("start", "Web Server", headers=headers)
    assert (again.status_code, again.json()) == (200, answers[0].json())
    assert [seen.id for seen in supervisor.seen] == [keyed_id("deploy-42", "api")]


async def test_a_key_belongs_to_one_request(api: Api, supervisor: ScriptedSupervisor) -> None:
    headers = {"Idempotency-Key": "k"}
    supervisor.verdicts["Web Server"] = (CommandStatus.FAILED, "no")
    assert (await api.post("start", "Web Server", headers=headers)).status_code == 500
    assert (await api.post("start", "Web Server", headers=headers)).json() == {"detail": "no"}
    other = await api.post("stop", "Web Server", headers=headers)
    assert other.status_code == 409
    assert "start Web Server" in other.json()["detail"]
    assert (await api.post("start", "Sonarr", headers=headers)).status_code == 409
    assert len(supervisor.seen) == 1


async def test_a_bad_key_is_a_400(api: Api) -> None:
    for key in (b"", b"a b", b"x" * 129, b"t\tb", b"caf\xe9"):
        headers = [(b"Idempotency-Key", key)]
        assert (await api.post("start", "Web Server", headers=headers)).status_code == 400, key


async def test_a_key_whose_receipt_is_nonsense(api: Api, supervisor: ScriptedSupervisor) -> None:
    key = supervisor.keys.command(keyed_id("n", "api"))
    await supervisor.redis.hset(key, "status", "dancing")
    answer = await api.post("start", "Web Server", headers={"Idempotency-Key": "n"})
    assert answer.status_code == 409
    # A key of another type is nobody's receipt: the command takes its place.
    await supervisor.redis.set(supervisor.keys.command(keyed_id("m", "api")), "x")
    answer = await api.post("start", "Web Server", headers={"Idempotency-Key": "m"})
    assert answer.status_code == 200


async def test_a_command_that_takes_too_long_is_a_504_with_its_receipt(
    api: Api, supervisor: ScriptedSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_module, "QUICK_S", 0.05)
    monkeypatch.setattr(commands_module, "MARGIN_S", -500.0)
    supervisor.gates["Web Server"] = asyncio.Event()
    answer = await api.post("start", "Web Server")
    body = answer.json()
    assert answer.status_code == 504
    assert answer.headers["location"] == f"/process/commands/{body['id']}"
    assert body["id"] == supervisor.seen[0].id
    receipt = await api.http.get(answer.headers["location"])
    assert receipt.json()["status"] == "running"
    assert len(api.bridge._awaited) == 0


async def test_the_api_itself_is_not_ours_to_stop(api: Api, supervisor: ScriptedSupervisor) -> None:
    supervisor.verdicts["DUMB API"] = (CommandStatus.REJECTED, "'DUMB API' is this API itself")
    answer = await api.post("stop", "DUMB API")
    assert (answer.status_code, answer.json()["detail"]) == (409, "'DUMB API' is this API itself")


async def test_many_at_once(api: Api, supervisor: ScriptedSupervisor) -> None:
    answers = await asyncio.gather(*(api.post("start", "Web Server") for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({seen.id for seen in supervisor.seen}) == 60


async def test_one_request_is_two_script_calls(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.post("start", "Web Server")  # loads the script
    redis: Redis = api.app.state.redis
    send: Any = redis.execute_command
    sent: list[str] = []

    async def recorded(*args: Any, **options: Any) -> Any:
        sent.append(str(args[0]))
        return await send(*args, **options)

    monkeypatch.setattr(redis, "execute_command", recorded)
    assert (await api.post("start", "Web Server")).status_code == 200
    assert sent == ["EVALSHA", "EVALSHA"]  # may the caller do it; do it


@pytest.mark.parametrize(
    ("action", "config_key", "block", "stopping", "seconds"),
    [
        (Action.START, "web", {}, False, 1 + 120 + 10),
        (Action.START, "web", {"start_timeout": 5, "start_window": 2}, False, 2 + 5 + 10),
        (Action.STOP, "web", {}, False, 3 * 10 + 10 + 10 + 10),
        (Action.STOP, "plex", {}, False, 6 * 15 + 15 + 10 + 10),
        (Action.STOP, "plex", {"stop_attempts": 1, "stop_wait": 2}, False, 2 + 2 + 10 + 10),
        (Action.STOP, "web", {"stop_wait": "soon"}, False, 3 * 10 + 10 + 10 + 10),
        (Action.RESTART, "web", {}, False, 50 + 121 + 10),
        (Action.START, "web", {}, True, 50 + 121 + 10),
    ],
)
def test_budgets(
    action: Action, config_key: str, block: dict[str, object], stopping: bool, seconds: float
) -> None:
    service = ServiceBlock("N", config_key, "", (config_key,), block, enabled=True)
    assert budget_s(action, service, stopping=stopping) == seconds
    assert budget_s(Action.START, None) == 131


def test_a_start_gets_the_time_that_what_it_needs_may_take() -> None:
    """Along the slowest way, without what is ready."""
    blocks: dict[str, dict[str, Any]] = {
        "front": {"depends_on": {"back": "ready", "cache": "ready"}},
        "back": {"depends_on": {"db": "ready"}, "start_window": 1, "start_timeout": 9},
        "cache": {"start_window": 1, "start_timeout": 5},
        "db": {"start_window": 1, "start_timeout": 29},
    }
    tree = {name: {"process_name": name, **block} for name, block in blocks.items()}
    published = parse_published("1", config_of(tree), config_of(tree))
    assert needs_budget_s(published, "front", {}) == 40
    ready = ServiceState("db", ServiceStatus.RUNNING)
    assert needs_budget_s(published, "front", {"db": ready}) == 10
    assert needs_budget_s(published, "db", {}) == needs_budget_s(published, "nobody", {}) == 0


async def test_a_stop_names_who_needs_it(api: Api, supervisor: ScriptedSupervisor) -> None:
    supervisor.results["Sonarr"] = {"needed_by": ["Prowlarr"]}
    assert (await api.post("stop", "Sonarr")).json()["needed_by"] == ["Prowlarr"]


def test_keys_of_others_do_not_meet() -> None:
    ids = {keyed_id(key, owner) for key, owner in (("a", "api"), ("b", "api"), ("a", "eve"))}
    assert len(ids | {keyed_id("bc", "a"), keyed_id("c", "ab")}) == 5
    assert Keys().command(keyed_id("a", "api")).startswith("dumb:command:key-")


async def test_restart_state_is_reset(api: Api, supervisor: ScriptedSupervisor) -> None:
    supervisor.verdicts["Web Server"] = (CommandStatus.SUCCEEDED, "restart state reset")
    answer = await api.http.post(
        "/api/process/reset-restart-state/", json={"process_name": "Web Server"}
    )
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "Restart state reset successfully", "process_name": "Web Server"},
    )
    assert supervisor.seen[0].action == "reset-restart-state"
    unknown = await api.http.post("/process/reset-restart-state", json={"process_name": "Web"})
    assert unknown.status_code == 404
