"""What the monitor believes, what it writes and what it tells, check by check."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from services.supervisor.fleet.health import HealthMonitor
from services.supervisor.fleet.health_plan import HealthPlan, Role
from services.supervisor.fleet.policy import RestartPolicy
from services.supervisor.identity import since_boot
from services.supervisor.probes.verdict import Health, Verdict
from services.supervisor.unit import Unit
from shared.models.service import ServiceState
from shared.states import ServiceStatus
from tests.support.wait import wait_until

GOOD = Verdict(Health.HEALTHY, details={"probe": "x"})
BAD = Verdict(Health.UNHEALTHY, "dead", {"probe": "x"})
SLOW = Verdict(Health.STARTING, "coming", {"probe": "x"})
POOR = Verdict(Health.DEGRADED, "so so", {"probe": "x"})


class Script:
    """A check that finds what a test wrote down; then the last of it for ever."""

    def __init__(self, *verdicts: Verdict | Exception) -> None:
        self.left = deque(verdicts)
        self.asked = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> Verdict:
        self.asked += 1
        found = self.left.popleft() if len(self.left) > 1 else self.left[0]
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class Patient:
    """A unit with its lifecycle and book, as far as the monitor asks."""

    health_plan: HealthPlan
    state: ServiceState
    overdue: bool = False
    launched_at: float = field(default_factory=since_boot)
    name: str = "patient"
    written: list[tuple[str, str]] = field(default_factory=list)
    told: list[tuple[bool, bool]] = field(default_factory=list)

    @property
    def lifecycle(self) -> "Patient":
        return self

    @property
    def book(self) -> "Patient":
        return self

    def found(self, verdict: Verdict, readiness: str) -> None:
        self.written.append((verdict.health.value, readiness))
        self.state = replace(
            self.state,
            health=verdict.health.value,
            health_reason=verdict.reason,
            health_details=verdict.details,
            restart=replace(self.state.restart, readiness_state=readiness),
        )


def patient(plan: HealthPlan, **state: Any) -> Patient:
    fields: dict[str, Any] = {
        "status": ServiceStatus.RUNNING,
        "generation": 1,
        "health": "starting",
    }
    return Patient(plan, ServiceState("patient", **(fields | state)))


class Ward:
    """A monitor of one patient."""

    def __init__(self, one: Patient, policy: RestartPolicy | None) -> None:
        self.one = one
        self.unit = cast("Unit", one)
        self.monitor = HealthMonitor(lambda _name: policy, self._checked)

    def _checked(self, _unit: Unit, *, healthy: bool, counts: bool, reason: str) -> None:
        assert reason or healthy
        self.one.told.append((healthy, counts))


async def see(
    script: Script, *, policy: RestartPolicy | None = None, checks: int = 0, **role: Any
) -> Patient:
    """Let all that stands in the script be found, every millisecond."""
    wanted = checks or len(script.left)
    one = patient(HealthPlan(Role(script, 0.001, **role), None, None))
    ward = Ward(one, policy)
    ward.monitor.changed(ward.unit)
    await wait_until(lambda: script.asked > wanted)
    ward.monitor.close()
    return one


@pytest.mark.parametrize(
    ("verdicts", "role", "written"),
    [
        ([GOOD, GOOD], {}, ["healthy"]),
        ([GOOD, BAD, BAD, GOOD], {}, ["healthy", "unhealthy", "healthy"]),
        ([GOOD, BAD, BAD, GOOD], {"failures": 3}, ["healthy"]),
        ([GOOD, BAD, BAD, BAD], {"failures": 3}, ["healthy", "unhealthy"]),
        ([GOOD, BAD, GOOD, BAD, GOOD], {"failures": 2}, ["healthy"]),
        ([BAD, GOOD, BAD, GOOD, GOOD], {"successes": 2}, ["unhealthy", "healthy"]),
        ([GOOD, POOR, SLOW], {}, ["healthy", "degraded", "starting"]),
    ],
)
async def test_what_is_believed_is_written_once(
    verdicts: list[Verdict], role: dict[str, Any], written: list[str]
) -> None:
    one = await see(Script(*verdicts), **role)
    assert [health for health, _ in one.written] == written


async def test_readiness_follows_health() -> None:
    one = await see(Script(GOOD, POOR, SLOW, BAD))
    assert [ready for _, ready in one.written] == ["ready", "ready", "starting", "unhealthy"]


async def test_latency_alone_is_no_news() -> None:
    quick, slow = (replace(GOOD, details={"probe": "x", "latency_ms": n}) for n in (1, 2))
    assert len((await see(Script(quick, slow, quick))).written) == 1


async def test_a_fault_of_a_check_does_not_end_the_watch() -> None:
    one = await see(Script(GOOD, RuntimeError("a fault of ours"), BAD))
    assert [health for health, _ in one.written] == ["healthy", "unhealthy"]


async def test_an_interval_of_ones_own_counts_every_failure() -> None:
    one = await see(Script(GOOD, BAD, SLOW, POOR), policy=RestartPolicy(), checks=3)
    assert one.told[:4] == [(True, False), (False, True), (False, False), (True, False)]


async def test_nothing_counts_for_who_is_not_to_be_restarted() -> None:
    assert (await see(Script(GOOD, BAD))).told == []
    never = RestartPolicy(healthcheck_interval_s=0)
    assert (await see(Script(GOOD, BAD), policy=never)).told == []


async def test_failures_count_as_often_as_the_policy_wants_it() -> None:
    script = Script(BAD)
    ward = Ward(patient(HealthPlan(Role(script), None, None)), RestartPolicy())
    ward.monitor.changed(ward.unit)
    for asked in range(1, 5):
        await wait_until(lambda asked=asked: script.asked == asked)
        ward.monitor.probe(ward.unit)
    ward.monitor.close()
    assert ward.one.told == [(False, True)]  # the others came within the same 30 s


async def test_news_of_an_older_generation_are_dropped() -> None:
    script = Script(BAD)
    script.gate = asyncio.Event()
    ward = Ward(patient(HealthPlan(Role(script, 0.001), None, None)), RestartPolicy())
    ward.monitor.changed(ward.unit)
    await wait_until(lambda: script.asked)
    ward.one.state = replace(ward.one.state, generation=2)  # nobody has told the monitor yet
    script.gate.set()
    await wait_until(lambda: script.asked > 1)
    ward.monitor.close()
    assert (ward.one.written, ward.one.told) == ([], [])


async def test_it_is_watched_while_it_runs_and_not_while_it_stops() -> None:
    script = Script(GOOD)
    ward = Ward(patient(HealthPlan(Role(script, 0.001), None, None)), None)
    for status, overdue, watched in (
        (ServiceStatus.STARTING, False, False),
        (ServiceStatus.STARTING, True, True),
        (ServiceStatus.RUNNING, False, True),
        (ServiceStatus.STOPPING, False, False),
        (ServiceStatus.EXITED, False, False),
    ):
        ward.one.state = replace(ward.one.state, status=status)
        ward.one.overdue = overdue
        ward.monitor.changed(ward.unit)
        assert bool(ward.monitor.watched) is watched
    asked = script.asked
    await asyncio.sleep(0.01)
    assert script.asked == asked


async def test_another_pace_is_kept_at_once() -> None:
    script = Script(GOOD)
    ward = Ward(patient(HealthPlan(Role(script, 3600), None, None)), None)
    ward.monitor.changed(ward.unit)
    await wait_until(lambda: ward.one.written)
    ward.one.health_plan = HealthPlan(Role(script, 0.001), None, None)
    ward.monitor.reconfigured()
    await wait_until(lambda: script.asked > 5)
    ward.monitor.close()
