"""`/health`, `/livez`, `/readyz`."""

import pytest

from services.api.health import counted, details_of, problems_of
from shared.models.service import RestartStats, ServiceState
from shared.states import Desired, ServiceStatus
from tests.api.rest.conftest import CONFIG, Api
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.wait import wait_until

_S = ServiceStatus


async def _health(api: Api) -> dict[str, str]:
    answer = await api.http.get("/health")
    assert answer.status_code == 200
    found: dict[str, str] = answer.json()
    return found


async def test_all_is_well(api: Api) -> None:
    assert await _health(api) == {"status": "healthy"}
    assert (await api.http.get("/livez")).json() == {"status": "alive"}
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_no_supervisor(api: Api, supervisor: ScriptedSupervisor) -> None:
    await supervisor.vanish()
    assert await _health(api) == {
        "status": "unhealthy", "details": "the supervisor is not running",
    }  # fmt: skip
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        503, {"status": "not ready", "missing": ["supervisor"]},
    )  # fmt: skip
    assert ready.headers["retry-after"] == "1"
    assert (await api.http.get("/livez")).status_code == 200
    await supervisor.appear()
    assert (await api.http.get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    "phase", ["initializing", "preinstalling", "starting_services", "stabilizing"]
)
async def test_nothing_is_held_against_it_while_it_starts(
    api: Api, supervisor: ScriptedSupervisor, phase: str
) -> None:
    await _fail(api, supervisor)
    await supervisor.appear(phase)
    assert await _health(api) == {"status": "healthy"}


@pytest.mark.parametrize("phase", ["ready", "degraded"])
async def test_a_failed_service_is_named_with_its_reason(
    api: Api, supervisor: ScriptedSupervisor, phase: str
) -> None:
    await _fail(api, supervisor)
    await supervisor.appear(phase)
    await supervisor.redis.set(supervisor.keys.config_problem, "c.json:3: bad\nkey")
    assert await _health(api) == {
        "status": "unhealthy",
        "details": "configuration: c.json:3: bad key | Web Server failed: exit code 3: no disk",
    }


async def test_the_wizard_may_try_again_what_it_could_not_start(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    await _fail(api, supervisor, ready_at=None)
    assert await _health(api) == {"status": "healthy"}
    await supervisor.appear("degraded")
    assert (await _health(api))["status"] == "unhealthy"
    await supervisor.appear("ready")
    done = {**CONFIG, "dumb": {**CONFIG["dumb"], "onboarding_completed": True}}
    await supervisor.publish_config(done, version=2)
    await _fail(api, supervisor, ready_at=None)
    assert (await _health(api))["details"] == "Web Server failed: exit code 3: no disk"


async def _fail(api: Api, supervisor: ScriptedSupervisor, ready_at: float | None = 1.0) -> None:
    await supervisor.bus.state(
        "Web Server",
        _S.FAILED,
        desired=Desired.UP,
        exit_reason="exit code 3:\0\n no disk",
        restart=RestartStats(ready_at=ready_at),
    )
    await wait_until(lambda: api.bridge.states["Web Server"].status is _S.FAILED)


async def test_shutting_down(api: Api, supervisor: ScriptedSupervisor) -> None:
    await supervisor.appear("shutting_down")
    assert (await _health(api))["details"] == "the supervisor is shutting down"


async def test_keys_of_another_type(api: Api, supervisor: ScriptedSupervisor) -> None:
    await supervisor.vanish()
    await supervisor.redis.set(supervisor.keys.supervisor, "x")
    await supervisor.redis.lpush(supervisor.keys.config_problem, "x")
    assert (await _health(api))["details"] == "the supervisor is not running"


@pytest.mark.parametrize(
    ("status", "desired", "enabled", "health", "counts"),
    [
        (_S.FAILED, Desired.UP, False, "unhealthy", True),
        (_S.EXITED, Desired.DOWN, True, "unhealthy", True),
        (_S.EXITED, Desired.DOWN, False, "unhealthy", False),
        (_S.STOPPED, Desired.DOWN, True, "unhealthy", False),
        (_S.STARTING, Desired.UP, True, "starting", False),
        (_S.RUNNING, Desired.UP, True, "healthy", False),
        (_S.RUNNING, Desired.UP, True, "degraded", False),
        (_S.RUNNING, Desired.UP, True, "unhealthy", True),
    ],
)
def test_what_counts_as_a_problem(
    status: ServiceStatus, desired: Desired, enabled: bool, health: str, counts: bool
) -> None:
    state = ServiceState("S", status, desired=desired, enabled=enabled, health=health)
    assert bool(problems_of({"S": state})) is counts


@pytest.mark.parametrize(
    ("status", "restart", "counts"),
    [
        (_S.FAILED, RestartStats(), False),
        (_S.FAILED, RestartStats(ready_at=1.0), True),
        (_S.FAILED, RestartStats(restart_attempts=1), True),
        (_S.EXITED, RestartStats(), True),
    ],
)
def test_what_counts_during_the_wizard(
    status: ServiceStatus, restart: RestartStats, counts: bool
) -> None:
    state = ServiceState("S", status, desired=Desired.UP, restart=restart)
    assert bool(problems_of({"S": state}, trying=True)) is counts


def test_who_has_done_its_work_is_no_problem() -> None:
    done = RestartStats(readiness_state="ready")
    state = ServiceState("S", _S.EXITED, desired=Desired.UP, enabled=True, restart=done)
    assert problems_of({"S": state}) == []


def test_details_are_one_short_line() -> None:
    assert details_of(["a\r\n  b", "c\0d"]) == "a b | cd"
    assert len(details_of(["x" * 500, "y"])) == 200


def test_a_reason_that_names_the_service_is_not_prefixed_again() -> None:
    reasons = ("Web failed to stay running (exit code 3).", "killed by SIGKILL", "")
    states = {
        str(at): ServiceState("Web", _S.FAILED, desired=Desired.UP, exit_reason=reason)
        for at, reason in enumerate(reasons)
    }
    assert problems_of(states) == [
        "Web failed to stay running (exit code 3).",
        "Web failed: killed by SIGKILL",
        "Web failed: no reason known",
    ]


def test_strangers_are_told_how_many() -> None:
    assert counted([]) == []
    assert counted(["Web failed: /x"]) == ["1 service needs attention"]
    assert counted(["a", "b"]) == ["2 services need attention"]
