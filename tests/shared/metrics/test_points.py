"""Numbers of snapshots, and what stands for many of them."""

from typing import Any

import pytest

from services.metrics.history.rollup import roll, whole_buckets
from shared.metrics.packing import DICTIONARY_BYTES, make_dictionary, pack, unpack
from shared.metrics.points import Point, compact_of, extremes, point_of, rates
from shared.metrics.tiers import TIERS, Ends, Segment, plan_read, tier_for

SNAPSHOT: dict[str, Any] = {
    "timestamp": 100.5,
    "system": {
        "cpu_percent": 12.5,
        "cpu_count": 4,
        "mem": {"total": 10, "used": 5, "percent": 50.0},
        "disk": {"percent": 70.0, "path": "/"},
        "inode": None,
        "swap": {"percent": 1},
        "filesystems": [
            {"path": "/", "mount_point": "/", "fs_type": "ext4", "available": True,
             "percent": 70.0, "total": 9, "inode": {"percent": 3.0, "total": 1}},
            {"path": "/x", "mount_point": None, "fs_type": None, "available": False,
             "percent": None, "inode": {"percent": None}},
        ],
        "disk_io": {"read_bytes": 1, "write_bytes": 2, "read_count": 3},
        "net_io": {"sent_bytes": 10, "recv_bytes": 20, "drops_in": 0},
        "network_interfaces": [{"name": "eth0", "sent_bytes": 10, "recv_bytes": 20, "mtu": 1500}],
    },
    "dumb_managed": [{"name": "A", "pid": 1, "cpu_percent": 1.0, "rss": 5, "threads": 9,
                      "disk_io": {"read_bytes": 1, "write_bytes": 2, "read_count": 3}}],
    "external": [{"name": "B", "pid": 2, "cpu_percent": 0.0, "rss": 6, "disk_io": None}],
    "database_health": {"enabled": False},
    "plex_status": {"enabled": False},
}  # fmt: skip


def test_the_point_of_a_snapshot() -> None:
    assert point_of(SNAPSHOT) == {
        "t": 100.5,
        "g": {
            "cpu": 12.5, "mem": 50.0, "disk": 70.0, "inode": None,
            "disk:/": 70.0, "inode:/": 3.0, "disk:/x": None, "inode:/x": None,
        },
        "n": {
            "disk_read": 1, "disk_write": 2, "net_sent": 10, "net_recv": 20,
            "sent:eth0": 10, "recv:eth0": 20,
        },
    }  # fmt: skip


def test_a_compact_snapshot_lacks_what_charts_do_not_need() -> None:
    found = compact_of(SNAPSHOT)
    assert set(found) == {"timestamp", "system", "dumb_managed", "external", "database_health"}
    assert found["system"]["mem"] == {"percent": 50.0}
    assert found["system"]["inode"] is None
    assert found["system"]["filesystems"][0]["inode"] == {"percent": 3.0}
    assert found["system"]["network_interfaces"] == SNAPSHOT["system"]["network_interfaces"]
    assert found["dumb_managed"] == [
        {"name": "A", "pid": 1, "cpu_percent": 1.0, "rss": 5,
         "disk_io": {"read_bytes": 1, "write_bytes": 2}}
    ]  # fmt: skip
    assert not {"swap", "load_avg"} & set(found["system"])


@pytest.mark.parametrize(
    "odd", [{}, {"system": None}, {"system": {"filesystems": 7, "mem": []}, "timestamp": "x"}]
)
def test_odd_snapshots_have_no_numbers(odd: dict[str, Any]) -> None:
    point = point_of(odd)
    assert point["t"] == 0.0
    assert set(point["g"].values()) == set(point["n"].values()) == {None}
    assert compact_of(odd)["dumb_managed"] == []


@pytest.mark.parametrize(
    ("times", "values", "expected"),
    [
        ([], [], []),
        ([1.0], [5.0], [None]),
        ([1.0, 3.0], [5.0, 11.0], [None, 3.0]),
        ([1.0, 3.0], [5.0, 4.0], [None, None]),
        ([1.0, 1.0], [5.0, 9.0], [None, None]),
        ([2.0, 1.0], [5.0, 9.0], [None, None]),
        ([1.0, 2.0, 3.0], [5.0, None, 9.0], [None, None, None]),
        ([1.0, 2.0], [5.0, 5.0], [None, 0.0]),
    ],
)
def test_rates(
    times: list[float], values: list[float | None], expected: list[float | None]
) -> None:
    assert rates(times, values) == expected


def _point(t: float, cpu: float | None, sent: float | None) -> Point:
    return {"t": t, "g": {"cpu": cpu}, "n": {"net_sent": sent}}


