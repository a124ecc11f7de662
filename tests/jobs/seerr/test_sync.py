"""Cycles over real HTTP: what is copied, what is not, and what is written down."""

import orjson
import pytest

from services.jobs.seerr.store import state_file
from tests.jobs.seerr.conftest import KEYS, Family, MakeFamily
from tests.support.seerr.server import Fault
from tests.support.seerr.world import APPROVED, COMPLETED, DECLINED, FAILED, PENDING


async def test_requests_are_copied_to_every_subordinate(make_family: MakeFamily) -> None:
    family = await make_family(3, auto_approve=False)
    family.primary.world.create("movie", 603)
    family.primary.world.create("movie", 604, status=APPROVED)
    family.primary.world.create("movie", 604, is4k=True, status=APPROVED)
    family.primary.world.create("tv", 1399, seasons=frozenset({1, 2}))
    result = await family.sync()
    for sub in family.subs:
        found = {item.title: (item.status, item.seasons) for item in sub.world.items.values()}
        assert found == {
            ("movie", 603, False): (PENDING, frozenset()),
            ("movie", 604, False): (APPROVED, frozenset()),
            ("movie", 604, True): (APPROVED, frozenset()),
            ("tv", 1399, False): (PENDING, frozenset({1, 2})),
        }
        assert result["subordinates"][sub.url] == {"create": 4, "approve": 2}


async def test_a_cycle_without_changes_asks_the_primary_alone(family: Family) -> None:
    for number in range(5):
        family.primary.world.create("movie", number + 1)
    await family.sync()
    family.subs[0].calls.clear()
    assert (await family.sync())["subordinates"] == {family.labels[0]: {}}
    assert family.subs[0].calls == {}


async def test_what_the_primary_decides_later_follows(make_family: MakeFamily) -> None:
    family = await make_family(auto_approve=False, sync_declined=True)
    one, two = (family.primary.world.create("movie", n) for n in (1, 2))
    await family.sync()
    family.primary.world.set_status(one.id, APPROVED)
    family.primary.world.set_status(two.id, DECLINED)
    await family.sync()
    assert {i.tmdb_id: i.status for i in family.subs[0].world.items.values()} == {
        1: APPROVED,
        2: DECLINED,
    }
    family.primary.world.delete(one.id)
    await family.sync()
    assert [i.tmdb_id for i in family.subs[0].world.items.values()] == [2]


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        ({}, {1, 2, 4, 5}),
        ({"sync_pending": False}, {2, 4, 5}),
        ({"sync_approved": False}, {1}),
        ({"sync_declined": True}, {1, 2, 4, 5}),
    ],
)
async def test_filters(family: Family, options: dict[str, bool], copied: set[int]) -> None:
    family.options = options
    for status in (PENDING, APPROVED, DECLINED, FAILED, COMPLETED):
        family.primary.world.create("movie", status, status=status)
    await family.sync()
    found = {item.tmdb_id: item.status for item in family.subs[0].world.items.values()}
    # What was declined before it was ever copied is not made only to be declined.
    assert set(found) == copied
    assert {found[n] for n in found if n != 1} <= {APPROVED}


async def test_what_a_filter_hides_is_not_deleted(make_family: MakeFamily) -> None:
    family = await make_family(auto_approve=False)
    item = family.primary.world.create("movie", 1)
    await family.sync()
    family.primary.world.set_status(item.id, DECLINED)
    await family.sync()
    family.options = {"sync_pending": False, "sync_approved": False}
    await family.sync()
    assert [i.status for i in family.subs[0].world.items.values()] == [PENDING]


async def test_deletes_can_be_switched_off(make_family: MakeFamily) -> None:
    family = await make_family(sync_deletes=False)
    item = family.primary.world.create("movie", 1)
    await family.sync()
    family.primary.world.delete(item.id)
    await family.sync()
    assert len(family.subs[0].world.items) == 1
    family.options = {}
    await family.sync()
    assert family.subs[0].world.items == {}


async def test_4k_counts_as_ordinary_when_it_is_not_kept_apart(make_family: MakeFamily) -> None:
    family = await make_family(sync_4k_separately=False)
    plain = family.primary.world.create("movie", 1)
    four = family.primary.world.create("movie", 1, is4k=True)
    await family.sync()
    assert [i.title for i in family.subs[0].world.items.values()] == [("movie", 1, False)]
    family.primary.world.delete(plain.id)
    await family.sync()
    assert len(family.subs[0].world.items) == 1  # the one in 4K is still wanted
    family.primary.world.delete(four.id)
    await family.sync()
    assert family.subs[0].world.items == {}


