"""No path that a service can bend leads a privileged supervisor anywhere."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.supervisor.files.owner import OURS, Owner, acting_as
from services.supervisor.files.place import (
    Keep,
    Place,
    RefusedPathError,
    is_trusted,
    make_directory,
)
from tests.support.rounds import Rounds

SWAPPER = Path(__file__).resolve().parents[2] / "programs" / "swapper.sh"
SERVICE = Owner(1000, 1000)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's place")


@dataclass
class Ground:
    """`secret` is ours alone; `service` is a directory that user 1000 may write."""

    top: Path
    secret: Path
    service: Path

    def of(self, name: str) -> Place:
        return Place(self.service / name, SERVICE)


@pytest.fixture
def ground() -> Iterator[Ground]:
    top = Path(tempfile.mkdtemp(prefix="dumb-place-"))
    top.chmod(0o755)
    secret, service = top / "secret", top / "service"
    secret.write_text("root's own\n")
    secret.chmod(0o600)
    service.mkdir()
    if os.geteuid() == 0:
        os.chown(service, 1000, 1000)
    yield Ground(top, secret, service)
    shutil.rmtree(top)


def read(place: Place) -> bytes:
    descriptor = place.open_for_reading()
    try:
        return os.pread(descriptor, 1 << 16, 0)
    finally:
        os.close(descriptor)


def write(place: Place) -> None:
    descriptor = place.open_for_writing()
    try:
        os.pwrite(descriptor, b"written\n", 0)
    finally:
        os.close(descriptor)


def link(ground: Ground) -> None:
    (ground.service / "x").symlink_to(ground.secret)


def hard_link(ground: Ground) -> None:
    (ground.service / "x").hardlink_to(ground.secret)


def fifo(ground: Ground) -> None:
    os.mkfifo(ground.service / "x", 0o666)


def device(ground: Ground) -> None:
    (ground.service / "x").symlink_to("/dev/zero")


def directory(ground: Ground) -> None:
    (ground.service / "x").mkdir()


def unreadable(ground: Ground) -> None:
    (ground.service / "x").write_text("root put it there\n")
    (ground.service / "x").chmod(0o600)


def parents_link(ground: Ground) -> None:
    (ground.top / "inner").mkdir(mode=0o700)
    (ground.top / "inner" / "y").write_text("root's own\n")
    (ground.service / "x").symlink_to(ground.top / "inner")


@as_root
@pytest.mark.parametrize(
    "lay", [link, hard_link, fifo, device, directory, unreadable, parents_link]
)
def test_what_a_service_lays_is_neither_read_nor_written(
    ground: Ground, lay: Callable[[Ground], None]
) -> None:
    lay(ground)
    place = ground.of("x/y" if lay is parents_link else "x")
    for use in (read, write):
        with pytest.raises(OSError, match=r"link|regular|denied|directory|name"):
            use(place)
    assert ground.secret.read_text() == "root's own\n"


@as_root
def test_files_are_made_with_the_rights_of_the_service(ground: Ground) -> None:
    write(ground.of("deep/er/app.log"))
    for path in (ground.service / "deep", ground.service / "deep/er/app.log"):
        assert path.stat().st_uid == 1000
    make_directory(ground.top / "made" / "by", SERVICE)
    assert (ground.top / "made" / "by").stat().st_uid == 1000
    assert (os.geteuid(), os.getegid()) == (0, 0)


@as_root
def test_a_service_that_runs_as_root_is_not_led_by_others(ground: Ground) -> None:
    (ground.service / "mine").write_text("of 1000\n")
    assert read(Place(ground.service / "mine")) == b"of 1000\n"
    for lay in (link, hard_link):
        lay(ground)
        for use in (read, write):
            with pytest.raises(OSError, match=r"link|name"):
                use(Place(ground.service / "x", OURS))
        (ground.service / "x").unlink()
    assert ground.secret.read_text() == "root's own\n"


def test_links_of_a_service_are_followed_for_reading(ground: Ground) -> None:
    (ground.service / "app-1.log").write_text("lines\n")
    (ground.service / "current.log").symlink_to("app-1.log")
    assert read(ground.of("current.log")) == b"lines\n"
    with pytest.raises(RefusedPathError, match="link"):
        write(ground.of("current.log"))


def test_links_of_an_administrator_are_followed(ground: Ground) -> None:
    (ground.top / "there").symlink_to("service")
    (ground.top / "again").symlink_to(ground.top / "there" / ".." / "there")
    write(Place(ground.top / "again" / "app.log", SERVICE))
    assert (ground.service / "app.log").read_text() == "written\n"
    resolved = Place(ground.top / "again" / "app.log", SERVICE, links=False)
    with pytest.raises(RefusedPathError):
        read(resolved)


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/1/status", "/sys/kernel/notes"])
def test_views_of_the_kernel_are_no_files(path: str) -> None:
    with pytest.raises(OSError, match=r"regular|denied"):
        read(Place(Path(path)))


@pytest.mark.parametrize("path", ["relative.log", "/"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(RefusedPathError):
        read(Place(Path(path)))


def test_what_belongs_to_the_control_plane_is_kept(ground: Ground) -> None:
    (ground.service / "run").mkdir()
    (ground.service / "run" / "journal").write_text("ours\n")
    (ground.service / "users.json").write_text("ours\n")
    keep = Keep((ground.service / "run", ground.service / "users.json", ground.top / "missing"))
    (ground.service / "x").symlink_to("run/journal")
    (ground.service / "y").hardlink_to(ground.service / "users.json")
    for name in ("x", "y", "users.json", "run/journal"):
        with pytest.raises(RefusedPathError, match="control plane"):
            read(Place(ground.service / name, SERVICE, keep))


def test_which_directories_are_trusted(tmp_path: Path) -> None:
    ours = {0, os.geteuid()}
    for mode, trusted in ((0o700, True), (0o755, True), (0o775, False), (0o1777, False)):
        tmp_path.chmod(mode)
        assert is_trusted(tmp_path.stat(), ours) is trusted
    assert not is_trusted(tmp_path.stat(), {12345})


@as_root
def test_rights_are_given_back_whatever_happens() -> None:
    before = Path("/proc/thread-self/status").read_text()
    with pytest.raises(RefusedPathError), acting_as(SERVICE):
        _check_and_fail()
    for line in ("Uid:", "Gid:", "Groups:", "CapEff:"):
        found = [[row for row in text.splitlines() if row.startswith(line)]
                 for text in (before, Path("/proc/thread-self/status").read_text())]  # fmt: skip
        assert found[0] == found[1]


def _check_and_fail() -> None:
    status = Path("/proc/thread-self/status").read_text()
    assert "Uid:\t0\t0\t0\t1000" in status
    assert "Gid:\t0\t0\t0\t1000" in status
    raise RefusedPathError(Path("/"), "to see what is left")


@as_root
@pytest.mark.timeout(300)
def test_no_swap_between_check_and_open_leads_astray(ground: Ground, rounds: Rounds) -> None:
    """10,000 swaps in `make soak`."""
    name = ground.service / "app.log"
    swaps = 500 * rounds(20)
    script = shutil.copy(SWAPPER, ground.top)  # where that user may read it
    swapper = subprocess.Popen(
        ["/bin/sh", script, name, ground.secret, str(swaps)], user=1000, group=1000, extra_groups=[]
    )
    tries = seen = 0
    try:
        while not (ground.service / "done").exists():
            tries += 1
            for place in (Place(name, SERVICE), Place(name, OURS)):
                for use in (read, write):
                    try:
                        found = use(place)
                    except OSError:
                        continue
                    seen += 1
                    assert found in {None, b"", b"mine\n", b"written\n"}
    finally:
        assert swapper.wait() == 0
    assert ground.secret.read_text() == "root's own\n"
    assert min(tries, seen) > 0
