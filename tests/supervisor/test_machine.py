"""The transition table, pair by pair."""

import itertools

import pytest

from services.supervisor.machine import READINESS, TransitionError, change, health_of
from shared.models.service import ServiceState
from shared.states import ALIVE, TRANSITIONS, ServiceStatus

S = ServiceStatus

# Written out by hand, so that a slip in the table of the program is seen.
ALLOWED = {
    (S.STOPPED, S.WAITING), (S.STOPPED, S.STARTING), (S.STOPPED, S.FAILED),
    (S.WAITING, S.STARTING), (S.WAITING, S.STOPPED), (S.WAITING, S.FAILED),
    (S.STARTING, S.RUNNING), (S.STARTING, S.STOPPING), (S.STARTING, S.EXITED),
    (S.STARTING, S.FAILED),
    (S.RUNNING, S.STOPPING), (S.RUNNING, S.EXITED), (S.RUNNING, S.FAILED),
    (S.STOPPING, S.STOPPED), (S.STOPPING, S.FAILED),
    (S.EXITED, S.WAITING), (S.EXITED, S.STARTING), (S.EXITED, S.STOPPED), (S.EXITED, S.FAILED),
    (S.FAILED, S.WAITING), (S.FAILED, S.STARTING), (S.FAILED, S.STOPPED), (S.FAILED, S.EXITED),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), list(itertools.product(S, S)))
def test_every_pair_is_allowed_or_raises(old: ServiceStatus, new: ServiceStatus) -> None:
    state = ServiceState("web", status=old, seq=7)
    if old is new or (old, new) in ALLOWED:
        after = change(state, new, exit_reason="why")
        assert (after.status, after.seq, after.exit_reason) == (new, 8, "why")
        assert (state.status, state.seq) == (old, 7)
    else:
        with pytest.raises(TransitionError, match=f"web: {old} -> {new}"):
            change(state, new)


def test_the_table_knows_every_status() -> None:
    assert set(TRANSITIONS) == set(S)
    assert {(a, b) for a, after in TRANSITIONS.items() for b in after} == ALLOWED


def test_no_status_is_a_dead_end_and_every_one_can_be_reached() -> None:
    assert all(TRANSITIONS.values())
    assert set().union(*TRANSITIONS.values()) == set(S)


@pytest.mark.parametrize(
    ("status", "health", "reason"),
    [
        (S.STOPPED, "unhealthy", "Process not running"),
        (S.WAITING, "unhealthy", "Process not running"),
        (S.STARTING, "starting", ""),
        (S.RUNNING, "healthy", ""),
        (S.STOPPING, "healthy", ""),
        (S.EXITED, "unhealthy", "Process not running"),
        (S.FAILED, "unhealthy", "Process not running"),
    ],
)
def test_health_follows_from_the_status(status: ServiceStatus, health: str, reason: str) -> None:
    fields = health_of(status, ())
    assert fields == {
        "health": health,
        "health_reason": reason,
        "health_details": {"probe": "process"},
    }
    assert (status in ALIVE) == (health != "unhealthy")


def test_health_names_the_ports_of_a_running_service_only() -> None:
    assert health_of(S.RUNNING, (80, 81))["health_details"] == {
        "probe": "process_and_ports",
        "ports": [80, 81],
    }
    assert health_of(S.STARTING, (80,))["health_details"] == {"probe": "process"}
    assert health_of(S.FAILED, (80,))["health_details"] == {"probe": "process"}


def test_readiness_words() -> None:
    assert {s: READINESS.get(s, "pending") for s in S} == {
        S.STOPPED: "pending",
        S.WAITING: "starting",
        S.STARTING: "starting",
        S.RUNNING: "ready",
        S.STOPPING: "ready",
        S.EXITED: "pending",
        S.FAILED: "unhealthy",
    }


def test_rest_knows_two_words() -> None:
    running = [s for s in S if ServiceState("A", s).rest_status == "running"]
    assert running == [S.STARTING, S.RUNNING, S.STOPPING]
    young = ServiceState("A", S.STARTING, in_exit_window=True)
    assert (young.rest_status, young.healthy) == ("stopped", False)


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("health", ["healthy", "degraded", "starting", "unhealthy"])
def test_healthy_as_the_contract_has_it(status: ServiceStatus, health: str) -> None:
    lives = status in {S.STARTING, S.RUNNING, S.STOPPING}
    expected = lives and health != "unhealthy"
    assert ServiceState("A", status, health=health).healthy is expected