def test_one_point_stands_for_a_minute_and_then_for_a_quarter() -> None:
    first = roll([_point(0, 10, 100), _point(5, 30, 200), _point(10, None, 250)])
    assert first == {
        "t": 10,
        "g": {"cpu": 20.0},
        "n": {"net_sent": 250},
        "lo": {"cpu": 10, "net_sent": 10.0},
        "hi": {"cpu": 30, "net_sent": 20.0},
    }
    second = roll([_point(60, 50, 300)], first)
    assert second["lo"] == {"cpu": 50, "net_sent": 1.0}, "the rate since the minute before"
    third = roll([first, second])
    assert (third["g"], third["n"]) == ({"cpu": 35.0}, {"net_sent": 300})
    assert third["lo"] == {"cpu": 10, "net_sent": 1.0}
    assert third["hi"] == {"cpu": 50, "net_sent": 20.0}
    mixed = extremes([third, _point(70, 99, 1300)])
    assert mixed == {"cpu": (10, 99), "net_sent": (1.0, 100.0)}


def test_nothing_is_known_of_nulls() -> None:
    assert roll([_point(0, None, None)])["g"] == {"cpu": None}
    assert extremes([_point(0, None, None)]) == {}
    assert extremes([]) == {}


class _Row:
    def __init__(self, t: float) -> None:
        self.point = _point(t, 1, 1)


@pytest.mark.parametrize(
    ("times", "now", "expected"),
    [
        ([], 1000, []),
        ([0, 59], 59.9, []),
        ([0, 59], 60, [[0, 59]]),
        ([0, 59, 60], 61, [[0, 59]]),
        ([0, 60, 130], 180, [[0], [60], [130]]),
        ([60, 0, 5], 65, [[60], [0, 5]]),  # the clock was set back
    ],
)
def test_a_bucket_is_rolled_when_its_time_is_over(
    times: list[float], now: float, expected: list[list[float]]
) -> None:
    groups = whole_buckets([_Row(t) for t in times], 60, now)
    assert [[row.point["t"] for row in group] for group in groups] == expected


@pytest.mark.parametrize(
    ("bucket", "name"),
    [(None, "raw"), (-1, "raw"), (36, "raw"), (59, "raw"), (60, "1m"), (144, "1m"), (899, "1m"),
     (900, "15m"), (10**15, "15m")],
)  # fmt: skip
def test_the_coarsest_tier_that_is_fine_enough(bucket: int | None, name: str) -> None:
    assert TIERS[tier_for(bucket)].name == name


RAW, MINUTES, QUARTERS = Ends(5000, 9000), Ends(2000, 8500), Ends(1000, 8000)


@pytest.mark.parametrize(
    ("since", "preferred", "ends", "expected"),
    [
        (0, 0, [None, None, None], []),
        (0, 0, [RAW, None, None], [Segment(0, 0, 9000)]),
        (6000, 0, [RAW, MINUTES, QUARTERS], [Segment(0, 6000, 9000)]),
        (
            0,
            0,
            [RAW, MINUTES, QUARTERS],
            [Segment(2, 0, 1999), Segment(1, 2000, 4999), Segment(0, 5000, 9000)],
        ),
        (
            3000,
            1,
            [RAW, MINUTES, QUARTERS],
            [Segment(1, 3000, 8500), Segment(0, 8501, 9000)],
        ),
        (
            500,
            2,
            [RAW, MINUTES, QUARTERS],
            [Segment(2, 500, 8000), Segment(1, 8001, 8500), Segment(0, 8501, 9000)],
        ),
        (0, 2, [RAW, None, None], [Segment(0, 0, 9000)]),
        (0, 1, [None, None, QUARTERS], [Segment(2, 0, 8000)]),
        (0, 0, [RAW, None, QUARTERS], [Segment(2, 0, 4999), Segment(0, 5000, 9000)]),
        (4000, 0, [RAW, Ends(5500, 9000), Ends(6000, 9000)], [Segment(0, 4000, 9000)]),
        (10_000, 1, [RAW, MINUTES, QUARTERS], []),
    ],
)
def test_no_moment_is_read_twice_and_none_is_left_out(
    since: int, preferred: int, ends: list[Ends | None], expected: list[Segment]
) -> None:
    assert plan_read(since, preferred, ends) == expected


def test_retention_caps_every_tier() -> None:
    assert [tier.kept_s(7) for tier in TIERS] == [6 * 3600, 7 * 86400, 7 * 86400]
    assert [tier.kept_s(0.125) for tier in TIERS] == [10800, 10800, 10800]


def test_packing_with_a_dictionary() -> None:
    snapshot, compact = b'{"a":1}' * 9000, b'{"b":2}' * 3000
    dictionary = make_dictionary(snapshot, compact)
    assert len(dictionary) == DICTIONARY_BYTES
    assert make_dictionary(b"abc", b"d") == b"abcd"
    for used in (b"", dictionary):
        assert unpack(pack(snapshot, used), used) == snapshot
    assert len(pack(compact, dictionary)) < len(pack(compact, b""))


@pytest.mark.parametrize("data", [b"", b"x", pack(b"abc" * 99, b"")[:-4]])
def test_what_cannot_be_unpacked(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack(data, b"")
    with pytest.raises(ValueError, match=r".+"):
        unpack(pack(b"abc", b"abc"), b"other")
