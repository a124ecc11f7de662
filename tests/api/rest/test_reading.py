"""What is configured and what runs: the reading routes of `/process` and `/config`."""

from typing import Any

import pytest

from services.api.catalogue import BUILT_FLAGS, KEY_LISTS, OWN_FLAGS, capabilities
from shared.models.service import RestartStats
from shared.states import ServiceStatus
from tests.api.rest.conftest import CONFIG, NAMES, Api, StartApi
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.wait import wait_until

ENTRY_FIELDS = {
    "name", "process_name", "enabled", "config", "version", "key", "config_key", "repo_url",
    "sponsorship_url", "supports_manual_update", "update_status", "install_info", "log_captured",
}  # fmt: skip
RESTART_FIELDS = {
    "restart_attempts", "restart_successes", "restart_failures", "recent_restart_attempts",
    "pending", "next_restart_time", "disabled", "last_restart_time", "last_failure_reason",
    "last_exit_time", "last_exit_reason", "unhealthy_count", "unhealthy_threshold",
    "readiness_state", "ready_at", "awaiting_recovery",
}  # fmt: skip


STANDING_FIELDS = {"state", "ready", "waiting_for", "last_failure_reason"}


async def _get(api: Api, path: str, **params: Any) -> Any:
    answer = await api.http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def test_processes_in_the_order_of_the_file(api: Api) -> None:
    entries = (await _get(api, "/process/processes"))["processes"]
    assert [entry["process_name"] for entry in entries] == NAMES
    assert all(entry.keys() == ENTRY_FIELDS | STANDING_FIELDS | {"status"} for entry in entries)
    by_name = {entry["process_name"]: entry for entry in entries}
    own = by_name["DUMB API"]
    assert (own["name"], own["key"], own["config_key"]) == (
        "dumb api_service", "api_service", "dumb_api_service",
    )  # fmt: skip
    sonarr = by_name["Sonarr"]
    assert (sonarr["name"], sonarr["key"], sonarr["config_key"]) == (
        "sonarr instances Default", "Default", "sonarr",
    )  # fmt: skip
    assert sonarr["enabled"] is False
    # The original's sanitizer turned every text with "line " in it into "Internal error".
    assert sonarr["config"] == CONFIG["sonarr"]["instances"]["Default"]
    assert by_name["DUMB Frontend"]["repo_url"] == "https://github.com/nicocapalbo/dmbdb"
    assert by_name["Web Server"]["repo_url"] is None
    assert not any(entry["supports_manual_update"] for entry in entries)


async def test_a_started_service_counts_as_enabled(api: Api) -> None:
    await api.post("start", "Sonarr")
    entry = next(
        e for e in (await _get(api, "/process/processes"))["processes"] if e["key"] == "Default"
    )
    assert entry["enabled"] is True
    assert entry["config"]["enabled"] is True


async def test_one_process(api: Api) -> None:
    found = await _get(api, "/process", process_name="Sonarr 4K")
    assert found == {
        "process_name": "Sonarr 4K",
        "config": CONFIG["sonarr"]["instances"]["4K"],
        "log_captured": False,
        "version": None,
        "config_key": "sonarr",
        "update_status": None,
        "symlink_backup_status": None,
        "supports_manual_update": False,
        "repo_url": None,
        "sponsorship_url": None,
        "install_info": None,
    }


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 422, "Field required"),
        ("?process_name=", 400, "empty"),
        ("?process_name=sonarr", 404, "Did you mean 'Sonarr'?"),
        ("?process_name=zzzzzz", 404, "No service is named 'zzzzzz'."),
    ],
)
async def test_one_process_that_is_none(api: Api, query: str, status: int, words: str) -> None:
    answer = await api.http.get(f"/process{query}")
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize("spelled", ["Web Server", "webserver", "WEB  SERVER"])
async def test_status_is_found_loosely(api: Api, spelled: str) -> None:
    await api.post("start", "Web Server")
    found = await _get(api, "/process/service-status", process_name=spelled)
    assert found.keys() == {"process_name", "status"} | STANDING_FIELDS
    assert (found["process_name"], found["status"]) == (spelled, "running")


async def test_status_with_health(api: Api) -> None:
    query = {"process_name": "Web Server", "include_health": "yes"}
    found = await _get(api, "/process/service-status", **query)
    assert found.pop("restart").keys() == RESTART_FIELDS
    assert found.pop("judgement")["verdict"] == "ok"
    assert found == {
        "process_name": "Web Server",
        "status": "stopped",
        "state": "stopped",
        "ready": False,
        "waiting_for": None,
        "last_failure_reason": None,
        "healthy": False,
        "health_status": "unhealthy",
        "health_reason": "Process not running",
        "health_details": {"probe": "process"},
    }
    await api.post("start", "Web Server")
    found = await _get(api, "/process/service-status", **query)
    assert (found["status"], found["healthy"], found["health_reason"]) == ("running", True, None)


