"""The rules one by one, as tables."""

import dataclasses

import pytest

from services.jobs.seerr.plan import TitlePlan, World, adoptable, is_due, plan_title
from services.jobs.seerr.requests import Request
from services.jobs.seerr.roles import Options, read_roles
from services.jobs.seerr.state import Copy, Failure, SyncState, iso, parse_time

KEY = "tv:9:False"
NOW = 1_790_000_000.0
STAMP = "2026-01-01T00:00:00Z"


def _request(number: int, status: int, *seasons: int) -> Request:
    return Request(number, status, "tv", 9, seasons=frozenset(seasons))


def _copy(number: int, status: int, primaries: set[int], *seasons: int) -> Copy:
    return Copy(number, status, STAMP, frozenset(primaries), frozenset(seasons))


def _plan(
    requests: list[Request],
    copies: list[Copy],
    options: Options | None = None,
    *,
    failure: Failure | None = None,
    moved: bool = False,
) -> TitlePlan:
    chosen = options or Options(declined=True)
    world = World.of(requests, chosen)
    return plan_title(KEY, world, copies, failure=failure, options=chosen, now=NOW, moved=moved)


def _verbs(plan: TitlePlan) -> list[tuple[str, int]]:
    """What is done to which request of the primary, or to which copy."""
    return [
        (str(a.verb), a.request.id if a.request else a.copy.id if a.copy else 0)
        for a in plan.actions
    ]


@pytest.mark.parametrize(
    ("requests", "copies", "verbs"),
    [
        ([_request(1, 1, 1)], [], [("create", 1)]),
        ([_request(1, 3, 1)], [], []),
        ([_request(1, 1, 1)], [_copy(7, 2, {1}, 1)], []),
        ([_request(1, 5, 1)], [_copy(7, 1, {1}, 1)], [("approve", 7)]),
        ([_request(1, 4, 1)], [_copy(7, 5, {1}, 1)], []),
        ([_request(1, 3, 1)], [_copy(7, 2, {1}, 1)], [("decline", 7)]),
        ([_request(1, 1, 1, 2)], [_copy(7, 2, {1}, 1)], [("create", 1)]),
        ([], [_copy(7, 2, {1}, 1)], [("delete", 7)]),
        ([], [_copy(7, 2, set(), 1)], [("delete", 7)]),
        # One copy for two requests: it follows whoever wants more of it.
        ([_request(1, 5, 1), _request(2, 3, 1)], [_copy(7, 1, {1, 2}, 1)], [("approve", 7)]),
        ([_request(1, 1, 1), _request(2, 3, 1)], [_copy(7, 2, {1, 2}, 1)], []),
        ([_request(1, 3, 1), _request(2, 3, 1)], [_copy(7, 2, {1, 2}, 1)], [("decline", 7)]),
        ([_request(2, 2, 1)], [_copy(7, 2, {1, 2}, 1)], []),
        # What has gone goes before what is new, so that the new one is not refused for it.
        ([_request(2, 1, 1)], [_copy(7, 2, {1}, 1)], [("delete", 7), ("create", 2)]),
    ],
)
def test_one_title(
    requests: list[Request], copies: list[Copy], verbs: list[tuple[str, int]]
) -> None:
    assert _verbs(_plan(requests, copies)) == verbs


@pytest.mark.parametrize(
    ("options", "status", "verbs"),
    [
        ({"pending": False}, 1, []),
        ({"approved": False}, 2, []),
        ({"approved": False}, 5, []),
        ({"declined": False}, 3, []),
    ],
)
def test_what_an_option_hides_makes_no_news(
    options: dict[str, bool], status: int, verbs: list[tuple[str, int]]
) -> None:
    chosen = dataclasses.replace(Options(declined=True), **options)
    assert _verbs(_plan([_request(1, status, 1)], [_copy(7, 1, {1}, 1)], chosen)) == verbs
    assert _verbs(_plan([_request(1, status, 1)], [], chosen)) == []


def test_copies_of_another_primary_are_matched_by_title_and_never_deleted() -> None:
    copies = [_copy(7, 2, set(), 1)]
    assert _verbs(_plan([], copies, moved=True)) == []
    plan = _plan([_request(5, 2, 1)], copies, moved=True)
    assert not plan.actions
    assert plan.copies[0].primaries == {5}
    assert copies[0].primaries == frozenset()  # the plan does not touch what is known


def test_adding_seasons_waits_like_a_title_but_approving_does_not() -> None:
    failure = Failure(iso(NOW - 60), "quota", "tv", 9)
    plan = _plan([_request(1, 2, 1, 2)], [_copy(7, 1, {1}, 1)], failure=failure)
    assert (_verbs(plan), plan.waiting) == ([("approve", 7)], True)


@pytest.mark.parametrize(
    ("age", "attempts", "transient", "hours", "due"),
    [
        (3600, 1, False, 24, False),
        (86_401, 1, False, 24, True),
        (1, 1, False, 0, True),
        (61, 1, True, 24, True),
        (61, 2, True, 24, False),
        (121, 2, True, 24, True),
        (86_401, 60, True, 24, True),
        (-3600, 1, False, 24, True),  # the clock went back: not a reason to wait for years
    ],
)
def test_when_a_failure_is_due(
    age: float, attempts: int, transient: bool, hours: int, due: bool
) -> None:
    failure = Failure(iso(NOW - age), "x", "tv", 9, attempts, transient)
    assert is_due(failure, Options(retry_after_s=hours * 3600.0), NOW) is due


