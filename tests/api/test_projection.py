"""Events and reads cross each other; the newer of the two must win, whichever comes first."""

import pytest

from services.api.projection import Projection, Verdict
from shared.models.service import ServiceState
from shared.states import ServiceStatus


def svc(seq: int, name: str = "Svc") -> ServiceState:
    return ServiceState(name, ServiceStatus.RUNNING, seq=seq)


def projection(seq: int | None) -> Projection:
    made = Projection()
    if seq is not None:
        made.apply(svc(seq))
    return made


@pytest.mark.parametrize(
    ("known", "event", "verdict", "then"),
    [
        (None, 7, Verdict.NEXT, 7),
        (7, 8, Verdict.NEXT, 8),
        (7, 9, Verdict.GAP, 9),
        (7, 7, Verdict.OLD, 7),
        (7, 1, Verdict.OLD, 7),
    ],
)
def test_events(known: int | None, event: int, verdict: Verdict, then: int) -> None:
    made = projection(known)
    assert made.apply(svc(event)) is verdict
    assert made.states["Svc"].seq == then


@pytest.mark.parametrize(
    ("event_during_read", "read", "then"),
    [
        (None, 9, 9),
        (None, 2, 2),
        (None, None, None),
        (8, 9, 9),
        (8, 8, 8),
        (8, 7, 8),
        (8, None, 8),
    ],
)
@pytest.mark.parametrize("everything", [True, False])
def test_reads(
    event_during_read: int | None, read: int | None, then: int | None, everything: bool
) -> None:
    made = projection(7)
    made.begin_read()
    if event_during_read is not None:
        made.apply(svc(event_during_read))
    before = made.states.get("Svc")
    found = None if read is None else svc(read)
    if everything:
        changed = bool(made.merge_all({} if found is None else {"Svc": found}))
    else:
        changed = made.merge_one("Svc", found)
    assert (made.states["Svc"].seq if "Svc" in made.states else None) == then
    assert changed is (made.states.get("Svc") != before)


def test_a_whole_read_names_what_changed() -> None:
    made = projection(7)
    made.apply(svc(1, "Gone"))
    made.apply(svc(1, "Same"))
    made.begin_read()
    read = {"Svc": svc(9), "Same": svc(1, "Same"), "New": svc(1, "New")}
    assert made.merge_all(read) == ["Gone", "New", "Svc"]
    assert made.states == read
