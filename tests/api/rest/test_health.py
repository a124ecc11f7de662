"""`/health`, `/livez`, `/readyz`."""

import time

import pytest

from services.api.health import counted, details_of, problems_of
from shared.judgement import Judgement, Verdict
from shared.models.service import RestartStats
from shared.models.startup import Phase, Startup
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


async def test_a_degraded_boot_is_unhealthy_while_its_services_hang(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    """Observed: `healthy`, while two enabled services hung in `starting` and `waiting`."""
    began = time.time() - 420
    await supervisor.bus.state(
        "Web Server", _S.STARTING, desired=Desired.UP, enabled=True, started_at=began,
        health="unhealthy", health_reason="port 18080 does not answer",
    )  # fmt: skip
    await supervisor.bus.state(
        "Sonarr 4K", _S.WAITING, desired=Desired.UP, enabled=True, waiting_since=began,
        waiting_for="mount /mnt/media (not mounted)",
    )  # fmt: skip
    done = RestartStats(readiness_state="ready", ready_at=1.0)
    await supervisor.bus.state("Sonarr", _S.EXITED, desired=Desired.UP, enabled=True, restart=done)
    failures = {"Web Server": "port 18080", "Sonarr 4K": "mount /mnt/media"}
    boot = Startup(Phase.DEGRADED, started_at=began, failures=failures)
    await supervisor.redis.set(supervisor.keys.startup, boot.to_json())
    await supervisor.appear("degraded")
    await wait_until(lambda: api.bridge.states["Sonarr"].completed)
    assert await _health(api) == {
        "status": "unhealthy",
        "details": "Sonarr 4K waits for mount /mnt/media (not mounted): it was not ready when the "
        "boot ended | Web Server is not ready after 121 s: port 18080 does not answer",
    }
    environment = (await api.http.get("/environment")).json()
    named = [c for c in environment["checks"] if c["name"].startswith("service")]
    assert [check["name"] for check in named] == ["service Sonarr 4K", "service Web Server"]
    assert all(not check["ok"] and check["advice"] for check in named)
    listed = (await api.http.get("/process/states")).json()["services"]
    verdicts = {s["process_name"]: s["judgement"]["verdict"] for s in listed}
    assert verdicts["Web Server"] == verdicts["Sonarr 4K"] == "attention"
    assert verdicts["Sonarr"] == "ok"


async def test_a_degraded_boot_alone_is_no_problem_once_its_services_are_stopped(
    api: Api, supervisor: ScriptedSupervisor
) -> None:
    boot = Startup(Phase.DEGRADED, failures={"Web Server": "x"})
    await supervisor.redis.set(supervisor.keys.startup, boot.to_json())
    await supervisor.appear("degraded")
    assert await _health(api) == {"status": "healthy"}


def test_only_what_needs_attention_is_a_problem() -> None:
    bad = Judgement(Verdict.ATTENTION, "Web failed: x")
    good = Judgement(Verdict.OK, "App runs")
    assert problems_of([good]) == []
    assert problems_of([good, bad]) == ["Web failed: x"]


def test_details_are_one_short_line() -> None:
    assert details_of(["a\r\n  b", "c\0d"]) == "a b | cd"
    assert len(details_of(["x" * 500, "y"])) == 200


def test_strangers_are_told_how_many() -> None:
    assert counted([]) == []
    assert counted(["Web failed: /x"]) == ["1 service needs attention"]
    assert counted(["a", "b"]) == ["2 services need attention"]