def test_what_is_adopted() -> None:
    declined, some, all_of_it = _request(1, 3, 1, 2), _request(2, 1, 1), _request(3, 1, 1, 2)
    other = dataclasses.replace(all_of_it, id=4, tmdb_id=8)
    there, both = [declined, some, all_of_it, other], frozenset({1, 2})
    assert adoptable(there, KEY, both, []) == all_of_it
    assert adoptable([declined, some, other], KEY, both, []) == some
    assert adoptable([declined, other], KEY, both, []) is None
    assert adoptable(there, KEY, frozenset({1}), [_copy(2, 1, {9}, 1)]) == all_of_it
    assert adoptable([some], KEY, frozenset({1}), [_copy(2, 1, {9}, 1)]) == some


def test_an_entry_survives_the_file_and_the_original_finds_what_it_knows() -> None:
    state = SyncState(last_poll=STAMP)
    state.put("internal:B", KEY, [_copy(7, 2, {1}, 1), _copy(8, 1, {2}, 2)])
    state.put("http://x", KEY, [_copy(9, 2, {2}, 2)])
    tree = state.to_file()
    entry = tree["requests"][KEY]
    assert entry["primary_id"] == 1
    assert {"id": 7, "status": 2, "synced_at": STAMP}.items() <= entry["subordinates"][
        "internal:B"
    ].items()
    again = SyncState.from_file(tree)
    assert again.copies == state.copies
    assert again.synced() == {"internal:B": 1, "http://x": 1}


@pytest.mark.parametrize(
    "tree",
    [
        None, [], "x", {"requests": []}, {"requests": {"a": 1, "b": {"subordinates": {"c": {}}}}},
        {"failed": {"a": {"failed_at": "never"}, "b": 3}}, {"last_poll_ts": 5},
    ],
)  # fmt: skip
def test_what_is_no_state_counts_as_empty(tree: object) -> None:
    state = SyncState.from_file(tree)
    assert (state.copies, state.failures, state.last_poll) == ({}, {}, "")


def test_times_are_utc_whatever_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert iso(1_769_722_366) == "2026-01-29T21:32:46Z"
    assert parse_time("2026-01-29T21:32:46Z") == 1_769_722_366
    assert parse_time("2026-01-29T21:32:46") == 1_769_722_366


def _roles_of(**changes: object) -> list[str]:
    external = {"enabled": True, "url": "http://p", "api_key": "k"}
    section: dict[str, object] = {
        "enabled": True,
        "external_primary": external,
        "external_subordinates": [{"url": "http://s/", "api_key": "k"}],
        **{k: v for k, v in changes.items() if k != "instances"},
    }
    tree = {"seerr_sync": section, "seerr": {"instances": changes.get("instances", {})}}
    return read_roles(tree)[1]


def _instance(role: str, **more: object) -> dict[str, object]:
    return {"enabled": True, "sync_role": role, "port": 5055, **more}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"external_primary": {"enabled": False}}, ["there is no primary"]),
        ({"external_primary": {"enabled": True, "url": "http://p"}}, ["needs url and api_key"]),
        ({"external_subordinates": []}, ["there is no subordinate"]),
        ({"external_subordinates": [{"url": "http://s"}]}, ["[0] needs url and api_key"]),
        ({"external_subordinates": ["x"]}, ["[0] needs url and api_key"]),
        ({"instances": {"A": _instance("primary")}}, ["as well"]),
        (
            {"external_primary": {}, "instances": {n: _instance("primary") for n in "AB"}},
            ["only one"],
        ),
        ({"external_primary": {}, "instances": {"A": _instance("primary")}}, []),
        (
            {"external_primary": {}, "instances": {"A": _instance("primary", enabled=False)}},
            ["no primary"],
        ),
        ({"external_subordinates": [{"url": "http://s", "api_key": "k"}] * 2}, ["twice"]),
        ({"external_subordinates": [{"url": "http://p", "api_key": "k"}]}, ["at once"]),
    ],
)  # fmt: skip
def test_roles(changes: dict[str, object], said: list[str]) -> None:
    problems = _roles_of(**changes)
    assert len(problems) == len(said)
    for problem, part in zip(problems, said, strict=True):
        assert part in problem


def test_labels_urls_and_interval() -> None:
    tree = {
        "seerr_sync": {"poll_interval_seconds": 3, "options": {"retry_failed_after_hours": -1}},
        "seerr": {
            "instances": {
                "Main": _instance("primary", port=5056, config_file="/seerr/settings.json"),
                "Kids": _instance("subordinate"),
                "Off": _instance("disabled"),
            }
        },
    }
    roles, problems = read_roles(tree)
    assert problems == []
    assert roles is not None
    assert (roles.primary.label, roles.primary.url) == ("internal:Main", "http://127.0.0.1:5056")
    assert [source.label for source in roles.subordinates] == ["internal:Kids"]
    assert (roles.interval_s, roles.options) == (10.0, Options())
