"""The one judgement: every combination is held against the rules of the contract."""

import itertools
import shlex
from dataclasses import replace
from typing import Any, Final

import pytest

from shared.config.services import ServiceBlock
from shared.judgement import STARTING_PHASES, WAIT_PATIENCE_S, Judgement, Verdict, is_usable, judge
from shared.models.service import RestartStats, ServiceState
from shared.models.startup import Phase, Startup
from shared.states import Desired, ServiceStatus

S = ServiceStatus
V = Verdict
UP, DOWN = Desired.UP, Desired.DOWN
NOW: Final = 1_790_000_000.0
HEALTH: Final = ("healthy", "degraded", "starting", "unhealthy")
ENDED: Final = (S.EXITED, S.FAILED)


def state(status: ServiceStatus, **fields: Any) -> ServiceState:
    return ServiceState("App", status, **{"enabled": True, "desired": UP, **fields})


def block(**keys: Any) -> ServiceBlock:
    return ServiceBlock("App", "app", "", ("app",), {"process_name": "App", **keys}, enabled=True)


def boot(phase: Phase, **fields: Any) -> Startup:
    return Startup(phase, started_at=NOW - 60, expected_services=("App",), **fields)


def case(
    status: ServiceStatus, desired: Desired, *, enabled: bool, completed: bool, health: str
) -> ServiceState:
    """As a service is a moment after it came there."""
    readiness = "ready" if completed else "pending"
    return state(
        status,
        desired=desired,
        enabled=enabled,
        health=health,
        started_at=NOW - 1,
        waiting_since=NOW - 1,
        stopped_at=NOW - 1,
        health_checked_at=NOW - 1,
        restart=RestartStats(readiness_state=readiness, disabled=desired is DOWN),
    )


def expected(given: ServiceState, phase: Phase | None) -> Verdict:
    """The rules, as the contract tells them and not as the code does."""
    wanted = given.desired is UP or given.enabled
    problem = (given.status in ENDED and wanted and not given.completed) or (
        given.status is S.RUNNING and given.health == "unhealthy"
    )
    if problem:  # rest.md 2: while it starts, nothing is held against a service
        return V.STARTING if phase in STARTING_PHASES else V.ATTENTION
    if given.status is S.WAITING:
        return V.WAITING
    if given.status is S.STARTING or (given.status is S.RUNNING and given.health == "starting"):
        return V.STARTING
    if given.status is S.STOPPED and given.desired is UP and phase is not Phase.SHUTTING_DOWN:
        return V.STARTING
    if given.status is S.STOPPING and given.desired is UP:
        return V.STARTING
    return V.OK


ALL: Final = [
    (case(status, desired, enabled=enabled, completed=completed, health=health), phase)
    for status, desired, enabled, completed, health, phase in itertools.product(
        S, Desired, (False, True), (False, True), HEALTH, [*Phase, None]
    )
]


def test_every_combination_follows_the_contract() -> None:
    assert len(ALL) == 7 * 2 * 2 * 2 * 4 * 8
    for given, phase in ALL:
        found = judge(given, block(), boot(phase) if phase else None, now=NOW)
        about = (given.status, given.desired, given.enabled, given.completed, given.health, phase)
        assert found.verdict is expected(given, phase), about
        assert found.ready is is_usable(given), about
        assert found.reason.startswith("App "), about
        assert bool(found.advice) is found.attention, about
        # Up by now: what runs and can be used, and what needs attention; nothing else.
        running = given.status is S.RUNNING and found.verdict is V.OK
        assert found.expected_up is (found.attention or running), about


FAILED_BOOT: Final = boot(Phase.DEGRADED, failures={"App": "not ready"})

