"""Health, restarts and waits of real services under a real supervisor."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.supervisor.live import PROGRAMS, Boss, service, shell, tree, wait_gone
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

QUICK: dict[str, Any] = {
    "enabled": True,
    "healthcheck_interval": 0.1,
    "unhealthy_threshold": 2,
    "max_restarts": 3,
    "window_seconds": 60,
    "backoff_seconds": [0.05],
    "grace_period_seconds": 0,
}


def web(name: str, **block: Any) -> dict[str, Any]:
    """A server that files steer (tests/programs/web.py)."""
    command = [sys.executable, "-I", "-S", str(PROGRAMS / "web.py"), "{port}"]
    return service(name, command, port=free_port(), start_timeout=20, **block)


class Ward(Boss):
    """A supervisor, and what tests of health ask it."""

    def configure(self, *blocks: dict[str, Any], watched: Any = (), **auto: Any) -> None:
        """Write the configuration; `watched` are restarted by themselves."""
        entries = [{"process_name": e} if isinstance(e, str) else e for e in watched]
        self.write_config(
            tree(*blocks),
            startup={"stabilization_seconds": 0},
            auto_restart={**QUICK, **auto, "services": entries},
        )

    def say(self, name: str, file: str, content: str = "") -> None:
        """Write a file of a service's program."""
        place = self.work(name, file)
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f"{file}.tmp")
        temporary.write_text(content)
        temporary.rename(place)

    def stats(self, name: str) -> dict[str, Any]:
        """RestartStats."""
        stats: dict[str, Any] = orjson.loads(self.service(name)["restart"])
        return stats

    def wait_stats(self, name: str, **wanted: Any) -> dict[str, Any]:
        """Wait until the stats hold these values."""
        wait_until_sync(
            lambda: wanted.items() <= self.stats(name).items(),
            what=f"{wanted} of {name}",
        )
        return self.stats(name)

    def wait_health(self, name: str, health: str) -> dict[str, str]:
        """Wait until its health is this one."""
        wait_until_sync(lambda: self.service(name)["health"] == health, what=f"{name} {health}")
        return self.service(name)

    def blocks(self) -> dict[str, Any]:
        """The services as the file has them."""
        tree: dict[str, Any] = orjson.loads(self.config.read_bytes())
        return {key: block for key, block in tree.items() if key.startswith("key")}

    def starts(self, name: str) -> int:
        """How often its program was started."""
        place = self.work(name, "starts")
        return len(place.read_text().split()) if place.exists() else 0


@pytest.fixture
def ward(tmp_path: Path, private_redis: PrivateRedis) -> Iterator[Ward]:
    private_redis.flush()
    boss = Ward(tmp_path, private_redis.url, {})
    yield boss
    boss.close()


# -- health --------------------------------------------------------------------------------


def test_a_port_that_goes_deaf_is_noticed_and_its_service_restarted(ward: Ward) -> None:
    ward.configure(web("web", enabled=True), watched=["web"])
    ward.start()
    first = ward.wait_status("web", "running")
    ward.say("web", "deaf")
    ward.wait_file("web", "deaf-now")
    ward.work("web", "deaf").unlink()
    stats = ward.wait_stats("web", restart_attempts=1, restart_successes=1)
    assert (stats["restart_failures"], stats["pending"], stats["unhealthy_count"]) == (0, False, 0)
    assert stats["recent_restart_attempts"] == 1
    assert stats["last_restart_time"] > stats["last_exit_time"] > float(first["started_at"])
    assert stats["last_exit_reason"].startswith("unhealthy: Port 127.0.0.1:")
    again = ward.service("web")
    assert (again["status"], again["health"], again["generation"]) == ("running", "healthy", "2")


def test_without_an_entry_it_is_shown_and_not_restarted(ward: Ward) -> None:
    probe = {"kind": "port", "interval": 0.1}
    ward.configure(web("web", enabled=True, health={"liveness": probe}))
    ward.start()
    ward.wait_status("web", "running")
    ward.say("web", "deaf")
    found = ward.wait_health("web", "unhealthy")
    assert found["health_reason"].endswith("not responding")
    assert orjson.loads(found["health_details"])["probe"] == "port"
    assert ward.stats("web")["readiness_state"] == "unhealthy"
    assert (found["status"], ward.starts("web")) == ("running", 1)
    assert ward.stats("web")["unhealthy_count"] == 0


