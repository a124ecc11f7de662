"""Whether what a service needs is there."""

from typing import Any

import pytest

from services.supervisor.fleet.needs import Look, Other, Standing, judge, summary
from shared.config.dependencies import Condition, Need, Source
from shared.models.service import RestartStats, ServiceState
from shared.states import Desired, ServiceStatus

_C, _S = Condition, ServiceStatus
UP = {"desired": Desired.UP}
PENDING = {"restart": RestartStats(pending=True), **UP}
COMPLETED = {"restart": RestartStats(readiness_state="ready"), **UP}
WELL = {"health": "healthy", **UP}


def _look(condition: Condition, status: ServiceStatus, *marks: str, **fields: Any) -> Look:
    """`marks`: busy, leaving."""
    state = ServiceState("db", status, **fields)
    other = Other(state, busy="busy" in marks, leaving="leaving" in marks)
    return judge(Need("db", condition, Source.DEPENDS_ON, ()), other)


@pytest.mark.parametrize(
    ("condition", "status", "fields"),
    [
        (_C.STARTED, _S.STARTING, {}),
        (_C.STARTED, _S.RUNNING, {}),
        (_C.READY, _S.RUNNING, {"health": "unhealthy"}),
        (_C.HEALTHY, _S.RUNNING, {"health": "healthy"}),
        (_C.HEALTHY, _S.RUNNING, {"health": "degraded"}),
        *((condition, _S.EXITED, COMPLETED) for condition in _C),
    ],
)
def test_met(condition: Condition, status: ServiceStatus, fields: Any) -> None:
    assert _look(condition, status, **fields) == Look("db", Standing.MET)


@pytest.mark.parametrize(
    ("condition", "status", "marks", "fields", "what"),
    [
        (_C.READY, _S.STARTING, [], {"waiting_for": "port 5432"}, "db: port 5432"),
        (_C.READY, _S.STARTING, [], {}, "db: starting"),
        (_C.STARTED, _S.STOPPING, [], {}, "db: stopping"),
        (_C.HEALTHY, _S.RUNNING, [], {"health_reason": "503"}, "db: healthy (503)"),
        (_C.COMPLETED, _S.RUNNING, [], WELL, "db: to complete"),
        (_C.READY, _S.STOPPED, ["busy"], {}, "db: not started"),
        (_C.READY, _S.WAITING, ["busy"], UP, "db: waiting"),
        (_C.READY, _S.EXITED, [], PENDING, "db: to be restarted"),
        (_C.READY, _S.FAILED, ["busy"], UP, "db: failed (no reason known)"),
        (_C.READY, _S.RUNNING, ["leaving"], {}, "db: about to be stopped or restarted"),
    ],
)
def test_coming(
    condition: Condition, status: ServiceStatus, marks: list[str], fields: Any, what: str
) -> None:
    assert _look(condition, status, *marks, **fields) == Look("db", Standing.COMING, what)


@pytest.mark.parametrize(
    ("condition", "status", "fields", "what"),
    [
        (_C.READY, _S.STOPPED, {"generation": 3}, "db: stopped"),
        (_C.READY, _S.FAILED, {"exit_reason": "exit code 3."}, "db: failed (exit code 3)"),
        (_C.STARTED, _S.EXITED, {"exit_reason": "x" * 999}, f"db: failed ({'x' * 200})"),
        (_C.READY, _S.WAITING, UP, "db: waiting"),
        # A restart is pending, but somebody stopped it meanwhile.
        (_C.READY, _S.EXITED, {**PENDING, "desired": Desired.DOWN},
         "db: failed (no reason known)"),
    ],
)  # fmt: skip
def test_down(condition: Condition, status: ServiceStatus, fields: Any, what: str) -> None:
    assert _look(condition, status, **fields) == Look("db", Standing.DOWN, what)


def test_the_api_itself_is_always_there() -> None:
    need = Need("DUMB API", Condition.HEALTHY, Source.DEPENDS_ON, ())
    assert judge(need, None).standing is Standing.MET


def test_a_summary_names_the_first_few() -> None:
    looks = [Look(name, Standing.DOWN, f"{name}: stopped") for name in "abcde"]
    assert summary(looks) == "a: stopped, b: stopped, c: stopped and 2 more"
    assert summary(looks[:2]) == "a: stopped, b: stopped"
