"""What goes wrong between two Seerrs, and what is left of it when that is over."""

import asyncio
import time

import orjson
import pytest

from services.jobs.seerr.state import iso
from services.jobs.seerr.store import state_file
from tests.jobs.seerr.conftest import KEYS, Family, MakeFamily
from tests.support.seerr.server import Fault
from tests.support.seerr.world import APPROVED
from tests.support.wait import wait_until


def _titles(family: Family, number: int = 0) -> list[int]:
    return sorted(item.tmdb_id for item in family.subs[number].world.items.values())


async def _let_time_pass(family: Family, seconds: float) -> None:
    """Every failure is older by so much."""
    for key, data in (await family.redis.hgetall(KEYS.seerr_failed)).items():
        tree = orjson.loads(data)
        tree["failed_at"] = iso(time.time() - seconds)
        await family.redis.hset(KEYS.seerr_failed, key, orjson.dumps(tree))


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_ends_the_round_of_that_one_alone(
    make_family: MakeFamily, status: int
) -> None:
    family = await make_family(2)
    for number in range(1, 4):
        family.primary.world.create("movie", number)
    spared = "/status" if status == 403 else ""
    family.subs[0].choose = lambda _m, path: Fault(status) if path != spared else None
    result = await family.sync()
    assert (
        f"refuses the API key (HTTP {status})"
        in result["subordinates"][family.labels[0]]["problem"]
    )
    assert (_titles(family, 0), _titles(family, 1)) == ([], [1, 2, 3])
    assert await family.failures() == {}
    family.subs[0].choose = lambda _m, _p: None
    await family.sync()
    assert _titles(family, 0) == [1, 2, 3]


@pytest.mark.parametrize("fault", [Fault(500), Fault(200, body=b"<html>"), Fault(cut=True)])
async def test_a_primary_that_cannot_be_read_changes_nothing(family: Family, fault: Fault) -> None:
    for number in range(1, 251):
        family.primary.world.create("movie", number)
    await family.sync()
    polled = (await family.store.load()).last_poll
    family.primary.world.delete(1)
    family.primary.world.create("movie", 900)
    pages = 0

    def third_page(method: str, path: str) -> Fault | None:
        nonlocal pages
        pages += (method, path) == ("GET", "/request")
        return fault if pages == 3 else None

    family.primary.choose = third_page
    assert "the primary" in (await family.sync())["problem"]
    assert _titles(family) == list(range(1, 251))
    assert (await family.store.load()).last_poll == polled
    family.primary.choose = lambda _m, _p: None
    await family.sync()
    assert _titles(family) == [*range(2, 251), 900]


async def test_a_list_that_changes_while_it_is_read_is_read_again(family: Family) -> None:
    for number in range(1, 251):
        family.primary.world.create("movie", number)
    await family.sync()
    reads = 0

    def meanwhile(method: str, path: str) -> Fault | None:
        nonlocal reads
        reads += (method, path) == ("GET", "/request")
        if reads == 2:  # the last of page 1 is gone: the first of page 2 moves there, unseen
            family.primary.world.delete(250)
        return None

    family.primary.choose = meanwhile
    await family.sync()
    assert reads == 3 + 3
    assert _titles(family) == list(range(1, 250))


async def test_a_request_missing_from_the_list_is_asked_for_before_a_delete(family: Family) -> None:
    item = family.primary.world.create("movie", 1)
    await family.sync()
    empty = orjson.dumps({"pageInfo": {"results": 0}, "results": []})
    family.primary.choose = lambda _m, path: Fault(200, body=empty) if path == "/request" else None
    await family.sync()
    assert _titles(family) == [1]
    family.primary.choose = lambda _m, path: (
        Fault(200, body=empty) if path == "/request" else Fault(500) if path != "/status" else None
    )
    await family.sync()
    assert _titles(family) == [1]
    family.primary.choose = lambda _m, _p: None
    family.primary.world.delete(item.id)
    await family.sync()
    assert _titles(family) == []


async def test_a_delete_is_tried_until_it_worked(make_family: MakeFamily) -> None:
    family = await make_family(2)
    item = family.primary.world.create("movie", 1)
    await family.sync()
    family.primary.world.delete(item.id)
    family.subs[0].choose = lambda method, _p: Fault(500) if method == "DELETE" else None
    await family.sync()
    await family.sync()
    assert (_titles(family, 0), _titles(family, 1)) == ([1], [])
    assert list(await family.failures()) == [f"movie:1:False||{family.labels[0]}"]
    family.subs[0].choose = lambda _m, _p: None
    await family.sync()
    assert _titles(family, 0) == []
    assert await family.failures() == {}
    assert (await family.store.load()).copies == {}