ROWS: Final[list[tuple[str, ServiceState, ServiceBlock | None, Startup | None, Verdict]]] = [
    ("rest.md 2: a degraded boot names what is still starting",
     state(S.STARTING, started_at=NOW - 60, health="starting"),
     block(start_timeout=900), FAILED_BOOT, V.ATTENTION),
    ("rest.md 2: a degraded boot names what still waits",
     state(S.WAITING, waiting_for="PostgreSQL", waiting_since=NOW - 60), block(), FAILED_BOOT,
     V.ATTENTION),
    ("a degraded boot says nothing about others",
     state(S.STARTING, started_at=NOW - 60, health="starting"), block(),
     boot(Phase.DEGRADED, failures={"Other": "not ready"}), V.STARTING),
    ("a service of a degraded boot that is ready now",
     state(S.RUNNING, health="healthy"), block(), FAILED_BOOT, V.OK),
    ("a service of a degraded boot that a person stopped",
     state(S.STOPPED, desired=DOWN, restart=RestartStats(disabled=True)), block(), FAILED_BOOT,
     V.OK),
    ("a slow start within its own timeout",
     state(S.STARTING, started_at=NOW - 420, health="starting"), block(start_timeout=900),
     boot(Phase.READY), V.STARTING),
    ("a slow start beyond its own timeout",
     state(S.STARTING, started_at=NOW - 902, health="unhealthy"), block(start_timeout=900),
     boot(Phase.READY), V.ATTENTION),
    ("a start that hangs, by the default timeout",
     state(S.STARTING, started_at=NOW - 420, health="starting"), None, None, V.ATTENTION),
    ("nothing is held against a hanging start during the boot",
     state(S.STARTING, started_at=NOW - 420, health="starting"), block(),
     boot(Phase.STARTING_SERVICES), V.STARTING),
    ("a wait within its own limit",
     state(S.WAITING, waiting_since=NOW - 420), block(wait_timeout=900), boot(Phase.READY),
     V.WAITING),
    ("a wait beyond its own limit",
     state(S.WAITING, waiting_since=NOW - 40), block(wait_timeout=30), boot(Phase.READY),
     V.ATTENTION),
    ("a wait without a limit, after the default patience",
     state(S.WAITING, waiting_since=NOW - WAIT_PATIENCE_S - 1), block(), boot(Phase.READY),
     V.ATTENTION),
    ("a one-shot that the supervisor saw complete",
     state(S.EXITED, exit_code=3, restart=RestartStats(readiness_state="ready")),
     block(expected_exit=3), boot(Phase.READY), V.OK),
    ("an exit that the block expects, found after a crash",
     state(S.EXITED, exit_code=3), block(expected_exit=[0, 3]), boot(Phase.READY), V.OK),
    ("exit 0 of a service that is not restarted",
     state(S.EXITED, exit_code=0), block(restart="no"), boot(Phase.READY), V.OK),
    ("exit 1 of a service that is not restarted",
     state(S.EXITED, exit_code=1), block(restart="no"), boot(Phase.READY), V.ATTENTION),
    ("exit 0 of a service that ought to go on",
     state(S.EXITED, exit_code=0), block(), boot(Phase.READY), V.ATTENTION),
    ("its turn has not come in this boot",
     state(S.STOPPED, desired=DOWN), block(), boot(Phase.STARTING_SERVICES), V.STARTING),
    ("stopped on purpose: this boot does not start it",
     state(S.STOPPED, desired=DOWN, restart=RestartStats(disabled=True)), block(),
     boot(Phase.STARTING_SERVICES), V.OK),
    ("wanted and stopped for longer than a start takes",
     state(S.STOPPED, stopped_at=NOW - 420), block(), boot(Phase.READY), V.ATTENTION),
    ("a stop that does not come to an end",
     state(S.STOPPING, desired=DOWN, health_checked_at=NOW - 420), block(), boot(Phase.READY),
     V.ATTENTION),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "configured", "going", "verdict"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_rules_with_a_clock_or_a_block(
    given: ServiceState, configured: ServiceBlock | None, going: Startup | None, verdict: Verdict
) -> None:
    found = judge(given, configured, going, now=NOW)
    assert found.verdict is verdict, found
    assert bool(found.advice) is found.attention


@pytest.mark.parametrize("status", [S.STARTING, S.WAITING])
def test_attention_begins_with_a_second_look_and_not_with_an_event(status: ServiceStatus) -> None:
    began = {"started_at": NOW, "waiting_since": NOW, "health": "starting"}
    given = state(status, **began)
    verdicts = [judge(given, block(), None, now=NOW + after).verdict for after in (0, 110, 310)]
    first = V.STARTING if status is S.STARTING else V.WAITING
    assert verdicts == [first, first, V.ATTENTION]


def test_reasons_tell_what_is_missing_and_since_when() -> None:
    port = "port 32400 does not answer"
    hangs = state(S.STARTING, started_at=NOW - 400, health="unhealthy", health_reason=port)
    found = judge(hangs, block(), None, now=NOW)
    assert found.reason == f"App is not ready after 121 s: {port}"
    assert found.since == NOW - 400
    assert "start_timeout" in found.advice
    waits = state(S.WAITING, waiting_since=NOW - 400, waiting_for="mount /mnt/x (not mounted)")
    found = judge(waits, block(), None, now=NOW)
    assert found.reason == "App waits for mount /mnt/x (not mounted) for more than 300 s"
    assert found.since == NOW - 400
    # No clock in it: a client that is told again when something changed is not told each second.
    assert judge(waits, block(), None, now=NOW + 9).reason == found.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"exit_reason": "App failed to stay running (exit code 3)."},
         "App failed to stay running (exit code 3)."),
        ({"exit_reason": "killed by SIGKILL"}, "App failed: killed by SIGKILL"),
        ({"exit_signal": 9}, "App failed: ended by signal 9"),
        ({"exit_code": 4}, "App failed: exit code 4"),
        ({}, "App failed: no reason known"),
        ({"exit_code": 4, "restart": RestartStats(restart_attempts=3, last_failure_reason="x")},
         "App failed: exit code 4; it is not restarted any more (x)"),
        ({"exit_reason": "x", "restart": RestartStats(restart_attempts=3, last_failure_reason="x")},
         "App failed: x; it is not restarted any more"),
    ],
)  # fmt: skip
def test_why_it_failed(fields: dict[str, Any], reason: str) -> None:
    assert judge(state(S.FAILED, **fields), now=NOW).reason == reason


