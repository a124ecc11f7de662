"""How far a boot is, and its options."""

import pytest

from services.supervisor.fleet.survey import BootOptions, Expected, boot_options, survey
from shared.models.service import RestartStats, ServiceState
from shared.states import Desired, ServiceStatus

_S = ServiceStatus


def _one(
    name: str, status: ServiceStatus, *, working: bool = False, waiting_for: str = "", why: str = ""
) -> Expected:
    state = ServiceState(
        name, status, desired=Desired.UP, waiting_for=waiting_for, exit_reason=why
    )  # fmt: skip
    return Expected(state, working)


def test_every_service_is_ready_or_coming_or_failed() -> None:
    done = RestartStats(readiness_state="ready")
    found = survey(
        [
            _one("a", _S.RUNNING),
            Expected(ServiceState("job", _S.EXITED, Desired.UP, restart=done), working=False),
            _one("b", _S.WAITING, working=True, waiting_for="db: port 5432"),
            _one("db", _S.STARTING, working=True, waiting_for="port 5432"),
            _one("late", _S.STARTING, waiting_for="port 1"),
            _one("new", _S.STOPPED, working=True),
            _one("held", _S.WAITING, waiting_for="bad: failed (x)"),
            _one("bad", _S.FAILED, why="exit code 3"),
            Expected(ServiceState("stopped by somebody", _S.STOPPED), working=False),
        ]
    )
    assert found.ready == 2
    assert found.coming == {
        "db": "port 5432", "late": "port 1", "new": "stopped", "b": "db: port 5432",
    }  # fmt: skip
    assert list(found.coming)[-1] == "b"  # it only waits for another one
    assert found.failed == {"held": "waiting for bad: failed (x)", "bad": "exit code 3"}
    assert found.progress() == (
        "2/8 ready, failed: held, bad, waiting for db: port 5432, late: port 1, new: stopped "
        "and 1 more"
    )


def test_nothing_to_wait_for() -> None:
    assert survey([]).progress() == "0/0 ready"
    assert survey([_one("PostgreSQL", _S.RUNNING)]).progress() == "1/1 ready"


@pytest.mark.parametrize(
    ("block", "timeout", "stable"),
    [
        (None, 300, 15),
        ({}, 300, 15),
        ({"readiness_timeout_seconds": 0, "stabilization_seconds": 0.5}, 0, 0.5),
        ({"readiness_timeout_seconds": -1, "stabilization_seconds": "soon"}, 300, 15),
        ({"readiness_timeout_seconds": True, "stabilization_seconds": float("nan")}, 300, 15),
        ([1], 300, 15),
    ],
)
def test_options(block: object, timeout: float, stable: float) -> None:
    assert boot_options(block) == BootOptions(timeout, stable)