async def test_a_delete_of_what_is_gone_has_worked(family: Family) -> None:
    item = family.primary.world.create("movie", 1)
    await family.sync()
    family.primary.world.delete(item.id)
    family.subs[0].world.items.clear()
    await family.sync()
    assert (await family.store.load()).copies == {}


async def test_what_a_subordinate_refuses_waits_for_its_hours(make_family: MakeFamily) -> None:
    family = await make_family(retry_failed_after_hours=2)
    family.primary.world.create("movie", 1)
    family.primary.world.create("movie", 2)
    quota = Fault(403, body=b'{"message":"Quota exceeded"}')
    family.subs[0].next_faults.extend([Fault(), Fault(), quota])
    await family.sync()
    assert len(_titles(family)) == 1
    assert list((await family.failures()).values()) == ["Quota exceeded"]
    await family.sync()
    assert len(_titles(family)) == 1
    await _let_time_pass(family, 3600)
    await family.sync()
    assert len(_titles(family)) == 1
    await _let_time_pass(family, 7300)
    await family.sync()
    assert _titles(family) == [1, 2]
    assert await family.failures() == {}


@pytest.mark.parametrize("after", [False, True])
async def test_a_cut_connection_makes_nothing_twice(make_family: MakeFamily, after: bool) -> None:
    family = await make_family(retry_failed_after_hours=24)
    for number in range(1, 6):
        family.primary.world.create("movie", number, status=APPROVED)
    posts = 0

    def cut(method: str, path: str) -> Fault | None:
        nonlocal posts
        posts += (method, path) == ("POST", "/request")
        return Fault(cut=True, after=after) if posts in {2, 3} and method == "POST" else None

    family.subs[0].choose = cut
    await family.sync()
    assert set((await family.failures()).values()) == {"the connection was cut"}
    await _let_time_pass(family, 61)  # it may pass by itself: not after hours, but a minute
    await family.sync()
    assert _titles(family) == [1, 2, 3, 4, 5]
    assert {item.status for item in family.subs[0].world.items.values()} == {APPROVED}
    assert await family.failures() == {}


async def test_an_approval_that_fails_is_made_up_for(make_family: MakeFamily) -> None:
    family = await make_family(auto_approve=False)
    family.primary.world.create("movie", 1, status=APPROVED)
    family.subs[0].choose = lambda _m, path: Fault(500) if path.endswith("/approve") else None
    await family.sync()
    entry = (await family.store.load()).to_file()["requests"]["movie:1:False"]
    assert (
        entry["subordinates"][family.labels[0]]["status"] == 1
    )  # what it is, not what it should be
    family.subs[0].choose = lambda _m, _p: None
    await family.sync()
    assert [item.status for item in family.subs[0].world.items.values()] == [APPROVED]
    assert await family.failures() == {}


async def test_a_failure_that_nobody_needs_to_mend_is_forgotten(make_family: MakeFamily) -> None:
    family = await make_family(auto_approve=False)
    item = family.primary.world.create("movie", 1)
    await family.sync()
    family.primary.world.set_status(item.id, APPROVED)
    family.subs[0].choose = lambda _m, path: Fault(500) if path.endswith("/approve") else None
    await family.sync()
    assert len(await family.failures()) == 1
    family.primary.world.set_status(item.id, 1)
    await family.sync()
    assert await family.failures() == {}


async def test_so_is_one_of_a_request_that_was_deleted_before_it_was_copied(
    make_family: MakeFamily,
) -> None:
    family = await make_family(auto_approve=False)
    item = family.primary.world.create("movie", 1)
    family.subs[0].choose = lambda method, _p: Fault(500) if method == "POST" else None
    await family.sync()
    assert len(await family.failures()) == 1
    family.primary.world.delete(item.id)
    await family.sync()
    assert await family.failures() == {}


async def test_a_short_rate_limit_is_waited_for(family: Family) -> None:
    for number in range(1, 9):
        family.primary.world.create("movie", number)
    limited_at: list[float] = []
    early: list[str] = []

    def limit(method: str, path: str) -> Fault | None:
        now = time.monotonic()
        if method == "POST" and not limited_at:
            limited_at.append(now)
            return Fault(429, headers={"Retry-After": "1"})
        if limited_at and now - limited_at[0] < 0.9:
            early.append(path)
        return None

    family.subs[0].choose = limit
    await family.sync()
    assert _titles(family) == list(range(1, 9))
    # Those that were under way at that moment are answered; no new one is sent.
    assert len(early) <= 3


