"""A supervisor that is root, and services that lay links where it opens their files."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.supervisor.live import Boss, is_root, shell
from tests.support.redis_server import PrivateRedis
from tests.support.rounds import Rounds
from tests.support.wait import wait_until_sync

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(not is_root(), reason="only root starts services as other users"),
]

SECRET = "root's own secret\n"
CAPTURED = ("riven_backend", "zilean", "pulsarr", "maintainerr", "aiostreams", "profilarr")
"""Keys whose output is written to their log file."""


@dataclass
class Ground:
    """`boss` has its data directory where others can reach it; `trap` is a directory of root's."""

    boss: Boss
    secret: Path
    trap: Path

    def work(self, name: str, file: str = "") -> Path:
        return self.boss.work(name, file)

    def untouched(self) -> bool:
        return self.secret.read_text() == SECRET

    def says(self, name: str, words: str) -> str:
        """The sentence in the service's state, once it has these words."""
        self.boss.redis.ping()
        wait_until_sync(
            lambda: words in self.boss.service(name).get("log_problem", ""),
            what=f"{words!r} in the log_problem of {name}: {self.boss.service(name)}",
        )
        return self.boss.service(name)["log_problem"]


@contextmanager
def running(
    redis: PrivateRedis, blocks: Callable[[Path], dict[str, Any]], **dumb: Any
) -> Iterator[Ground]:
    """A supervisor with the blocks, by key, that are made for its data directory."""
    top = Path(tempfile.mkdtemp(prefix="dumb-bent-"))
    top.chmod(0o755)
    secret, trap, home = top / "secret", top / "trap", top / "home"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    trap.mkdir(mode=0o700)
    redis.flush()
    named = {key: {**block, "puid": 1000, "pgid": 1000} for key, block in blocks(home).items()}
    boss = Boss(home, redis.url, named)
    boss.write_config(named, **dumb)
    try:
        boss.start()
        yield Ground(boss, secret, trap)
    finally:
        boss.close()
        shutil.rmtree(top)


def own_directory(ground: Ground, name: str) -> Path:
    """The working directory of a service, made before the supervisor makes it."""
    path = ground.work(name)
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, 1000, 1000)
    return path


# -- what can lie there --------------------------------------------------------------------


def link(path: Path, ground: Ground) -> None:
    path.symlink_to(ground.secret)


def hard_link(path: Path, ground: Ground) -> None:
    path.hardlink_to(ground.secret)


def fifo(path: Path, _ground: Ground) -> None:
    os.mkfifo(path, 0o666)


def device(path: Path, _ground: Ground) -> None:
    path.symlink_to("/dev/zero")


def kernels_view(path: Path, ground: Ground) -> None:
    path.symlink_to(f"/proc/{ground.boss.pid}/environ")


def directory(path: Path, _ground: Ground) -> None:
    path.mkdir()


LAYS = (link, hard_link, fifo, device, kernels_view, directory)


def test_whatever_lies_there_is_neither_written_nor_read(private_redis: PrivateRedis) -> None:
    def blocks(home: Path) -> dict[str, Any]:
        found = {}
        for key, lay in zip(CAPTURED, LAYS, strict=True):
            for kind, where in (("written", key), ("read", f"own_{lay.__name__}")):
                name = f"{kind} {lay.__name__}"
                script = "echo captured line; exec sleep 1000"
                found[where] = shell(name, script, log_file=str(home / "work" / name / "app.log"))
        return found

    with running(private_redis, blocks) as ground:
        for lay in LAYS:
            for kind in ("written", "read"):
                name = f"{kind} {lay.__name__}"
                lay(own_directory(ground, name) / "app.log", ground)
                assert ground.boss.run("start", name)["status"] == "succeeded"
        for lay in LAYS:
            said = ground.says(f"written {lay.__name__}", "is not written: ")
            assert f"{lay.__name__}/app.log" in said
            assert "The lines are in " in said
            ground.says(f"read {lay.__name__}", "is not read: ")
            name = f"written {lay.__name__}"
            wait_until_sync(lambda n=name: b"captured line" in ground.boss.log(n))  # type: ignore[misc]
        for name in (f"{kind} {lay.__name__}" for lay in LAYS for kind in ("written", "read")):
            assert b"secret" not in ground.boss.log(name)
            assert b"DUMB_HOME" not in ground.boss.log(name)
        assert ground.untouched()


def test_a_captured_log_becomes_a_link(private_redis: PrivateRedis) -> None:
    """While it is open, over a supervisor's end, and at the next start of the service."""
    talk = "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done"

    def blocks(home: Path) -> dict[str, Any]:
        return {"riven_backend": shell("Riven", talk, log_file=str(home / "work/Riven/riven.log"))}

    with running(private_redis, blocks) as ground:
        boss = ground.boss
        boss.run("start", "Riven")
        log = ground.work("Riven", "riven.log")
        wait_until_sync(lambda: log.exists() and b"line 2" in log.read_bytes())
        assert log.stat().st_uid == 1000
        log.unlink()
        log.symlink_to(ground.secret)
        boss.kill()
        boss.start()
        said = ground.says("Riven", "is not written: it is a link")
        assert "The lines are in " in said
        before = len(boss.log("Riven"))
        wait_until_sync(lambda: len(boss.log("Riven")) > before + 200, what="further lines")
        boss.run("restart", "Riven")
        ground.says("Riven", "it is a link")
        assert ground.untouched()