def test_what_does_not_change_is_not_written(ward: Ward) -> None:
    probe = {"kind": "http", "path": "/", "interval": 0.1}
    counted = {"kind": "exec", "command": "sh -c 'echo >> checks'", "interval": 0.1}
    ward.configure(
        web("web", enabled=True, health={"liveness": probe}),
        service("count", enabled=True, health={"liveness": counted}),
    )
    ward.start()
    ward.wait_status("web", "running")
    wait_until_sync(lambda: orjson.loads(ward.service("web")["health_details"])["probe"] == "http")
    seq = ward.service("web")["seq"]
    begun = len(ward.wait_file("count", "checks"))
    wait_until_sync(lambda: len(ward.wait_file("count", "checks")) >= begun + 5)
    assert ward.service("web")["seq"] == seq
    ward.say("web", "status", "503")
    assert ward.wait_health("web", "unhealthy")["health_reason"] == "HTTP 503"
    # Nothing is asked while it stops, nor after it.
    ward.run("stop", "count")
    checks = ward.work("count", "checks").read_text()
    ward.say("web", "status", "200")
    ward.wait_health("web", "healthy")
    assert ward.work("count", "checks").read_text() == checks


def test_a_readiness_probe_decides_about_the_start(ward: Ward) -> None:
    ready = {"kind": "http", "path": "/ready", "status": 200, "interval": 0.1}
    ward.configure(web("web", health={"readiness": ready}))
    ward.start()
    ward.say("web", "status", "503")
    command = ward.send("start", "web")
    wait_until_sync(lambda: ward.starts("web") == 1)
    ward.wait_status("web", "starting")
    ward.say("web", "status", "200")
    assert ward.result(command)["status"] == "succeeded"
    ward.say("web", "status", "503")  # it lives, and cannot be used
    found = ward.wait_health("web", "degraded")
    assert found["health_reason"] == "Not ready: HTTP 503 instead of 200"
    assert ward.stats("web")["readiness_state"] == "starting"
    ward.say("web", "status", "200")
    ward.wait_health("web", "healthy")
    assert ward.stats("web")["readiness_state"] == "ready"


def test_who_is_never_ready_says_why_and_is_restarted(ward: Ward) -> None:
    ready = {"kind": "exec", "command": ["sh", "-c", "echo no luck; exit 1"]}
    block = shell("shy", "exec sleep 100", health={"readiness": ready}, start_timeout=0.3)
    ward.configure(block, watched=["shy"])
    ward.start()
    outcome = ward.run("start", "shy")
    assert outcome["status"] == "failed"
    assert "was not ready within 0.3 s: sh ended with 1: no luck" in outcome["detail"]
    assert ward.service("shy")["health"] == "unhealthy"
    wait_until_sync(lambda: ward.stats("shy")["restart_attempts"] >= 1)
    assert ward.stats("shy")["last_exit_reason"] == "unhealthy: Not ready: sh ended with 1: no luck"


def test_a_start_period_forgives(ward: Ward) -> None:
    probe = {"kind": "exec", "command": ["test", "-e", "well"], "interval": 0.1}
    health = {"liveness": probe, "start_period": 600}
    ward.configure(service("slow", health=health), watched=["slow"])
    ward.start()
    ward.run("start", "slow")
    ward.wait_health("slow", "starting")
    ward.say("slow", "well")
    ward.wait_health("slow", "healthy")
    ward.work("slow", "well").unlink()  # it was well: from now on it counts
    ward.wait_stats("slow", restart_attempts=1)


# -- restarts ------------------------------------------------------------------------------


