"""The restart policy as a table, against a fake clock (contract lifecycle.md 5)."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from services.supervisor.fleet.policy import Attempt, RestartPolicy, next_attempt, policy_of


@dataclass
class Clock:
    """A service that fails again and again, and the times at which it is restarted."""

    policy: RestartPolicy
    now: float = 0.0
    attempts: tuple[float, ...] = ()
    delays: list[float | None] = field(default_factory=list)

    def fail(self, after: float = 0.0) -> Attempt:
        """It ran for `after` seconds, then failed; wait for the restart."""
        self.now += after
        attempt = next_attempt(self.policy, self.attempts, self.now)
        self.delays.append(attempt.delay_s)
        self.attempts = attempt.recent
        if attempt.delay_s is not None:
            self.now += attempt.delay_s
            self.attempts = (*self.attempts, self.now)
        return attempt


@pytest.mark.parametrize(
    ("policy", "lives", "delays"),
    [
        # The contract's defaults: three, then what is left of the window since the first one.
        (RestartPolicy(), [0] * 6, [5, 15, 45, 240, 15, 45]),
        # Each lives longer than the window: every failure is the first one.
        (RestartPolicy(), [400] * 4, [5, 5, 5, 5]),
        # Two within the window, then one outside of it.
        (RestartPolicy(), [0, 0, 500], [5, 15, 5]),
        # The last step repeats.
        (RestartPolicy(max_restarts=9, backoff_s=(1, 2)), [0] * 5, [1, 2, 2, 2, 2]),
        # No steps: no wait.
        (RestartPolicy(backoff_s=()), [0, 0, 0], [0, 0, 0]),
        # One restart a minute.
        (RestartPolicy(max_restarts=1, window_s=60, backoff_s=(5,)), [0, 0, 10], [5, 60, 50]),
        # None at all.
        (RestartPolicy(max_restarts=0), [0, 0], [None, None]),
        # A window of nothing counts nothing.
        (RestartPolicy(window_s=0), [0, 0, 0, 0], [5, 5, 5, 5]),
    ],
)
def test_a_service_that_fails_again_and_again(
    policy: RestartPolicy, lives: list[float], delays: list[float | None]
) -> None:
    clock = Clock(policy)
    for life in lives:
        clock.fail(life)
    assert clock.delays == delays


def test_at_the_limit_it_says_so_and_when_it_goes_on() -> None:
    clock = Clock(RestartPolicy())
    reasons = [clock.fail().reason for _ in range(4)]
    assert reasons[:3] == ["", "", ""]
    assert reasons[3] == "3 restarts within 300 s: the next one in 240 s"
    assert next_attempt(RestartPolicy(max_restarts=0), (), 0).reason


def test_attempts_of_the_future_and_of_long_ago_do_not_count() -> None:
    attempt = next_attempt(RestartPolicy(), [-1000, 90, 5000], 100)
    assert (attempt.delay_s, attempt.recent) == (15, (90,))


BLOCK: dict[str, Any] = {
    "enabled": True,
    "restart_on_unhealthy": True,
    "healthcheck_interval": 30,
    "unhealthy_threshold": 3,
    "max_restarts": 3,
    "window_seconds": 300,
    "backoff_seconds": [5, 15, 45, 120],
    "grace_period_seconds": 30,
    "services": [{"process_name": "Svc A"}],
}


@pytest.mark.parametrize(
    ("changes", "entry", "policy"),
    [
        ({}, {}, RestartPolicy()),
        ({"max_restarts": 5}, {"max_restarts": 1}, RestartPolicy(max_restarts=1)),
        ({"backoff_seconds": 7}, {}, RestartPolicy(backoff_s=(7,))),
        ({"backoff_seconds": []}, {}, RestartPolicy(backoff_s=())),
        ({}, {"backoff_seconds": [1]}, RestartPolicy(backoff_s=(1,))),
        ({"backoff_seconds": "x"}, {}, RestartPolicy()),
        ({"backoff_seconds": [1, None, -2]}, {}, RestartPolicy(backoff_s=(1, 0, 0))),
        ({}, {"restart_on_unhealthy": False}, RestartPolicy(restart_on_unhealthy=False)),
        ({}, {"healthcheck_interval": 0}, RestartPolicy(healthcheck_interval_s=0)),
        ({}, {"healthcheck_interval": -5}, RestartPolicy(healthcheck_interval_s=0)),
        ({"grace_period_seconds": 1.5}, {}, RestartPolicy(grace_s=1.5)),
        ({"window_seconds": True, "max_restarts": "2"}, {}, RestartPolicy()),
        ({"unhealthy_threshold": 0}, {}, RestartPolicy(unhealthy_threshold=1)),
        ({"max_restarts": None}, {"window_seconds": None}, RestartPolicy()),
        ({"max_restarts": float("inf")}, {}, RestartPolicy()),
        ({"enabled": False}, {}, None),
        ({"enabled": "yes"}, {}, None),
        ({}, {"enabled": False}, None),
        ({}, {"process_name": "Another"}, None),
        ({}, {"process_name": " svc a"}, RestartPolicy()),
        ({"services": None}, {}, None),
        ({"services": ["Svc A", 5, {}]}, {}, None),
    ],
)
def test_the_block_and_the_entry_of_a_service(
    changes: dict[str, Any], entry: dict[str, Any], policy: RestartPolicy | None
) -> None:
    block = {**BLOCK, "services": [{"process_name": "Svc A", **entry}], **changes}
    assert policy_of(block, "Svc A") == policy


def test_an_exact_name_wins_and_no_block_means_no_restarts() -> None:
    entries = [{"process_name": "svca"}, {"process_name": "Svc A", "max_restarts": 9}]
    found = policy_of({**BLOCK, "services": entries}, "Svc A")
    assert found is not None
    assert found.max_restarts == 9
    assert policy_of(None, "Svc A") is None
    assert policy_of([], "Svc A") is None