async def test_seasons_that_are_added_follow_and_go_with_their_request(family: Family) -> None:
    world, sub = family.primary.world, family.subs[0].world
    first = world.create("tv", 9, seasons=frozenset({1}))
    await family.sync()
    second = world.create("tv", 9, seasons=frozenset({2, 3}))
    await family.sync()
    assert [i.seasons for i in sub.items.values()] == [{1}, {2, 3}]
    world.items[second.id].seasons |= {4}
    await family.sync()
    assert [i.seasons for i in sub.items.values()] == [{1}, {2, 3}, {4}]
    world.delete(second.id)
    await family.sync()
    assert [i.seasons for i in sub.items.values()] == [{1}]
    assert first.id in world.items


async def test_a_request_that_exists_is_adopted_and_followed(make_family: MakeFamily) -> None:
    family = await make_family(auto_approve=False)
    there = family.subs[0].world.create("movie", 603)
    series = family.subs[0].world.create("tv", 9, seasons=frozenset({1, 2}))
    mine = family.primary.world.create("movie", 603)
    family.primary.world.create("tv", 9, seasons=frozenset({2}))
    result = await family.sync()
    assert result["subordinates"][family.labels[0]] == {"create": 2, "adopt": 2}
    assert await family.failures() == {}
    family.subs[0].calls.clear()
    await family.sync()
    assert family.subs[0].calls == {}
    family.primary.world.set_status(mine.id, APPROVED)
    await family.sync()
    assert family.subs[0].world.items[there.id].status == APPROVED
    family.primary.world.delete(mine.id)
    await family.sync()
    assert set(family.subs[0].world.items) == {series.id}


async def test_a_title_that_was_declined_and_asked_for_again(make_family: MakeFamily) -> None:
    family = await make_family(auto_approve=False, sync_declined=True)
    first = family.primary.world.create("movie", 1)
    await family.sync()
    family.primary.world.set_status(first.id, DECLINED)
    family.primary.world.create("movie", 1)
    await family.sync()
    assert [i.status for i in family.subs[0].world.items.values()] == [DECLINED, PENDING]


async def test_a_copy_that_was_deleted_over_there_is_made_again(make_family: MakeFamily) -> None:
    family = await make_family(auto_approve=False, retry_failed_after_hours=0)
    item = family.primary.world.create("movie", 1)
    await family.sync()
    family.subs[0].world.items.clear()
    family.primary.world.set_status(item.id, APPROVED)
    await family.sync()
    await family.sync()
    assert [i.status for i in family.subs[0].world.items.values()] == [APPROVED]


async def test_copies_belong_to_the_user_with_the_same_address(make_family: MakeFamily) -> None:
    family = await make_family(user_mapping="email_match")
    family.primary.world.users[7] = "Ann@Example.com"
    family.subs[0].world.users[3] = "ann@example.COM"
    family.primary.world.create("movie", 1, user=7)
    family.primary.world.create("movie", 2, user=8)
    await family.sync()
    assert {i.tmdb_id: i.user for i in family.subs[0].world.items.values()} == {1: 3, 2: 1}


async def test_the_file_is_the_originals_and_comes_back_when_redis_is_empty(
    family: Family,
) -> None:
    family.primary.world.create("movie", 603, status=APPROVED)
    await family.sync()
    label, path = family.labels[0], state_file(family.home / "dumb_config.json")
    tree = orjson.loads(path.read_bytes())
    assert set(tree) == {"last_poll_ts", "requests", "failed"}
    entry = tree["requests"]["movie:603:False"]
    assert entry["primary_id"] == 1
    assert {k: entry["subordinates"][label][k] for k in ("id", "status")} == {
        "id": 1000,
        "status": APPROVED,
    }
    assert tree["last_poll_ts"].endswith("Z")
    assert path.read_text().startswith('{\n  "last_poll_ts"')
    assert path.stat().st_mode & 0o777 == 0o600
    await family.redis.delete(KEYS.seerr_meta, KEYS.seerr_requests, KEYS.seerr_failed)
    family.subs[0].calls.clear()
    await family.sync()
    assert family.subs[0].calls == {}