async def test_status_is_true_on_every_replica_right_after_the_answer(
    api: Api, redis_url: str, start_api: StartApi
) -> None:
    other = await start_api(redis_url)
    for action, expected in (("start", "running"), ("stop", "stopped")) * 10:
        assert (await api.post(action, "Web Server")).status_code == 200
        found = await _get(other, "/process/service-status", process_name="Web Server")
        assert found["status"] == expected


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (ServiceStatus.WAITING, "stopped"),
        (ServiceStatus.STARTING, "running"),
        (ServiceStatus.RUNNING, "running"),
        (ServiceStatus.STOPPING, "running"),
        (ServiceStatus.EXITED, "stopped"),
        (ServiceStatus.FAILED, "stopped"),
    ],
)
async def test_the_words_of_the_original(
    api: Api, supervisor: ScriptedSupervisor, status: ServiceStatus, word: str
) -> None:
    await supervisor.bus.state("Web Server", status)
    found = await _get(api, "/process/service-status", process_name="Web Server")
    assert found["status"] == word


async def test_a_slow_start_is_alive_and_not_ready(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    """Observed: `stopped` until the port answers, so a watchdog restarts a slow start for ever."""
    reason = "Web Server failed to stay running (exit code 3)."
    starting: dict[str, Any] = {
        "health": "starting",
        "health_reason": "",
        "waiting_for": "port 18080",
        "restart": RestartStats(last_failure_reason=reason),
    }
    await supervisor.bus.state(
        "Web Server", ServiceStatus.STARTING, in_exit_window=True, **starting
    )
    query = {"process_name": "Web Server", "include_health": "yes"}
    found = await _get(api, "/process/service-status", **query)
    assert (found["status"], found["healthy"], found["state"]) == ("stopped", False, "starting")
    await supervisor.bus.state("Web Server", ServiceStatus.STARTING, in_exit_window=False)
    found = await _get(api, "/process/service-status", **query)
    assert (found["status"], found["healthy"]) == ("running", True)
    expected = {
        "state": "starting",
        "ready": False,
        "waiting_for": "port 18080",
        "last_failure_reason": reason,
    }
    assert {key: found[key] for key in expected} == expected
    await wait_until(lambda: api.bridge.states["Web Server"].rest_status == "running")
    entries = (await _get(api, "/process/processes"))["processes"]
    entry = next(e for e in entries if e["process_name"] == "Web Server")
    assert {key: entry[key] for key in ("status", *expected)} == {"status": "running", **expected}


async def test_status_of_nothing_and_of_several(api: Api, supervisor: ScriptedSupervisor) -> None:
    answer = await api.http.get("/process/service-status", params={"process_name": "web servers"})
    assert answer.status_code == 404
    assert "Did you mean 'Web Server'?" in answer.json()["detail"]
    assert (await api.http.get("/process/service-status?process_name=")).status_code == 404
    assert (await api.http.get("/process/service-status")).status_code == 422
    await supervisor.bus.running("web server")
    answer = await api.http.get("/process/service-status", params={"process_name": "WEBSERVER"})
    assert answer.status_code == 409


@pytest.mark.parametrize("spelled", ["DUMB API", "dumbapi", "DMB API"])
async def test_the_api_itself_runs(api: Api, supervisor: ScriptedSupervisor, spelled: str) -> None:
    await supervisor.bus.running("DUMB API", config_key="dumb_api_service")
    found = await _get(api, "/process/service-status", process_name=spelled)
    assert found.keys() == {"process_name", "status"} | STANDING_FIELDS
    assert (found["process_name"], found["status"]) == (spelled, "running")


async def test_a_service_hash_that_is_nonsense(api: Api, supervisor: ScriptedSupervisor) -> None:
    key = supervisor.keys.service("Web Server")
    for field, value in (("status", "dancing"), ("pid", "one"), ("restart", "{")):
        await supervisor.redis.delete(key)
        await supervisor.redis.hset(key, field, value)
        answer = await api.http.get("/process/service-status?process_name=Web%20Server")
        assert answer.status_code == 503, field
    await supervisor.redis.set(key, "x")
    assert (
        await api.http.get("/process/service-status?process_name=Web%20Server")
    ).status_code == 503


async def test_capabilities_promise_only_what_is_there(api: Api) -> None:
    found = await _get(api, "/process/capabilities")
    assert found == capabilities()
    assert {key for key, value in found.items() if value is True} == {
        *OWN_FLAGS, *BUILT_FLAGS,
    }  # fmt: skip
    assert all(found[key] == [] for key in KEY_LISTS)


@pytest.mark.parametrize("scope", ["project", "all"])
async def test_update_notices_are_empty(api: Api, scope: str) -> None:
    found = await _get(api, "/process/update-notices", scope=scope)
    assert found == {"scope": scope, "available": [], "info": [], "applied": []}


async def test_update_notices_of_another_scope(api: Api) -> None:
    assert (await api.http.get("/process/update-notices?scope=mine")).status_code == 400


async def test_updates_are_not_built_and_say_so(api: Api) -> None:
    found = await _get(api, "/process/update-status", process_name="Sonarr")
    assert found == {"process_name": "Sonarr", "update_status": None}
    assert (await api.http.get("/process/update-status?process_name=")).status_code == 400
    for path, status in (
        ("update-check", "unsupported"),
        ("update-install", "unsupported"),
        ("auto-update/reschedule", "error"),
    ):
        body = {"process_name": "Sonarr", "force": True}
        answer = await api.http.post(f"/process/{path}", json=body)
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert "not built" in answer.json()["message"]
        missing = await api.http.post(f"/process/{path}", json={"process_name": "sonar"})
        assert missing.status_code == 404


async def test_config_blanks_two_places_and_nothing_else(api: Api) -> None:
    answer = await api.http.get("/config")
    found = answer.json()
    assert answer.headers["x-config-version"] == "1"
    dumb = found["dumb"]
    assert dumb["plex_token"] == "shown"
    assert dumb["notifications"] == {"destinations": [{"id": "d", "url": "", "headers": {}}]}
    assert dumb["media_protection"]["services"] == [
        {"process_name": "Plex", "api_key": "", "api_key_configured": True}
    ]
    changed = {"notifications", "media_protection"}
    assert {k: v for k, v in dumb.items() if k not in changed} == {
        k: v for k, v in CONFIG["dumb"].items() if k not in changed
    }
    assert list(found) == list(CONFIG)


async def test_config_of_one_service(api: Api) -> None:
    assert (
        await _get(api, "/config", process_name="Sonarr")
        == CONFIG["sonarr"]["instances"]["Default"]
    )
    answer = await api.http.get("/config", params={"process_name": "sonarr"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Service not found"})


async def test_a_new_version_is_seen_at_once(api: Api, supervisor: ScriptedSupervisor) -> None:
    assert await _get(api, "/config/onboarding-status") == {"needs_onboarding": True}
    tree = {**CONFIG, "dumb": {**CONFIG["dumb"], "onboarding_completed": True}}
    await supervisor.publish_config(tree, version=2)
    assert await _get(api, "/config/onboarding-status") == {"needs_onboarding": False}
    assert (await api.http.get("/config")).headers["x-config-version"] == "2"


@pytest.mark.parametrize(
    "data", [None, "{", "[]", "3", '{"file":{}}', '{"file":{},"effective":[]}', "version"]
)
async def test_no_usable_config_is_a_503(
    api: Api, supervisor: ScriptedSupervisor, data: str | None
) -> None:
    keys = supervisor.keys
    await supervisor.redis.delete(keys.config, keys.config_version)
    if data is not None:
        whole = '{"file":{},"effective":{}}'
        pair = (whole, b"\xff") if data == "version" else (data, "9")
        await supervisor.redis.mset(
            dict(zip((keys.config, keys.config_version), pair, strict=True))
        )
    for path in ("/config", "/config/onboarding-status", "/process/processes",
                 "/process?process_name=Sonarr"):  # fmt: skip
        answer = await api.http.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), path
    # Commands need no configuration.
    assert (await api.post("start", "Web Server")).status_code == 200
    await supervisor.publish_config(CONFIG, version=10)
    assert (await api.http.get("/config")).status_code == 200


async def test_the_environment_is_shown_whatever_stands_in_redis(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    keys = supervisor.keys
    await supervisor.redis.mset({keys.environment: b"\xff", keys.config_problem: b"\xff"})
    answer = await api.http.get("/environment")
    assert answer.status_code == 200
    assert answer.json()["config"]["problem"] == "\ufffd"


async def test_a_schedule_is_shown_where_there_is_one(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    query = {"process_name": "Web Server", "include_health": "yes"}
    assert "schedule" not in await _get(api, "/process/service-status", **query)
    await supervisor.bus.running("Web Server", next_run_at=1790000000.0, schedule_note="why")
    shown = await _get(api, "/process/service-status", **query)
    assert shown["schedule"] == {"next_run_at": 1790000000.0, "note": "why"}
    assert "schedule" not in await _get(api, "/process/service-status", process_name="Web Server")
