"""Windows, buckets and arrays as the contract has them (rest.md 7, websocket.md 4.3)."""

from typing import Any

import pytest

from services.api.charts.series import series_of, stats_of
from services.api.charts.window import choose, window_of

NOW = 1_800_000_000.0
HOUR = 3600.0


@pytest.mark.parametrize(
    ("asked", "since", "limit", "bucket"),
    [
        ({}, NOW - 6 * HOUR, 5000, 36),
        ({"length_s": 21600.001}, NOW - 6 * HOUR, 5000, 37),
        ({"since": NOW - 24 * HOUR}, NOW - 24 * HOUR, 5000, 144),
        ({"since": NOW - 24 * HOUR, "bucket_s": 5}, NOW - 24 * HOUR, 5000, 144),
        ({"since": NOW - 24 * HOUR, "bucket_s": 600}, NOW - 24 * HOUR, 5000, 600),
        ({"since": NOW - 60}, NOW - 60, 5000, 5),
        ({"since": NOW - 60, "bucket_s": 0}, NOW - 60, 5000, 5),
        ({"since": NOW - 60, "bucket_s": -7}, NOW - 60, 5000, 5),
        ({"since": NOW + 1e6}, NOW + 1e6, 5000, 5),
        ({"since": 1e300}, float(1 << 40), 5000, 5),
        ({"since": -1e300}, 0.0, 5000, 3_000_000),
        ({"max_points": 0}, NOW - 6 * HOUR, 5000, None),
        ({"max_points": 0, "bucket_s": 10}, NOW - 6 * HOUR, 5000, 10),
        ({"max_points": -5, "bucket_s": -1}, NOW - 6 * HOUR, 5000, None),
        ({"full": True}, 0.0, 5000, None),
        ({"full": True, "bucket_s": 7}, 0.0, 5000, 7),
        ({"full": True, "since": NOW - 60}, NOW - 60, 5000, 5),
        ({"limit": 0}, NOW - 6 * HOUR, 0, 36),
        ({"limit": -9}, NOW - 6 * HOUR, 0, 36),
        ({"bucket_s": 10**30}, NOW - 6 * HOUR, 5000, 1 << 53),
    ],
)
def test_windows(asked: dict[str, Any], since: float, limit: int, bucket: int | None) -> None:
    found = window_of(NOW, **asked)
    assert (found.since, found.limit, found.bucket_s) == (since, limit, bucket)


@pytest.mark.parametrize(
    ("times", "bucket", "points", "chosen"),
    [
        ([], 5, 600, []),
        ([0, 1, 4, 5, 12], 5, 600, [2, 3, 4]),
        ([0, 1, 2, 3], None, 0, [0, 1, 2, 3]),
        ([0, 1, 2, 3, 4, 5, 6], None, 3, [0, 3, 6]),
        ([0, 1, 2, 3, 4, 5, 6, 7], None, 3, [0, 3, 6, 7]),
        ([0, 1, 2, 3], 1, 2, [0, 2, 3]),
        ([0, 1], 0, 600, [0, 1]),
    ],
)
def test_which_rows_are_shown(
    times: list[float], bucket: int | None, points: int, chosen: list[int]
) -> None:
    assert choose(times, bucket, points) == chosen


def _point(t: float, cpu: float | None, read: int, sent: int) -> dict[str, Any]:
    return {
        "t": t,
        "g": {"cpu": cpu, "mem": 1.0, "disk": 2.0, "inode": None, "disk:/": 2.0, "inode:/": None},
        "n": {"disk_read": read, "sent:eth0": sent, "recv:eth0": None},
    }


def test_arrays_and_their_extremes() -> None:
    points = [_point(0, 5.0, 0, 100), _point(10, None, 50, 90), _point(20, 7.0, 150, 190)]
    series = series_of(points)
    assert series["cpu"] == [5.0, None, 7.0]
    assert series["inode"] == [None] * 3
    assert series["disk_read_rate"] == [None, 5.0, 10.0]
    assert series["disk_write_rate"] == [None] * 3
    assert series["filesystems"] == {"/": {"disk": [2.0] * 3, "inode": [None] * 3}}
    interfaces = series["network_interfaces"]
    assert interfaces == {"eth0": {"sent_rate": [None, None, 10.0], "recv_rate": [None] * 3}}
    stats = stats_of(points)
    assert stats is not None
    assert set(stats) == set(series)
    assert stats["cpu"] == {"min": 5.0, "max": 7.0}
    assert stats["disk_read_rate"] == {"min": 5.0, "max": 10.0}
    assert stats["inode"] is None
    assert stats["filesystems"]["/"] == {"disk": {"min": 2.0, "max": 2.0}, "inode": None}
    assert stats["network_interfaces"]["eth0"]["recv_rate"] is None


def test_an_empty_history() -> None:
    assert stats_of([]) is None
    series = series_of([])
    assert series["cpu"] == series["net_sent_rate"] == []
    assert series["filesystems"] == series["network_interfaces"] == {}