def test_a_crash_is_followed_by_a_restart_up_to_the_limit(ward: Ward) -> None:
    ward.configure(shell("dies", "echo >> starts; sleep 0.05; exit 7"), watched=["dies"])
    ward.start()
    ward.run("start", "dies")
    stats = ward.wait_stats("dies", restart_attempts=3, pending=True)
    assert stats["recent_restart_attempts"] == 3
    assert stats["last_exit_reason"] == "exit code 7"
    assert "3 restarts within 60 s: the next one in" in stats["last_failure_reason"]
    assert stats["next_restart_time"] > time.time() + 30
    assert stats["restart_failures"] + stats["restart_successes"] == 3
    assert len(ward.work("dies", "starts").read_text()) == 4
    # A reset gives it a new chance at once.
    outcome = ward.run("reset-restart-state", "dies", stream="triggers")
    assert (outcome["status"], outcome["source"]) == ("succeeded", "trigger")
    assert ward.stats("dies")["restart_attempts"] < 3
    ward.wait_stats("dies", restart_attempts=3, pending=True)
    assert len(ward.work("dies", "starts").read_text()) == 7
    # A person's stop ends it.
    assert ward.run("stop", "dies")["status"] == "succeeded"
    stats = ward.stats("dies")
    assert (stats["pending"], stats["next_restart_time"], stats["disabled"]) == (False, None, True)


def test_a_start_that_fails_is_tried_again(ward: Ward) -> None:
    script = "echo >> starts; exit 3"
    ward.configure(shell("never", script, start_window=5), watched=["never"], max_restarts=2)
    ward.start()
    assert ward.run("start", "never")["status"] == "failed"
    stats = ward.wait_stats("never", restart_failures=2, pending=True)
    assert (stats["restart_attempts"], stats["restart_successes"]) == (2, 0)
    assert len(ward.work("never", "starts").read_text()) == 3


def test_a_person_stops_it_for_good(ward: Ward) -> None:
    ward.configure(
        shell("stopped", "exec sleep 100"),
        shell("waits", "exit 1", start_window=1),
        watched=["stopped", {"process_name": "waits", "backoff_seconds": [60]}],
    )
    ward.start()
    ward.run("start", "stopped")
    ward.run("stop", "stopped")
    ward.run("start", "waits")
    ward.wait_stats("waits", pending=True)
    ward.run("stop", "waits")
    assert ward.service("waits")["status"] == "stopped"
    ward.kill()
    ward.start()
    wait_until_sync(lambda: b"phase" in dict(ward.redis.hgetall("dumb:supervisor")))
    for name in ("stopped", "waits"):
        stats = ward.stats(name)
        assert (stats["disabled"], stats["pending"]) == (True, False)
        assert (ward.service(name)["status"], ward.service(name)["desired"]) == ("stopped", "down")


def test_one_shots_do_their_work_once(ward: Ward) -> None:
    script = "echo >> starts; exit $(cat code)"
    ward.configure(
        shell("job", script, restart="no", expected_exit=[0, 3], start_window=5),
        shell("no", "sleep 0.05; exit 1", restart="no"),
        watched=["job", "no"],
    )
    ward.start()
    for code in ("0", "3"):
        ward.say("job", "code", code)
        outcome = ward.run("start", "job")
        assert (outcome["status"], outcome["detail"]) == ("succeeded", "completed")
        assert ward.service("job")["exit_reason"] == f"completed (exit code {code})"
    ward.say("job", "code", "4")
    assert ward.run("start", "job")["status"] == "failed"
    ward.run("start", "no")
    ward.wait_status("no", "exited")
    for name in ("job", "no"):
        stats = ward.stats(name)
        assert (stats["pending"], stats["restart_attempts"]) == (False, 0)


