"""Every write of a running supervisor asks for the claim: seen by Redis itself."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from shared.bus.scripts import AUTH_LOOK, CLAIM_TAKE, NO_CLAIM
from tests.supervisor.live import Boss, shell, tree
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.redis

END = "the end of what is watched"
BY_ITSELF = {"xreadgroup"}
"""No script can wait. It ends before the claim can, and its answer counts only once it is
confirmed: `Inbox`."""


def seen(url: str, act: Any) -> tuple[list[dict[str, Any]], set[str]]:
    """What Redis carried out during `act()`, scripts and their commands included; and the addresses
    that are connected after it."""
    found = []
    with (
        Redis.from_url(url, protocol=2) as watcher,
        Redis.from_url(url, protocol=2) as marker,
        watcher.monitor() as monitor,
    ):
        act()
        stayed = {str(client["addr"]) for client in marker.client_list()}
        marker.echo(END)
        while END not in (entry := monitor.next_command())["command"]:
            found.append(entry)
    return found, stayed


def test_every_write_asks_for_the_claim(tmp_path: Path, redis_url: str) -> None:
    boss = Boss(tmp_path, redis_url, tree(shell("web", "echo a line; exec sleep 1000")))

    def life() -> None:
        boss.start()
        for stream in ("commands", "triggers"):
            assert boss.run("restart", "web", stream=stream)["status"] == "succeeded"
        boss.result(boss.send("dance", "web"))
        boss.result(boss.send("set-log-level", "", args='{"debug": true}'))
        boss.result(boss.send("reload-config", ""))
        setup = '{"op": "setup", "username": "a", "password_hash": "$2b$10$' + "a" * 53 + '"}'
        boss.result(boss.send("update-accounts", "", args=setup))
        boss.redis.set("dumb:services", "another type")  # `Upkeep` deletes it
        wait_until_sync(lambda: boss.redis.type("dumb:services") == b"set", what="the services")
        wait_until_sync(lambda: b"a line" in boss.log("web"), what="the log")
        assert boss.stop() == 0

    try:
        found, stayed = seen(redis_url, life)
    finally:
        boss.close()
    # The supervisor has ended; the connections of this test are still there.
    sent = [
        entry["command"]
        for entry in found
        if entry["client_type"] != "lua"
        and f"{entry['client_address']}:{entry['client_port']}" not in stayed
    ]
    names = {command.split(" ", 1)[0].lower() for command in sent}
    known: Any = flags_of(redis_url, names)
    writing = {name for name in names if "write" in known[name] or name.startswith("eval")}
    assert writing == {*BY_ITSELF, "eval", "evalsha"}
    # A script that was loaded has the fence or only reads; the one sent as a text takes the claim.
    loaded = [command for command in sent if command.lower().startswith("script load")]
    assert len(loaded) >= 5
    reading = AUTH_LOOK.strip().splitlines()[0]
    assert [c for c in loaded if NO_CLAIM not in c and reading not in c] == []
    taking = CLAIM_TAKE.strip().splitlines()[0]
    assert [c for c in sent if c.lower().startswith("eval ") and taking not in c] == []
    written = {e["command"].split(" ", 1)[0].lower() for e in found if e["client_type"] == "lua"}
    assert {"hset", "xadd", "xack", "del", "publish", "set"} <= written


def flags_of(url: str, names: set[str]) -> dict[str, list[str]]:
    """The flags of commands, by the server itself."""
    with Redis.from_url(url, protocol=2) as redis:
        table: Any = redis.command()
        flags = {
            name.lower(): [str(flag) for flag in entry["flags"]] for name, entry in table.items()
        }
    return {name: flags[name] for name in names}


def test_without_the_claim_it_supervises_and_writes_nothing(tmp_path: Path, redis_url: str) -> None:
    crash = "while [ ! -e go ]; do sleep 0.05; done"
    boss = Boss(tmp_path, redis_url, tree(shell("web", crash, enabled=True)))
    try:
        boss.start()
        boss.wait_status("web", "running")
        # Another holder, who gives it no end: it is looked at, and given one, again and again.
        os.kill(boss.pid, signal.SIGSTOP)
        boss.redis.set("dumb:commands:claim", '{"node": "elsewhere"}')
        boss.redis.delete("dumb:supervisor", "dumb:service:web")
        os.kill(boss.pid, signal.SIGCONT)
        boss.open_gate("web")
        wait_until_sync(
            lambda: boss.journalled()["web"]["state"]["status"] == "exited", what="the journal"
        )
        wait_until_sync(
            lambda: "in use by another supervisor on elsewhere" in boss.output.read_text(),
            what="the sentence",
        )
        assert not boss.redis.exists("dumb:supervisor", "dumb:service:web")
        boss.redis.delete("dumb:commands:claim")
        boss.wait_status("web", "exited")
        wait_until_sync(boss.beats, what="the heartbeat")
        assert "elsewhere is gone" in boss.output.read_text()
    finally:
        boss.close()
