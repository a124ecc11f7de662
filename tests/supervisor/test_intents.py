"""The latest intent counts: every combination, and long random sequences."""

import itertools
import random
from dataclasses import dataclass, field

import pytest

from services.supervisor.intents import Decision, decide
from shared.models.command import Action

START, STOP, RESTART = Action.START, Action.STOP, Action.RESTART
ACTIONS = (START, STOP, RESTART)


@pytest.mark.parametrize("queued", [[], [START], [RESTART], [START, RESTART], [RESTART, START]])
@pytest.mark.parametrize("current", [None, START, RESTART])
def test_a_stop_cancels_everything_before_it(current: Action | None, queued: list[Action]) -> None:
    decision = decide(current, queued, STOP)
    assert decision == Decision(cancel_current=current is not None, keep_queued=0)


@pytest.mark.parametrize("queued", [[], [START], [RESTART], [START, RESTART]])
def test_a_stop_joins_the_stop_under_way_and_drops_what_waits(queued: list[Action]) -> None:
    assert decide(STOP, queued, STOP) == Decision(keep_queued=0, join_current=True)


@pytest.mark.parametrize("behind", [[], [START], [START, RESTART]])
@pytest.mark.parametrize("current", [None, START, RESTART])
def test_a_stop_joins_the_stop_that_is_about_to_begin(
    current: Action | None, behind: list[Action]
) -> None:
    # The operation before it is being cancelled, or the worker has not woken yet.
    assert decide(current, [STOP, *behind], STOP) == Decision(keep_queued=1, join_queued=True)


@pytest.mark.parametrize("new", [START, RESTART])
@pytest.mark.parametrize(
    ("current", "queued"),
    list(itertools.product((None, *ACTIONS), ([], [START], [RESTART]))),
)
def test_others_join_an_equal_last_request_or_wait(
    current: Action | None, queued: list[Action], new: Action
) -> None:
    decision = decide(current, queued, new)
    assert not decision.cancel_current
    assert decision.keep_queued == len(queued)
    last = queued[-1] if queued else current
    assert (decision.join_current or decision.join_queued) == (last is new)
    assert decision.join_queued == (bool(queued) and last is new)


def test_a_start_behind_a_stop_is_kept_for_afterwards() -> None:
    assert decide(STOP, [], START) == Decision(keep_queued=0)
    assert decide(STOP, [START], START) == Decision(keep_queued=1, join_queued=True)


@dataclass
class Model:
    """What `Unit` does with decisions, without the work itself."""

    current: Action | None = None
    dying: bool = False
    queue: list[Action] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)

    def submit(self, action: Action) -> None:
        decision = decide(self.current, self.queue, action)
        del self.queue[decision.keep_queued :]
        if decision.join_current:
            assert self.current is action
            assert not self.dying
        elif decision.join_queued:
            assert self.queue[-1] is action
        else:
            self.dying = self.dying or decision.cancel_current
            self.queue.append(action)

    def work(self) -> None:
        if self.current is not None and not self.dying:
            self.done.append(self.current)
        self.dying = False
        self.current = self.queue.pop(0) if self.queue else None

    def check(self) -> None:
        # A stop stands in the queue only while it is about to begin: in front, and once.
        assert self.queue[1:].count(STOP) == 0
        if self.queue[:1] == [STOP]:
            assert self.current is None or self.dying
        # No two equal neighbours: they would have been joined.
        assert all(a is not b for a, b in itertools.pairwise(self.queue))


@pytest.mark.parametrize("seed", range(20))
def test_after_any_sequence_the_last_intent_wins(seed: int) -> None:
    dice = random.Random(seed)
    model = Model()
    last: Action | None = None
    for _ in range(500):
        if dice.random() < 0.6:
            last = dice.choice(ACTIONS)
            model.submit(last)
        else:
            model.work()
        model.check()
    for _ in range(len(model.queue) + 1):
        model.work()
    assert model.done[-1] is last