def test_counters_and_a_pending_restart_survive_the_supervisor(ward: Ward) -> None:
    block = shell("dies", "echo $$ >> starts; exec sleep 100")
    ward.configure(block, watched=["dies"], backoff_seconds=[0.05, 3600])
    ward.start()
    ward.run("start", "dies")
    wait_until_sync(lambda: ward.starts("dies") == 1)
    kill_last(ward, "dies")
    ward.wait_stats("dies", restart_successes=1)
    wait_until_sync(lambda: ward.starts("dies") == 2)
    kill_last(ward, "dies")
    planned = ward.wait_stats("dies", pending=True)
    assert planned["restart_attempts"] == 1
    ward.kill()
    ward.configure(block, watched=["dies"], backoff_seconds=[0.05, 1800])
    ward.start()
    wait_until_sync(lambda: ward.stats("dies")["next_restart_time"] != planned["next_restart_time"])
    stats = ward.stats("dies")
    kept = ("restart_attempts", "restart_successes", "pending", "recent_restart_attempts")
    assert [stats[key] for key in kept] == [planned[key] for key in kept]
    assert stats["next_restart_time"] < time.time() + 1801


def kill_last(ward: Ward, name: str) -> None:
    """Kill the process that a service started last."""
    pid = int(ward.work(name, "starts").read_text().split()[-1])
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)


def test_reset_of_what_is_not_there_is_rejected(ward: Ward) -> None:
    ward.configure(service("a"))
    ward.start()
    assert ward.run("reset-restart-state", "nobody")["status"] == "rejected"
    assert "API itself" in ward.run("reset-restart-state", "DUMB API")["detail"]
    assert ward.run("reset-restart-state", "A")["process_name"] == "a"


# -- waits ---------------------------------------------------------------------------------


def test_a_wait_is_visible_and_ends_with_what_it_waits_for(ward: Ward) -> None:
    place = ward.home / "late"
    ward.configure(service("patient", wait_for_dir="{dumb_home}/late"))
    ward.start()
    command = ward.send("start", "patient")
    found = ward.wait_status("patient", "waiting")
    assert found["waiting_for"] == f"directory {place} (No such file or directory)"
    assert float(found["waiting_since"]) <= time.time()
    assert f"waiting for directory {place} (No such file or directory)" in ward.steps(command)
    place.mkdir()
    assert ward.result(command)["status"] == "succeeded"
    assert ward.service("patient")["waiting_for"] == ""


def test_a_stop_ends_a_wait(ward: Ward) -> None:
    port = free_port()
    ward.configure(service("patient", wait_for_tcp=[{"host": "127.0.0.1", "port": port}]))
    ward.start()
    command = ward.send("start", "patient")
    ward.wait_status("patient", "waiting")
    assert ward.run("stop", "patient")["status"] == "succeeded"
    assert ward.result(command)["status"] == "cancelled"
    found = ward.service("patient")
    assert (found["status"], found["desired"], found["waiting_for"]) == ("stopped", "down", "")


def test_a_wait_in_vain_fails_and_others_start_meanwhile(ward: Ward) -> None:
    ward.configure(
        service("patient", wait_for_url=[{"url": "http://127.0.0.1:1/x"}], wait_timeout=0.5),
        service("other"),
    )
    ward.start()
    command = ward.send("start", "patient")
    ward.wait_status("patient", "waiting")
    assert ward.run("start", "other")["status"] == "succeeded"
    assert ward.receipt(command)["status"] == "running"
    outcome = ward.result(command)
    assert outcome["status"] == "failed"
    assert "in vain for http://127.0.0.1:1/x (Connection refused)" in outcome["detail"]
    assert ward.service("patient")["status"] == "failed"


# -- ports ---------------------------------------------------------------------------------


def test_at_boot_a_taken_port_moves_and_the_file_says_so(ward: Ward) -> None:
    first, second = web("first", enabled=True), web("second", enabled=True)
    second["port"] = first["port"]
    stays = {**service("stays", enabled=True), "port": first["port"]}  # is not told its port
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        taken = foreign.getsockname()[1]
        third = {**web("third", enabled=True), "port": taken}
        ward.configure(first, second, third, stays)
        ward.start()
        for name in ("first", "second", "third"):
            ward.wait_status(name, "running")
    ports = {b["process_name"]: b["port"] for b in ward.blocks().values()}
    assert (ports["first"], ports["stays"]) == (first["port"], first["port"])
    assert ports["second"] > first["port"]
    assert ports["third"] > taken
    assert len({ports["first"], ports["second"], ports["third"]}) == 3
    assert f"port of second is {ports['second']} now" in ward.output.read_text()
    versions = [orjson.loads(v) for v in ward.redis.hvals("dumb:config:versions")]
    moved = next(v for v in versions if v["source"] == "ports")
    assert {".".join(c["path"]) for c in moved["changes"]} == {"key1.port", "key2.port"}
    # The next boot finds its own processes, and moves nobody.
    ward.kill()
    ward.start()
    wait_until_sync(lambda: ward.service("second")["status"] == "running")
    assert {b["process_name"]: b["port"] for b in ward.blocks().values()} == ports


