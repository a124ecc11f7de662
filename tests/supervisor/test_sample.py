"""The services of the sample as they run: who can reach them, and what that gives."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from socket import SOCK_DGRAM
from typing import Any

import psutil
import pytest
import redis

from services.launcher.redis_conf import PASSWORD, conf_text, conf_value
from services.launcher.sample_redis import FORBIDDEN
from tests.support.redis_server import free_port, only_on_path
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

PROJECT = Path(__file__).resolve().parents[2]
SAMPLE: dict[str, Any] = json.loads((PROJECT / "dumb_config.json").read_bytes())
DEMOS = {key: block for key, block in SAMPLE.items() if key.startswith("demo_")}
LISTENING = {"Demo File Server", "Demo Redis"}
"""The others are asked nothing."""


@pytest.fixture
def boss(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SupervisorProcess]:
    """A supervisor with the sample's demo services, on ports of this test's own."""
    path = os.pathsep.join([only_on_path(tmp_path / "bin"), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    services = {
        key: block | {"port": free_port()} if "port" in block else block
        for key, block in DEMOS.items()
    }
    supervisor = SupervisorProcess(tmp_path / "home", redis_url, services)
    supervisor.start()
    yield supervisor
    supervisor.close()


def running(boss: SupervisorProcess, name: str) -> psutil.Process:
    state = boss.wait_status(name, "running", timeout=30)
    return psutil.Process(int(state["pid"]))


def sockets(process: psutil.Process) -> set[tuple[str, int]]:
    """Where it and its descendants listen, on TCP and UDP."""
    return {
        (found.laddr.ip, found.laddr.port)
        for one in (process, *process.children(recursive=True))
        for found in one.net_connections(kind="inet")
        if found.status == psutil.CONN_LISTEN or (found.type == SOCK_DGRAM and found.laddr)
    }


@pytest.mark.redis
def test_the_samples_redis_gives_strangers_nothing_and_owners_no_power(
    boss: SupervisorProcess,
) -> None:
    running(boss, "Demo Redis")
    port = _port(boss, "demo_redis")
    with (
        redis.Redis(port=port, protocol=2) as stranger,
        pytest.raises(redis.AuthenticationError, match="Authentication required"),
    ):
        stranger.ping()
    conf = boss.home / "demo" / "redis" / "redis.conf"
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    password = conf_value(conf_text(conf), "requirepass", PASSWORD)
    assert len(password) == 64
    with redis.Redis(port=port, password=password, protocol=2) as owner:
        assert owner.set("key", "value")
        tries: list[tuple[str, ...]] = [
            ("CONFIG", "GET", "dir"),
            ("CONFIG", "SET", "dir", "/"),
            ("MODULE", "LIST"),
            ("DEBUG", "SLEEP", "0"),
            ("SLAVEOF", "NO", "ONE"),
            ("REPLICAOF", "127.0.0.1", "1"),
        ]
        assert {words[0] for words in tries} == set(FORBIDDEN)
        owner.execute_command("ACL", "SETUSER", "default", "+@all")
        for words in tries:
            with pytest.raises(redis.ResponseError, match="unknown command"):
                owner.execute_command(*words)
            script = "return redis.call(unpack(ARGV))"
            with pytest.raises(redis.ResponseError, match=r"(?i)unknown (redis )?command"):
                owner.eval(script, 0, *words)
        process = running(boss, "Demo Redis")
        shown = [*process.cmdline(), *process.environ().values()]
        assert not any(password in text for text in shown)

    # The next run has the same password.
    assert boss.run("restart", "Demo Redis")["status"] == "succeeded"
    assert conf_value(conf_text(conf), "requirepass", PASSWORD) == password


def test_the_samples_services_listen_on_loopback_where_they_must(boss: SupervisorProcess) -> None:
    enabled = {block["process_name"]: key for key, block in DEMOS.items() if block["enabled"]}
    assert set(enabled) >= LISTENING
    for name, key in enabled.items():
        process = running(boss, name)
        if name not in LISTENING:
            assert sockets(process) == set(), name
            continue
        wait_until_sync(partial(sockets, process), what=f"{name} listens")
        found = sockets(process)
        assert {port for _, port in found} == {_port(boss, key)}, name
        assert all(ip_address(ip).is_loopback for ip, _ in found), name


def _port(boss: SupervisorProcess, key: str) -> int:
    port: int = json.loads(boss.config.read_bytes())[key]["port"]
    return port


def test_nothing_else_of_the_sample_is_enabled_beyond_loopback() -> None:
    """Services of other projects are not enabled; what is enabled names a loopback address."""

    def blocks(tree: Any) -> Iterator[dict[str, Any]]:
        if isinstance(tree, dict):
            if tree.get("enabled") is True and "process_name" in tree:
                yield tree
            for value in tree.values():
                yield from blocks(value)

    found = list(blocks(SAMPLE))
    assert {block["process_name"] for block in found} >= LISTENING
    for block in found:
        assert ip_address(block.get("host", "127.0.0.1")).is_loopback, block["process_name"]


@pytest.mark.redis
def test_a_configuration_from_an_earlier_sample_is_protected_too(tmp_path: Path) -> None:
    """It says `redis_binary`, and its Redis gets the same configuration at its next start."""
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [sys.executable, "-m", "services.launcher.redis_binary", *words],
        cwd=tmp_path,
        env={**os.environ, "PATH": only_on_path(tmp_path / "bin"), "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
    ) as server:
        try:

            def refuses() -> bool:
                try:
                    with redis.Redis(port=port, protocol=2) as stranger:
                        stranger.ping()
                except redis.AuthenticationError:
                    return True
                except redis.ConnectionError:
                    return False
                return False

            wait_until_sync(refuses, what="it answers, and asks for a password")
        finally:
            server.kill()
    assert "rename-command CONFIG" in (tmp_path / "redis.conf").read_text()
