"""The collector as a process: what it publishes, whom it follows, what it survives."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from shared.exits import Exit
from tests.support.collector import CollectorProcess
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until, wait_until_sync

SYSTEM = {
    "scope", "cpu_percent", "cpu_count", "load_avg", "mem", "swap", "disk", "inode",
    "filesystems", "disk_io", "net_io", "network_interfaces", "boot_time", "container_start_time",
}  # fmt: skip
PROCESS = {"name", "pid", "cpu_percent", "rss", "vms", "threads", "disk_io"}


@contextmanager
def _family(script: str = "sleep 600 & sleep 600 & wait") -> Iterator[subprocess.Popen[bytes]]:
    """A service with two children, in a session of its own."""
    process = subprocess.Popen(["/bin/sh", "-c", script], start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.wait()


async def test_a_snapshot_has_every_field(
    collector: CollectorProcess, supervisor: ScriptedSupervisor
) -> None:
    config = {
        "dumb": {"metrics": {"filesystem_paths": ["/", "/no/such/place"]}},
        "web": {"process_name": "Web", "port": 8123, "config_dir": str(collector.home)},
    }
    await supervisor.publish_config(config)
    with _family() as family:
        await wait_until(lambda: len(psutil.Process(family.pid).children()) == 2)
        await supervisor.bus.running("Web", pid=family.pid)
        await supervisor.bus.running("DUMB API", pid=1, config_key="dumb_api_service")
        collector.start()
        found = collector.latest()
        system = found["system"]
        assert set(system) == SYSTEM
        assert system["mem"]["total"] > system["mem"]["used"] > 0
        assert [entry["available"] for entry in system["filesystems"]] == [True, False]
        assert system["disk"]["path"] == "/" == system["inode"]["path"]
        assert {interface["name"] for interface in system["network_interfaces"]} >= {"lo"}
        (web,) = found["dumb_managed"]
        assert set(web) >= {*PROCESS, "start_time", "tree_rss", "tree_cpu_percent", "children"}
        assert (web["name"], web["pid"], web["children"]) == ("Web", family.pid, 2)
        assert web["tree_rss"] > web["rss"] > 0
        assert web["ports_config"] == [8123]
        assert abs(web["start_time"] - psutil.Process(family.pid).create_time()) < 1
        external = found["external"]
        assert 0 < len(external) <= 20
        assert all(set(entry) >= {*PROCESS, "container_id"} for entry in external)
        assert not {entry["pid"] for entry in external} & {family.pid, *_children(family.pid)}
        assert found["database_health"]["enabled"] is found["plex_status"]["enabled"] is False
        await wait_until(lambda: _usage(collector), what="the disk of a service is known")


def _usage(collector: CollectorProcess) -> Any:
    (path, *_) = collector.managed("Web")["disk_paths"]["paths"]
    return path["path"] == str(collector.home) and path["usage"]


def _children(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


async def test_a_restart_is_followed_at_once_and_a_stop_too(
    collector: CollectorProcess, supervisor: ScriptedSupervisor
) -> None:
    await supervisor.publish_config({"web": {"process_name": "Web"}})
    collector.start()
    assert collector.managed("Web") == {}
    with _family() as first, _family() as second:
        await supervisor.bus.running("Web", pid=first.pid)
        await wait_until(lambda: collector.managed("Web").get("pid") == first.pid, timeout=2)
        await supervisor.bus.running("Web", pid=second.pid)
        await wait_until(lambda: collector.managed("Web").get("pid") == second.pid, timeout=2)
        state = await supervisor.bus.state("Web", supervisor.bus.states["Web"].status.STOPPED)
        assert not state.alive
        await wait_until(lambda: collector.managed("Web") == {}, timeout=2)


LISTENER = """
import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
time.sleep(600)
"""


@contextmanager
def _listener() -> Iterator[tuple[int, int]]:
    """A process that accepts one connection: its pid and port."""
    command = [sys.executable, "-c", LISTENER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


async def test_listening_ports_and_connections(
    collector: CollectorProcess, supervisor: ScriptedSupervisor
) -> None:
    with _listener() as (pid, port), socket.create_connection(("127.0.0.1", port)):
        await supervisor.bus.running("Web", pid=pid)
        collector.start()
        await wait_until(lambda: collector.managed("Web").get("ports") == [port])
        (talk, *_) = collector.managed("Web")["net_connections"]
        assert (talk["status"], talk["laddr"]) == ("ESTABLISHED", ["127.0.0.1", port])


async def test_who_listens_makes_it_faster_and_leaving_makes_it_slow_again(
    collector: CollectorProcess,
) -> None:
    collector.start()

    async def samples_within(seconds: float) -> int:
        before = _samples(collector)
        await asyncio.sleep(seconds)  # what is measured is a rate
        return _samples(collector) - before

    with collector.redis.pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe(collector.keys.metrics, collector.keys.metrics_fast)
        await wait_until(lambda: listener.get_message(timeout=0.1))
        before = _samples(collector)
        await wait_until(lambda: _samples(collector) >= before + 4, timeout=6, what="two a second")
    await wait_until(lambda: collector.redis.pubsub_numsub(collector.keys.metrics)[0][1] == 0)
    await samples_within(1.0)  # one may be on its way
    assert await samples_within(2.0) <= 1


def _samples(collector: CollectorProcess) -> int:
    found: Any = collector.redis.hget(collector.keys.metrics_collector, "samples")
    return int(found or 0)


def test_it_ends_on_sigterm_and_says_that_nobody_collects(collector: CollectorProcess) -> None:
    collector.start()
    assert collector.stop() == Exit.OK
    assert collector.latest() == {}
    assert not collector.redis.exists(collector.keys.metrics_collector)


def test_redis_may_go_and_come_back(
    lone_collector: CollectorProcess, fresh_redis: PrivateRedis
) -> None:
    lone_collector.start()
    fresh_redis.kill()
    wait_until_sync(lambda: "Redis is away" in lone_collector.output.read_text(), timeout=15)
    fresh_redis.start()
    lone_collector.redis.delete(lone_collector.keys.metrics_latest)
    wait_until_sync(lambda: lone_collector.latest() != {}, timeout=15, what="samples again")
    assert "Redis is back" in lone_collector.output.read_text()


def test_it_starts_while_redis_is_away(
    lone_collector: CollectorProcess, fresh_redis: PrivateRedis
) -> None:
    fresh_redis.stop()
    lone_collector.start(ready=False)
    wait_until_sync(lambda: "Redis is away" in lone_collector.output.read_text(), timeout=15)
    fresh_redis.start()
    wait_until_sync(lone_collector.collects, timeout=15)


def test_a_wrong_password_is_pointless(
    lone_collector: CollectorProcess, fresh_redis: PrivateRedis
) -> None:
    lone_collector.redis_url = fresh_redis.url.replace("default:", "default:no")
    lone_collector.start(ready=False)
    assert lone_collector._process is not None
    assert lone_collector._process.wait(15) == Exit.NO_PERMISSION
    lone_collector._process = None


def test_garbage_on_its_channels_changes_nothing(collector: CollectorProcess) -> None:
    collector.redis.set(collector.keys.config, b"\xff{")
    collector.redis.sadd(collector.keys.services, "Odd")
    collector.redis.hset(collector.keys.service("Odd"), mapping={"status": "?", "pid": "x"})
    collector.start()
    for data in (b"", b"\xff", b"[]", b"{}", b'{"process_name":7,"seq":"x"}', b"null"):
        collector.redis.publish(collector.keys.status, data)
        collector.redis.publish(collector.keys.config_changed, data)
    before = _samples(collector)
    wait_until_sync(lambda: _samples(collector) > before, timeout=8)
    assert "failed" not in collector.output.read_text()


def test_a_second_collector_on_one_directory_says_so(lone_collector: CollectorProcess) -> None:
    lone_collector.start()
    env = {
        **os.environ,
        "DUMB_HOME": str(lone_collector.home),
        "REDIS_URL": lone_collector.redis_url,
    }
    found = subprocess.run(
        [sys.executable, "-m", "services.metrics"], env=env, capture_output=True,
        timeout=20, check=False,
    )  # fmt: skip
    assert found.returncode == Exit.IN_USE
    assert f"(pid {lone_collector.pid}) runs on".encode() in found.stderr
    lone_collector.kill()
    lone_collector.start()