def test_a_tailed_log_becomes_a_link_and_a_file_again(private_redis: PrivateRedis) -> None:
    def blocks(home: Path) -> dict[str, Any]:
        return {
            "own": shell("App", "exec sleep 1000", log_file=str(home / "work/App/app.log")),
            "dated": shell(
                "Dated",
                "echo first >app-1.log; ln -sf app-1.log current.log; exec sleep 1000",
                log_file=str(home / "work/Dated/current.log"),
            ),
        }

    with running(private_redis, blocks) as ground:
        boss, log = ground.boss, own_directory(ground, "App") / "app.log"
        log.write_text("an ordinary line\n")
        for name in ("App", "Dated"):
            boss.run("start", name)
        wait_until_sync(lambda: b"an ordinary line" in boss.log("App"))
        wait_until_sync(lambda: b"first" in boss.log("Dated"))
        log.unlink()
        log.symlink_to(ground.secret)
        ground.says("App", "is not read: Permission denied")
        log.unlink()
        log.write_text("ordinary again\n")
        wait_until_sync(lambda: b"ordinary again" in boss.log("App"))
        wait_until_sync(lambda: boss.service("App").get("log_problem") == "")
        assert b"secret" not in boss.log("App")
        assert not boss.service("Dated").get("log_problem")


@pytest.mark.timeout(180)
def test_a_directory_becomes_a_link_while_the_log_rotates(
    private_redis: PrivateRedis, rounds: Rounds
) -> None:
    """Every rotation renames and opens by name; the trap has files of these names."""
    swaps = 20 * rounds(20)
    script = (
        "cd work/Riven 2>/dev/null; n=0; while [ $n -lt {swaps} ]; do n=$((n+1)); "
        "mv logs aside; ln -s {trap} logs; seq -f '%030.0f' 1 2000; rm logs; mv aside logs; "
        "seq -f '%030.0f' 1 2000; done; echo finished; exec sleep 1000"
    )

    def blocks(home: Path) -> dict[str, Any]:
        line = script.format(swaps=swaps, trap=home.parent / "trap")
        return {"riven_backend": shell("Riven", line, log_file=str(home / "work/Riven/logs/r.log"))}

    with running(private_redis, blocks, log_size="64K", log_count=2) as ground:
        for name in ("r.log", "r.log.1", "r.log.2"):
            (ground.trap / name).write_text(SECRET)
        (own_directory(ground, "Riven") / "logs").mkdir()
        os.chown(ground.work("Riven", "logs"), 1000, 1000)
        ground.boss.run("start", "Riven")
        wait_until_sync(
            lambda: b"finished" in ground.boss.log("Riven")[-400:], timeout=120, what="the end"
        )
        assert sorted(path.name for path in ground.trap.iterdir()) == [
            "r.log",
            "r.log.1",
            "r.log.2",
        ]
        assert {path.read_text() for path in ground.trap.iterdir()} == {SECRET}
        assert {path.stat().st_uid for path in ground.trap.iterdir()} == {0}
        assert ground.work("Riven", "logs/r.log.1").exists(), "nothing was rotated"


def test_a_copied_environment_is_read_and_written_as_the_service(
    private_redis: PrivateRedis,
) -> None:
    def copies(name: str, source: str, destination: str) -> dict[str, Any]:
        paths = {"source": source, "destination": destination}
        return shell(name, "exec sleep 1000", env_copy=paths)

    def blocks(_home: Path) -> dict[str, Any]:
        return {
            "a": copies("from", "bent", "copy"),
            "b": copies("to", "plain", "bent"),
            "c": copies("through", "plain", "bent/made"),
        }

    with running(private_redis, blocks) as ground:
        for name in ("from", "to", "through"):
            work = own_directory(ground, name)
            (work / "plain").write_text("A=1\n")
            (work / "bent").symlink_to(ground.trap if name == "through" else ground.secret)
        receipts = {name: ground.boss.run("start", name) for name in ("from", "to", "through")}
        assert receipts["from"]["status"] == receipts["through"]["status"] == "failed"
        for name in ("from", "through"):
            assert "ermission denied" in receipts[name]["detail"]
        assert not ground.work("from", "copy").exists()
        assert not list(ground.trap.iterdir())
        assert ground.untouched()


def bent_parent(path: Path, ground: Ground) -> None:
    (ground.trap / path.name).write_text(f'{{"key": "{SECRET.strip()}"}}')
    path.parent.rmdir()
    path.parent.symlink_to(ground.trap)


def test_application_files_are_read_and_written_as_the_service(
    private_redis: PrivateRedis,
) -> None:
    lays = (*LAYS, bent_parent)

    def blocks(home: Path) -> dict[str, Any]:
        return {
            f"own_{lay.__name__}": shell(lay.__name__, "exec sleep 1000", config_file="")
            | {"config_file": str(home / "work" / lay.__name__ / "conf" / "app.json")}
            for lay in lays
        }

    with running(private_redis, blocks) as ground:
        ground.secret.write_text('{"key": "root"}')
        before = ground.secret.stat()
        updates = orjson.dumps({"updates": {"key": "bent"}}).decode()
        for lay in lays:
            conf = own_directory(ground, lay.__name__) / "conf"
            conf.mkdir()
            os.chown(conf, 1000, 1000)
            lay(conf / "app.json", ground)
            for action, args in (("read-app-config", "{}"), ("update-app-config", updates)):
                receipt = ground.boss.run(action, lay.__name__, args=args)
                assert receipt["status"] == "failed", (lay.__name__, receipt)
        assert ground.secret.read_text() == '{"key": "root"}'
        assert ground.secret.stat().st_ino == before.st_ino
        assert [path.name for path in ground.trap.iterdir()] == ["app.json"]