def test_advice_can_be_pasted_into_a_shell() -> None:
    name = "it's; $(rm) `x`"
    found = judge(ServiceState(name, S.FAILED, desired=UP), now=NOW)
    command = found.advice.removeprefix("See `").partition("`. Then")[0]
    assert shlex.split(command) == ["dumb", "logs", name]


def test_an_automatic_restart_is_announced() -> None:
    pending = RestartStats(pending=True, restart_attempts=1, last_failure_reason="x")
    found = judge(state(S.EXITED, exit_code=1, restart=pending), now=NOW)
    assert found.attention
    assert found.advice.startswith("It is restarted by itself.")


@pytest.mark.parametrize(
    ("status", "restart", "phase", "counts"),
    [
        (S.FAILED, RestartStats(), Phase.READY, False),
        (S.FAILED, RestartStats(), Phase.DEGRADED, True),
        (S.FAILED, RestartStats(ready_at=1.0), Phase.READY, True),
        (S.FAILED, RestartStats(restart_attempts=1), Phase.READY, True),
        (S.EXITED, RestartStats(), Phase.READY, True),
    ],
)
def test_the_wizard_may_try_again_what_it_could_not_start(
    status: ServiceStatus, restart: RestartStats, phase: Phase, counts: bool
) -> None:
    given = state(status, restart=restart)
    assert judge(given, block(), boot(phase), now=NOW, onboarding=True).attention is counts
    assert judge(given, block(), boot(phase), now=NOW).attention


def test_what_is_shown() -> None:
    found = judge(state(S.RUNNING, health="healthy", ready_at=NOW - 5), now=NOW)
    assert found == Judgement(V.OK, "App runs", NOW - 5, ready=True, expected_up=True)
    assert found.shown() == {
        "verdict": "ok", "reason": "App runs", "since": NOW - 5, "advice": "",
    }  # fmt: skip
    assert replace(found, verdict=V.ATTENTION).attention
