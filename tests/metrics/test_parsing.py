"""What the kernel says: process and mount tables, control groups of both versions."""

from pathlib import Path

import pytest

from services.metrics.cgroup import CgroupReading, read_cgroup
from services.metrics.mounts import Mount, candidates, mount_of, parse_mountinfo
from services.metrics.processes import container_of, full_name, parse_io
from services.metrics.proctable import PAGE, TICKS, CpuUsage, Proc, parse_stat, read_table, trees

STAT = (
    b"4242 (a b) c) S 17 4242 4242 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 98765 1048576 512 "
    b"18446744073709551615 1 1 0 0 0"
)


def test_a_process_whose_name_holds_brackets_and_spaces() -> None:
    assert parse_stat(STAT) == Proc(4242, 17, 4242, "a b) c", 200, 7, 98765, 1048576, 512 * PAGE)


@pytest.mark.parametrize(
    "data", [b"", b"1 (x", b"1 (x) S 2", b"x (x) S" + b" 1" * 30, STAT.replace(b") S", b") Z")]
)
def test_zombies_and_nonsense_are_no_processes(data: bytes) -> None:
    assert parse_stat(data) is None


def test_a_process_table_is_read_from_a_directory(tmp_path: Path) -> None:
    for name in ("4242", "self", "99"):
        (tmp_path / name).mkdir()
    (tmp_path / "4242" / "stat").write_bytes(STAT)
    assert list(read_table(str(tmp_path))) == [4242]


def _proc(pid: int, ppid: int, session: int = 0, ticks: int = 0, start: int = 1) -> Proc:
    return Proc(pid, ppid, session, "x", ticks, 1, start, 0, 100)


def _table(*procs: Proc) -> dict[int, Proc]:
    return {proc.pid: proc for proc in procs}


def test_a_tree_has_descendants_and_orphans_of_its_session_but_no_other_service() -> None:
    table = _table(
        _proc(10, 1, 10),
        _proc(11, 10, 10),
        _proc(12, 11, 12),  # made a session of its own
        _proc(13, 1, 10),  # its parent died
        _proc(14, 13, 99),
        _proc(20, 10, 20),  # another service, started by the first
        _proc(21, 20, 20),
        _proc(30, 1, 30),
    )
    found = trees(table, [10, 20, 77])
    assert {root: sorted(p.pid for p in members) for root, members in found.items()} == {
        10: [11, 12, 13, 14],
        20: [21],
        77: [],
    }


def test_cpu_percent_is_of_the_time_between_two_samples() -> None:
    usage = CpuUsage()
    assert usage.percents(_table(_proc(1, 0, ticks=500)), 100.0) == {1: 0.0}
    later = _table(_proc(1, 0, ticks=500 + 3 * TICKS), _proc(2, 1, ticks=9))
    assert usage.percents(later, 102.0) == {1: 150.0, 2: 0.0}
    reused = _table(_proc(1, 0, ticks=9000, start=2))
    assert usage.percents(reused, 104.0) == {1: 0.0}
    assert usage.percents(reused, 104.0) == {1: 0.0}, "no time passed"


MOUNTS = r"""
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
23 22 0:20 / /proc rw - proc proc rw
24 22 0:21 / /dev/shm rw - tmpfs tmpfs rw
25 22 0:40 / /mnt/with\040space rw master:1 - fuse.rclone remote: rw
26 22 0:41 / /mnt rw - nfs4 nas:/x rw
27 22 0:42 / /mnt rw - tmpfs over rw
broken line
"""


def test_mounts() -> None:
    mounts = parse_mountinfo(MOUNTS)
    assert candidates(mounts) == ["/", "/mnt", "/mnt/with space"]
    assert mount_of("/mnt/with space/a", mounts) == Mount("/mnt/with space", "fuse.rclone")
    assert mount_of("/mnt/other", mounts) == Mount("/mnt", "tmpfs"), "the later one covers"
    assert mount_of("/mntx", mounts) == Mount("/", "ext4")
    assert mount_of("/x", []) is None


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
    "cpu.max": "150000 100000\n",
    "memory.max": "1073741824\n",
    "memory.current": "536870912\n",
    "io.stat": "8:0 rbytes=100 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n",
}
V1 = {
    "cpu,cpuacct/cpu.cfs_quota_us": "5000\n",
    "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "cpu,cpuacct/cpuacct.usage": "2500000000\n",
    "memory/memory.limit_in_bytes": "1073741824\n",
    "memory/memory.usage_in_bytes": "536870912\n",
    "blkio/blkio.throttle.io_service_bytes": "8:0 Read 101\n8:0 Write 22\n8:0 Total 123\nTotal 5\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (V2, CgroupReading(2.5, 1.5, 1 << 30, 1 << 29, 101, 22)),
        (V1, CgroupReading(2.5, 0.1, 1 << 30, 1 << 29, 101, 22)),
        (
            V2 | {"cpu.max": "max 100000", "memory.max": "max", "io.stat": ""},
            CgroupReading(2.5, None, None, 1 << 29, None, None),
        ),
        (
            V1
            | {
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "memory/memory.limit_in_bytes": "9223372036854771712",
            },
            CgroupReading(2.5, None, None, 1 << 29, 101, 22),
        ),
        ({"cpu.stat": "garbage\n\xff", "cpu.max": "1 0"}, CgroupReading()),
        ({}, CgroupReading()),
    ],
    ids=["v2", "v1", "v2 unlimited", "v1 unlimited", "garbage", "nothing"],
)
def test_control_groups(tmp_path: Path, files: dict[str, str], expected: CgroupReading) -> None:
    assert read_cgroup(_tree(tmp_path, files)) == expected


def test_io_names_and_containers() -> None:
    data = b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n"
    assert parse_io(data) == {
        "read_bytes": 5,
        "write_bytes": 6,
        "read_count": 3,
        "write_count": 4,
    }
    assert parse_io(b"") is None
    assert full_name("short", b"/bin/other\0") == "short"
    assert full_name("a-name-that-was", b"/opt/a-name-that-was-cut\0x\0") == "a-name-that-was-cut"
    assert full_name("a-name-that-was", b"python\0x") == "a-name-that-was"
    assert container_of("12:cpu:/x\n0::/docker/abc123/\n") == "abc123"
    assert container_of("0::/kubepods/pod1/def\n") == "def"
    assert container_of("0::/user.slice\n") is None
