"""`dumb up` as a whole: real processes, stand-ins instead of supervisor and API."""

import dataclasses
import http.server
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis

from shared.exits import Exit
from tests.launcher.running import Running, gone, redis_pids
from tests.programs.stand_in_program import Handler
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def url_in(running: Running) -> str:
    return (running.home / "redis.url").read_text().strip()


@pytest.mark.redis
def test_from_nothing_to_running_and_back_to_nothing(running: Running) -> None:
    launcher = running.up(running.supervisor(), running.api())
    running.until_ready()

    # Services of a root supervisor are other users, and have their directories in it.
    assert mode(running.home) == (0o711 if os.geteuid() == 0 else 0o700)
    for private in ("redis.url", "dumb_config.json", "redis/redis.conf"):
        assert mode(running.home / private) == 0o600, private
    assert (running.home / "dumb_config.json").read_bytes() == running.sample.read_bytes()
    url = url_in(running)
    assert url.startswith("redis://default:")
    with redis.Redis.from_url(url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    given = json.loads((running.notes / "api.environ").read_text())["REDIS_URL"]
    assert given.startswith("unix://default:")
    with redis.Redis.from_url(given) as client:
        assert client.ping()
    printed = running.printed()
    for said in (f"http://127.0.0.1:{running.api_port}/docs", "curl ", "redis-cli XADD", "/log"):
        assert said in printed
    assert "supervisor | supervisor is here" in printed

    assert running.stop(launcher) == 0
    assert running.noted("ended") == ["supervisor end", "redis", "api end", "redis"]
    assert not redis_pids(running.home)
    special = [p for p in running.home.rglob("*") if p.is_socket() or p.is_fifo()]
    assert special == []
    assert not (running.home / "redis.url").exists()


@pytest.mark.redis
def test_the_next_run_has_the_same_redis(running: Running) -> None:
    urls = []
    for _run in range(2):
        launcher = running.up(running.api())
        running.until_ready()
        urls.append(url_in(running))
        with redis.Redis.from_url(urls[-1]) as client:
            assert client.incr("runs") == len(urls)
        running.sample.write_text('{"another": "sample"}')
        assert running.stop(launcher) == 0
    assert urls[0] == urls[1]
    # The live configuration is the user's from the first copy on.
    assert (running.home / "dumb_config.json").read_text() == '{"dumb": {}}'


def test_a_second_one_is_refused(running: Running, redis_url: str) -> None:
    first = running.up(running.api(), REDIS_URL=redis_url)
    running.until_ready()
    said = running.refused(running.api(), code=Exit.IN_USE, REDIS_URL=redis_url)
    assert f"pid {first.pid}" in said
    assert str(running.home) in said
    assert first.poll() is None
    assert running.stop(first) == 0


def test_what_dies_is_started_again(running: Running, redis_url: str) -> None:
    running.up(running.supervisor(), running.api(), REDIS_URL=redis_url)
    running.until_ready()
    os.kill(running.pids("api")[0], signal.SIGKILL)
    wait_until_sync(lambda: len(running.pids("api")) == 2, what="a second API")
    assert "api ended (killed by SIGKILL); starting it again in 0.2 s" in running.printed()
    assert len(running.pids("supervisor")) == 1


@pytest.mark.redis
def test_a_private_redis_that_dies_comes_back(running: Running) -> None:
    running.up(running.api())
    running.until_ready()
    (first,) = redis_pids(running.home)
    with redis.Redis.from_url(url_in(running)) as client:
        client.set("kept", "yes")
        os.kill(first, signal.SIGKILL)
        wait_until_sync(lambda: redis_pids(running.home) not in ([], [first]))

        def kept() -> bool:
            try:
                return bool(client.get("kept") == b"yes")
            except redis.ConnectionError:
                return False

        wait_until_sync(kept, what="Redis is back with its data")


def test_exit_code_78_ends_everything_with_the_last_message(
    running: Running, redis_url: str
) -> None:
    launcher = running.up(running.supervisor("--die", "78"), running.api(), REDIS_URL=redis_url)
    assert launcher.wait(20) == 78
    assert "supervisor: this is my last message" in running.printed()
    assert all(gone(pid) for pid in running.pids("api"))
    assert len(running.pids("supervisor")) == 1


def test_orphans_are_reaped_and_ended(running: Running, redis_url: str) -> None:
    launcher = running.up(running.supervisor("--orphan"), running.api(), REDIS_URL=redis_url)
    running.until_ready()
    orphan = int((running.notes / "orphan").read_text())
    status = Path(f"/proc/{orphan}/status")
    assert f"PPid:\t{launcher.pid}\n" in status.read_text()
    assert running.stop(launcher) == 0
    assert gone(orphan)


def test_an_orphan_that_ends_leaves_no_zombie(running: Running, redis_url: str) -> None:
    running.up(running.supervisor("--orphan"), running.api(), REDIS_URL=redis_url)
    running.until_ready()
    orphan = int((running.notes / "orphan").read_text())
    os.kill(orphan, signal.SIGKILL)
    wait_until_sync(lambda: not Path(f"/proc/{orphan}").exists(), what="the orphan is reaped")


@pytest.mark.redis
def test_when_the_launcher_is_killed_only_the_supervisor_stays(running: Running) -> None:
    launcher = running.up(running.supervisor(), running.api())
    running.until_ready()
    launcher.kill()
    launcher.wait()
    (api,), (supervisor,) = running.pids("api"), running.pids("supervisor")
    wait_until_sync(lambda: gone(api) and not redis_pids(running.home), what="API and Redis end")
    assert not gone(supervisor)

    successor = running.up(running.supervisor(), running.api())
    running.until_ready()
    wait_until_sync(lambda: gone(supervisor), what="the old supervisor has gone")
    assert "supervisor handed over" in running.noted("ended")
    assert f"pid {supervisor}" in running.printed()
    assert running.stop(successor) == 0


def test_the_third_signal_kills(running: Running, redis_url: str) -> None:
    launcher = running.up(running.supervisor("--deaf"), running.api(), REDIS_URL=redis_url)
    running.until_ready()
    launcher.send_signal(signal.SIGINT)
    wait_until_sync(lambda: "stopping" in running.printed())
    launcher.send_signal(signal.SIGINT)
    wait_until_sync(lambda: "waiting for supervisor" in running.printed(), what="it says for whom")
    assert launcher.poll() is None
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(10) == 0
    assert all(gone(pid) for pid in running.pids("supervisor") + running.pids("api"))


def test_a_reader_that_goes_away_ends_the_printing_alone(running: Running, redis_url: str) -> None:
    os.mkfifo(running.output)
    # The FIFO's only reader leaves before the first line is printed.
    descriptor = os.open(running.output, os.O_RDONLY | os.O_NONBLOCK)
    launcher = running.up(running.supervisor(), running.api(), REDIS_URL=redis_url)
    os.close(descriptor)
    wait_until_sync(lambda: running.pids("api"), what="the API is started all the same")
    os.kill(running.pids("api")[0], signal.SIGKILL)
    wait_until_sync(lambda: len(running.pids("api")) == 2, what="and started again")
    assert running.stop(launcher) == 0


def test_redis_that_cannot_be_used_is_one_sentence(
    running: Running, private_redis: PrivateRedis
) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    assert "does not answer (Connection refused)" in running.refused(
        code=Exit.UNAVAILABLE, REDIS_URL=nobody
    )
    wrong = private_redis.url.replace(":pw@", ":secret-guess@")
    said = running.refused(running.api(), code=Exit.NO_PERMISSION, REDIS_URL=wrong)
    assert "refuses the user or password" in said
    assert "secret-guess" not in said
    assert "does not begin with redis://" in running.refused(code=Exit.CONFIG, REDIS_URL="http://x")
    assert running.pids("api") == []


def test_a_taken_api_port_is_one_sentence(running: Running, redis_url: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", running.api_port))
        other.listen()
        said = running.refused(running.api(), REDIS_URL=redis_url)
    assert "is taken by another program" in said
    assert "DUMB_API_SERVICE_PORT" in said


def test_an_api_that_comes_late_is_announced_late(running: Running, redis_url: str) -> None:
    running.up(running.supervisor(), REDIS_URL=redis_url)
    running.until_ready()
    assert "docs" not in running.printed()  # without an API there is nothing to announce
    running.stop(running.launchers[0])

    # This one does not listen; the test does, in its stead, later.
    deaf = dataclasses.replace(running.supervisor(), name="api", lock=None)
    launcher = running.up(deaf, REDIS_URL=redis_url)
    wait_until_sync(lambda: "does not answer at" in running.printed(), what="it says so")
    with http.server.HTTPServer(("127.0.0.1", running.api_port), Handler) as late:
        thread = threading.Thread(target=late.serve_forever, args=(0.05,))
        thread.start()
        wait_until_sync(lambda: "Ctrl-C stops" in running.printed(), what="and that it answers")
        late.shutdown()
        thread.join()
    assert running.stop(launcher) == 0


def test_a_home_that_cannot_be_made_is_one_sentence(running: Running) -> None:
    running.home.write_text("a file")
    assert "set DUMB_HOME" in running.refused(code=Exit.CANNOT_WRITE)
    running.home.unlink()


def test_down_stops_it(running: Running, redis_url: str) -> None:
    launcher = running.up(running.supervisor(), running.api(), REDIS_URL=redis_url)
    running.until_ready()
    done = down(running)
    assert done.returncode == 0, done.stderr
    assert "has stopped" in done.stdout
    assert launcher.wait(1) == 0
    assert all(gone(pid) for pid in running.pids("supervisor") + running.pids("api"))
    assert "is not running" in down(running).stdout


def test_down_stops_a_supervisor_without_a_launcher(running: Running, redis_url: str) -> None:
    launcher = running.up(running.supervisor(), REDIS_URL=redis_url)
    running.until_ready()
    launcher.kill()
    launcher.wait()
    assert down(running).returncode == 0
    assert all(gone(pid) for pid in running.pids("supervisor"))


def down(running: Running) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.launcher", "down"],
        env=running.environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