async def test_a_long_rate_limit_ends_the_round_and_is_remembered(make_family: MakeFamily) -> None:
    family = await make_family(2)
    for number in range(1, 6):
        family.primary.world.create("movie", number)
    family.subs[0].choose = lambda method, _p: (
        Fault(429, headers={"Retry-After": "3600"}) if method == "POST" else None
    )
    await family.sync()
    assert (_titles(family, 0), _titles(family, 1)) == ([], [1, 2, 3, 4, 5])
    family.subs[0].choose = lambda _m, _p: None
    family.subs[0].calls.clear()
    result = await family.sync()
    assert "no more requests until" in result["subordinates"][family.labels[0]]["problem"]
    assert family.subs[0].calls == {}
    await family.redis.hset(KEYS.seerr_meta, f"retry_at:{family.labels[0]}", "0")
    await family.sync()
    assert _titles(family, 0) == [1, 2, 3, 4, 5]


async def test_a_slow_subordinate_keeps_nobody_waiting(make_family: MakeFamily) -> None:
    family = await make_family(3)
    for number in range(1, 5):
        family.primary.world.create("movie", number)
    family.subs[0].choose = lambda method, _p: Fault(delay=1.5) if method == "POST" else None
    cycle = asyncio.create_task(family.sync())
    await wait_until(
        lambda: all(len(sub.world.items) == 4 for sub in family.subs[1:]), what="two are done"
    )
    assert family.subs[0].world.items == {}
    await cycle
    assert _titles(family, 0) == [1, 2, 3, 4]


async def test_five_troubles_in_a_row_end_a_round(family: Family) -> None:
    for number in range(1, 41):
        family.primary.world.create("movie", number)
    family.subs[0].choose = lambda method, _p: Fault(cut=True) if method == "POST" else None
    result = await family.sync()
    assert "again and again" in result["subordinates"][family.labels[0]]["problem"]
    assert family.subs[0].calls["POST /request"] < 12


async def test_one_poisoned_title_does_not_starve_the_rest(family: Family) -> None:
    for number in range(1, 21):
        family.primary.world.create("movie", number)

    def poison(method: str, path: str) -> Fault | None:
        posts = family.subs[0].calls["POST /request"]
        return Fault(cut=True) if (method, path, posts) == ("POST", "/request", 1) else None

    family.subs[0].choose = poison
    await family.sync()
    assert len(_titles(family)) == 19


async def test_a_redirect_to_another_place_is_not_followed(make_family: MakeFamily) -> None:
    family = await make_family(2)
    family.primary.world.create("movie", 1)
    there = f"{family.subs[1].url}/api/v1/request"
    family.subs[0].choose = lambda method, _p: (
        Fault(307, headers={"Location": there}) if method == "POST" else None
    )
    result = await family.sync()
    assert "redirects to another host" in result["subordinates"][family.labels[0]]["problem"]
    assert family.subs[1].calls["POST /request"] == 1  # its own


async def test_requests_without_a_title_are_named_as_failures(family: Family) -> None:
    item = family.primary.world.create("movie", 0)
    await family.sync()
    assert await family.failures() == {
        f"movie:0:False||{family.labels[0]}": "missing media type or TMDB ID"
    }
    family.primary.world.delete(item.id)
    await family.sync()
    assert await family.failures() == {}


async def test_a_second_cycle_waits_for_the_first(family: Family) -> None:
    for number in range(1, 6):
        family.primary.world.create("movie", number)
    family.subs[0].choose = lambda method, _p: Fault(delay=0.1) if method == "POST" else None
    await asyncio.gather(family.sync(), family.sync())
    assert family.subs[0].calls["POST /request"] == 5


async def test_ten_thousand_requests_over_a_hundred_pages(family: Family) -> None:
    family.primary.check_schema = family.subs[0].check_schema = False
    entries = {}
    for number in range(1, 10_001):
        item = family.primary.world.create("movie", number)
        copy = family.subs[0].world.create("movie", number)
        known = {"id": copy.id, "status": 2, "synced_at": "2026-01-01T00:00:00Z"}
        entries[f"movie:{number}:False"] = {
            "primary_id": item.id,
            "subordinates": {family.labels[0]: known},
        }
    state = {"last_poll_ts": "2026-01-01T00:00:00Z", "requests": entries, "failed": {}}
    state_file(family.home / "dumb_config.json").write_bytes(orjson.dumps(state))
    family.primary.world.delete(5000)
    family.primary.world.create("movie", 20_000)
    result = await family.sync()
    assert result["requests"] == 10_000
    assert result["subordinates"] == {family.labels[0]: {"create": 1, "delete": 1}}
    assert family.primary.calls["GET /request"] == 100
    assert 5000 not in _titles(family)
