"""Who follows when something that it needs was started anew."""

from typing import Any

import pytest

from services.supervisor.fleet import followers as module
from services.supervisor.fleet.followers import MOST, WINDOW_S, Followers
from shared.models.command import Action
from shared.states import ServiceStatus
from tests.supervisor.fleet.standins import Asked, StandIn, stand_in


def _unit(name: str, launched_at: float, wish: Any = None) -> StandIn:
    unit = stand_in(name, ServiceStatus.RUNNING)
    unit.launched_at = launched_at
    unit.block = {} if wish is None else {"on_dependency_restart": wish}
    return unit


class Following:
    """Followers, and what they did."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.probed: list[str] = []
        self._followers = Followers(asked, lambda unit: self.probed.append(unit.name))

    def came_up(self, launched_at: float, *users: StandIn) -> None:
        """What they need is ready anew."""
        need: Any = _unit("db", launched_at)
        everyone: Any = users
        self._followers.came_up(need, everyone)


@pytest.fixture
def following(asked: Asked) -> Following:
    return Following(asked)


def test_each_does_as_it_wishes(following: Following) -> None:
    wishes = {"a": "restart", "b": "reprobe", "c": "ignore", "d": None, "e": "nonsense"}
    following.came_up(9.0, *(_unit(name, 5.0, wish) for name, wish in wishes.items()))
    assert following.asked.names == ["a"]
    assert following.asked.jobs[0].command.action is Action.RESTART
    assert following.probed == ["b", "d", "e"]


def test_who_was_started_upon_this_run_or_is_down_does_not_follow(following: Following) -> None:
    down = _unit("down", 5.0, "restart")
    down.become(ServiceStatus.FAILED)
    following.came_up(9.0, _unit("later", 9.5, "restart"), down)
    assert (following.asked.names, following.probed) == ([], [])


def test_a_storm_is_capped(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "since_boot", lambda: now)
    for number in range(MOST + 2):
        now += 1
        following.came_up(9.0 + number, _unit("a", 5.0, "restart"))
    assert following.asked.names == ["a"] * MOST
    assert following.probed == ["a"] * 2  # it is looked at instead
    following.came_up(99.0, _unit("b", 5.0, "restart"))
    assert following.asked.names[-1] == "b"  # each has a cap of its own
    now += WINDOW_S
    following.came_up(99.0, _unit("a", 5.0, "restart"))
    assert following.asked.names[-1] == "a"