async def test_a_state_file_of_the_original_is_taken_over(family: Family) -> None:
    world, sub, label = family.primary.world, family.subs[0].world, family.labels[0]
    for number in (1, 2, 3):
        world.create("movie", number)
        sub.create("movie", number)
    sub.create("movie", 4)  # deleted at the primary meanwhile
    entry = {n: {"id": 999 + n, "status": 2, "synced_at": "2026-01-01T00:00:00Z"} for n in range(5)}
    state_file(family.home / "dumb_config.json").write_bytes(
        orjson.dumps(
            {
                "last_poll_ts": "2026-01-29T21:32:46Z",
                "requests": {
                    "movie:1:False": {"primary_id": 1, "subordinates": {label: entry[1]}},
                    "movie:2:False": {"subordinates": {label: entry[2]}},
                    "movie:4:False": {"subordinates": {label: entry[4]}},
                    "movie:5:False": {"primary_id": "x", "subordinates": [1]},
                },
                "failed": {
                    f"movie:3:False||{label}": {
                        "failed_at": "2099-01-01T00:00:00Z",
                        "error": "HTTP 500",
                        "media_type": "movie",
                        "tmdb_id": 3,
                    },
                    f"movie:9:False||{label}": {"failed_at": "2026-01-01T00:00:00Z", "error": "x"},
                },
            }
        )
    )
    result = await family.sync()
    # 4 is deleted; 3 is adopted (a failure of the future counts as due); 1 and 2 are known.
    assert result["subordinates"][label] == {"delete": 1, "create": 1, "adopt": 1}
    assert {i.tmdb_id for i in sub.items.values()} == {1, 2, 3}
    assert await family.failures() == {}


async def test_an_unreadable_state_file_is_put_aside_and_nothing_is_made_twice(
    family: Family,
) -> None:
    family.primary.world.create("movie", 1)
    family.subs[0].world.create("movie", 1)
    path = state_file(family.home / "dumb_config.json")
    path.write_bytes(b'{"requests": {')
    await family.sync()
    assert len(family.subs[0].world.items) == 1
    assert orjson.loads(path.read_bytes())["requests"]["movie:1:False"]["primary_id"] == 1
    assert path.with_name("seerr_sync_state.json.unreadable").read_bytes() == b'{"requests": {'


async def test_another_primary_deletes_nothing(make_family: MakeFamily) -> None:
    family, other = await make_family(), await make_family(0)
    for number in (1, 2, 3):
        family.primary.world.create("movie", number)
    await family.sync()
    other.primary.world.create("movie", 9)
    other.primary.world.create("movie", 2)
    family.primary = other.primary
    await family.sync()
    await family.sync()
    assert {i.tmdb_id for i in family.subs[0].world.items.values()} == {1, 2, 3, 9}
    assert family.subs[0].world.deleted == []


async def test_a_dry_run_tells_and_changes_nothing(make_family: MakeFamily) -> None:
    family = await make_family(2, auto_approve=False)
    known = [family.primary.world.create("movie", n) for n in (1, 2)]
    await family.sync()
    family.primary.world.set_status(known[0].id, APPROVED)
    family.primary.world.delete(known[1].id)
    family.primary.world.create("tv", 9, seasons=frozenset({1}))
    for sub in family.subs:
        sub.calls.clear()
    plan = await family.plan()
    for label in family.labels:
        assert plan["subordinates"][label] == {
            "create": ["tv:9:False"],
            "approve": ["movie:1:False"],
            "decline": [],
            "delete": ["movie:2:False"],
            "waiting": [],
            "counts": {"create": 1, "approve": 1, "delete": 1},
        }
    assert all(sub.calls == {} for sub in family.subs)


async def test_no_key_is_in_state_counters_or_file(family: Family) -> None:
    family.primary.world.create("movie", 1)
    family.subs[0].choose = lambda method, _path: (
        Fault(500, body=orjson.dumps({"message": f"key {family.subs[0].key} is bad"}))
        if method == "POST"
        else None
    )
    await family.sync()
    (error,) = (await family.failures()).values()
    assert error == "key *** is bad"
    kept = [await family.redis.dump(key) for key in await family.redis.keys("*")]
    kept.append(state_file(family.home / "dumb_config.json").read_bytes())
    for key in (family.primary.key, family.subs[0].key):
        assert not any(key.encode() in (data or b"") for data in kept)