def test_a_start_later_on_does_not_move(ward: Ward) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        ward.configure({**web("web"), "port": foreign.getsockname()[1]})
        ward.start()
        assert "is taken by another program" in ward.run("start", "web")["detail"]


# -- bad input -----------------------------------------------------------------------------


def test_one_bad_block_does_not_keep_the_others_down(ward: Ward) -> None:
    bad = service("bad", enabled=True, health={"liveness": {"kind": "telepathy"}})
    far = {**service("far", enabled=True), "port": 99999}
    ward.configure(service("good", enabled=True), bad, far)
    ward.start()
    ward.wait_status("good", "running")
    problem = ward.redis.get("dumb:config:problem")
    assert isinstance(problem, bytes)
    assert "dumb_config.json:1 at 'key1.health.liveness.kind'" in problem.decode()
    assert "key2.port" in problem.decode()
    assert ward.run("start", "bad")["status"] == "rejected"
    assert orjson.loads(ward.config.read_bytes())["key2"]["port"] == 99999  # the file is untouched
    # Mended, they are there.
    ward.configure(service("good", enabled=True), service("bad", enabled=True))
    assert ward.run("reload-config", "")["status"] == "succeeded"
    assert ward.run("start", "bad")["status"] == "succeeded"


def test_a_change_by_hand_that_cannot_be_used_changes_nothing(ward: Ward) -> None:
    block = service("good", enabled=True)
    ward.configure(block)
    ward.start()
    pid = ward.wait_status("good", "running")["pid"]
    ward.configure({**block, "health": {"readiness": {"kind": "http", "port": 70000}}})
    outcome = ward.run("reload-config", "")
    assert (outcome["status"], ward.service("good")["pid"]) == ("failed", pid)
    assert "key0.health.readiness.port" in outcome["detail"]


def test_overrides_count_for_one_service(ward: Ward) -> None:
    probe = {"kind": "exec", "command": ["test", "-e", "well"], "interval": 0.1}
    names = ["grace", "shown", "off", "restarted"]
    ward.configure(
        *(service(name, health={"liveness": probe}) for name in names),
        watched=[
            {"process_name": "grace", "grace_period_seconds": 600},
            {"process_name": "shown", "restart_on_unhealthy": False, "unhealthy_threshold": 4},
            {"process_name": "off", "enabled": False},
            {"process_name": "Restarted"},
        ],
    )
    ward.start()
    for name in names:
        ward.run("start", name)
    wait_until_sync(lambda: ward.stats("restarted")["restart_attempts"] >= 1)
    wait_until_sync(lambda: ward.stats("shown")["unhealthy_count"] >= 6)
    assert ward.stats("shown")["unhealthy_threshold"] == 4
    for name in ("grace", "shown", "off"):
        assert ward.service(name)["health"] == "unhealthy"
        assert ward.stats(name)["restart_attempts"] == 0
    assert (ward.stats("grace")["unhealthy_count"], ward.stats("off")["unhealthy_count"]) == (0, 0)


def test_healthy_is_more_than_running(ward: Ward) -> None:
    probe = {"kind": "exec", "command": ["test", "-e", "well"], "interval": 0.1}
    ward.configure(
        service("base", health={"liveness": probe}),
        service("user", depends_on={"base": "healthy"}),
    )
    ward.start()
    command = ward.send("start", "user")
    ward.wait_status("base", "running")
    ward.wait_health("base", "unhealthy")
    assert ward.wait_status("user", "waiting")["waiting_for"].startswith("base: healthy (")
    ward.say("base", "well")
    assert ward.result(command)["status"] == "succeeded"
