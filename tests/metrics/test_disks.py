"""A file system that hangs is said to be away, and holds nothing up."""

import threading
import time
from collections.abc import Iterator

import pytest

from services.metrics.disks import Look, PathWatch, filesystem, look_at
from services.metrics.options import Options
from services.metrics.sampler import Plan, Sampler
from tests.support.wait import wait_until_sync

MOUNTS = "1 0 8:1 / / rw - ext4 x rw\n2 1 0:1 / /dead rw - nfs x rw\n"
FOREVER = 3600.0


class Mount:
    """Paths below `/dead` do not answer while `hangs`."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.asked: list[str] = []

    def look(self, path: str) -> Look:
        self.asked.append(path)
        if path.startswith("/dead"):
            self.release.wait()
        return look_at("/")


@pytest.fixture
def mount() -> Iterator[Mount]:
    found = Mount()
    yield found
    found.release.set()


def test_what_hangs_is_unavailable_and_the_rest_goes_on(mount: Mount) -> None:
    watch = PathWatch(mount.look, lambda: MOUNTS, stuck_s=0.05)
    paths = dict.fromkeys(("/dead/a", "/dead/b", "/dead/c", "/ok/1"), FOREVER)
    watch.refresh(paths)
    watch.settle(["/ok/1"], 5)
    wait_until_sync(lambda: watch.get("/dead/a") is None and watch.get("/ok/1"), timeout=5)
    wait_until_sync(lambda: watch._stuck_places(time.monotonic()) == {"/dead"}, timeout=5)
    began = time.monotonic()
    for number in range(50):
        paths |= {f"/ok/x{number}": FOREVER, f"/dead/x{number}": FOREVER}
        watch.refresh(paths)
    assert time.monotonic() - began < 1, "a sample never waits"
    watch.settle([f"/ok/x{number}" for number in range(50)], 10)
    assert watch.get("/ok/x49") is not None
    assert not [path for path in mount.asked if path.startswith("/dead/x")], "one thread is enough"
    entry = filesystem("/dead/a", watch)
    assert entry["available"] is False
    assert (entry["total"], entry["inode"]["percent"]) == (None, None)
    assert (entry["mount_point"], entry["fs_type"]) == ("/dead", "nfs")


def test_a_mount_that_comes_back_is_looked_at_again(mount: Mount) -> None:
    watch = PathWatch(mount.look, lambda: MOUNTS, stuck_s=0.05)
    watch.refresh({"/dead": 0.01})
    wait_until_sync(lambda: watch._stuck_places(time.monotonic()), timeout=5)
    assert watch.get("/dead") is None
    mount.release.set()
    wait_until_sync(lambda: watch.get("/dead"), timeout=5)


def test_a_path_that_is_not_there() -> None:
    watch = PathWatch()
    watch.refresh({"/no/such/path": FOREVER, "/": FOREVER})
    watch.settle(["/no/such/path", "/"], 5)
    assert filesystem("/no/such/path", watch)["available"] is False
    root = filesystem("/", watch)
    assert root["available"] is True
    assert root["total"] >= root["used"] + root["free"] > 0


def test_a_hanging_mount_makes_no_sample_late(mount: Mount) -> None:
    sampler = Sampler(PathWatch(mount.look, lambda: MOUNTS, stuck_s=0.05))
    plan = Plan(options=Options(filesystem_paths=("/dead", "/ok")))
    sampler.sample(plan)  # the first one gives every file system a moment
    began = time.monotonic()
    system = sampler.sample(plan)["system"]
    assert time.monotonic() - began < 0.4
    assert [entry["available"] for entry in system["filesystems"]] == [False, True]
    assert system["disk"]["total"] is None
    assert not [e for e in sampler.candidates()["filesystems"] if e["path"] == "/dead"]
