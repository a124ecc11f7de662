"""`start-core` against a running supervisor, with stand-ins for the media services."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.supervisor.live import PROGRAMS, Boss, gone
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

Make = Callable[..., Boss]
GATED = [sys.executable, "-I", "-S", str(PROGRAMS / "ready_later.py"), "{port}", "go"]


BY_PORT = {"readiness": {"kind": "port"}}
"""For a stand-in of PostgreSQL, which is asked by its own tool."""


def gated(name: str, **block: Any) -> dict[str, Any]:
    """Ready once its gate is opened."""
    return plain(name, command=GATED, port=free_port(), start_timeout=20, **block)


def plain(name: str, **block: Any) -> dict[str, Any]:
    """Ready at once."""
    defaults = {"process_name": name, "enabled": False, "command": ["sleep", "1000"]}
    quick = {"config_dir": f"work/{name}", "start_window": 0, "stop_wait": 2, "stop_attempts": 1}
    return defaults | quick | block


@pytest.fixture
def make(private_redis: PrivateRedis, tmp_path: Path) -> Iterator[Make]:
    made: list[Boss] = []

    def make(**services: Any) -> Boss:
        private_redis.flush()
        made.append(Boss(tmp_path / "home", private_redis.url, services))
        made[-1].start()
        return made[-1]

    yield make
    for boss in made:
        boss.close()


def send(boss: Boss, *cores: Any, optional: tuple[str, ...] = (), **fields: str) -> str:
    wishes = [{"name": core} if isinstance(core, str) else core for core in cores]
    args = {"core_services": wishes, "optional_services": list(optional)}
    return boss.send("start-core", "", args=orjson.dumps(args).decode(), **fields)


def result(receipt: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(receipt["result"])
    return found


def version(boss: Boss) -> int:
    raw: Any = boss.redis.get("dumb:config:version")
    return int(raw)


def test_what_is_needed_then_the_core_then_the_rest(make: Make) -> None:
    boss = make(
        postgres=gated("PostgreSQL", health=BY_PORT),
        riven_backend=gated("Riven Backend", branch_enabled=True),
        riven_frontend=plain("Riven Frontend"),
        plex=plain("Plex"),
        tautulli=plain("Tautulli"),
    )
    command = send(boss, "riven_backend", "plex", optional=("tautulli", "riven_frontend"))
    boss.wait_status("PostgreSQL", "starting")
    boss.wait_status("Plex", "running")
    assert boss.service("Riven Backend")["status"] in {"stopped", "waiting"}
    boss.open_gate("PostgreSQL")
    boss.wait_status("Riven Backend", "starting")
    assert boss.service("Tautulli")["status"] == "stopped"
    boss.open_gate("Riven Backend")
    receipt = boss.result(command)
    assert receipt["status"] == "succeeded"
    assert result(receipt)["errors"] == []
    assert [entry["service"] for entry in result(receipt)["results"]] == ["plex", "riven_backend"]
    steps = boss.steps(command)
    order = [steps.index(f"{n} is ready") for n in ("PostgreSQL", "Riven Backend", "Tautulli")]
    assert order == sorted(order)
    assert any(step.startswith("Riven Backend: spawned pid") for step in steps)
    assert {boss.service(n)["status"] for n in ("Tautulli", "Riven Frontend")} == {"running"}
    assert "start-core: Riven Backend is ready" in boss.log("DUMB API").decode()


def test_what_fails_is_told_and_what_was_changed_stays(make: Make) -> None:
    boss = make(
        plex=plain("Plex", command=["sh", "-c", "echo no such luck >&2; exit 3"], start_window=5),
        radarr={"instances": {"Default": plain("Radarr")}},
        zilean=plain("Zilean"),
        postgres=plain("PostgreSQL", command=[]),
    )
    receipt = boss.result(send(boss, "plex", "radarr", "nobody", optional=("zilean",)))
    assert receipt["status"] == "failed"
    found = result(receipt)
    assert found["results"] == [{"service": "radarr", "status": "started"}]
    errors = {entry["service"]: entry["error"] for entry in found["errors"]}
    assert list(errors) == ["nobody", "plex", "zilean", "PostgreSQL"]
    assert "no such luck" in errors["plex"]
    assert "PostgreSQL" in errors["zilean"]
    assert "Radarr was enabled" in found["changes"]
    assert f"version {version(boss)} stays" in receipt["detail"]
    tree = orjson.loads(boss.config.read_bytes())
    assert tree["plex"]["enabled"] is True
    assert tree["radarr"]["instances"]["Default"]["enabled"] is True


def test_nothing_changes_when_the_change_cannot_be_made(make: Make) -> None:
    boss = make(plex=plain("Plex"))
    refused = boss.result(send(boss, "plex", optional=("nobody",)))
    assert (refused["status"], result(refused)["code"]) == ("rejected", "invalid")
    boss.config.write_text("{")
    refused = boss.result(send(boss, "plex"))
    assert (refused["status"], result(refused)["code"]) == ("rejected", "conflict")
    assert boss.config.read_text() == "{"
    assert boss.service("Plex")["status"] == "stopped"


@pytest.mark.parametrize("args", ["[]", '{"core_services":1}', "{}", '{"core_services":[{}]}'])
def test_nonsense_is_rejected(make: Make, args: str) -> None:
    boss = make()
    before = boss.config.read_bytes()
    assert boss.run("start-core", "", args=args)["status"] == "rejected"
    assert boss.config.read_bytes() == before


def test_an_equal_one_joins_and_either_can_be_taken_back(make: Make) -> None:
    boss = make(plex=gated("Plex"))
    before = version(boss)
    first, second, third = send(boss, "plex"), send(boss, "plex"), send(boss, "plex")
    pid = int(boss.wait_status("Plex", "starting")["pid"])
    wait_until_sync(lambda: f"joined {first}, which is under way" in boss.steps(third), what="it")
    cancel = {"args": orjson.dumps({"command": first}).decode()}
    assert boss.run("cancel", "", **cancel)["status"] == "succeeded"
    assert boss.receipt(first)["status"] == "cancelled"
    boss.open_gate("Plex")
    for command in (second, third):
        assert result(boss.result(command))["results"][0]["status"] == "started"
    assert boss.service("Plex")["pid"] == str(pid)
    assert version(boss) == before + 1


def test_taken_back_it_leaves_nothing_half_started(make: Make) -> None:
    boss = make(plex=gated("Plex"), tautulli=plain("Tautulli"))
    command = send(boss, "plex", optional=("tautulli",))
    pid = int(boss.wait_status("Plex", "starting")["pid"])
    cancel = {"args": orjson.dumps({"command": command}).decode()}
    assert boss.run("cancel", "", **cancel)["status"] == "succeeded"
    receipt = boss.receipt(command)
    assert receipt["status"] == "cancelled"
    assert "stays" in receipt["detail"]
    assert [entry["service"] for entry in result(receipt)["errors"]] == ["plex", "tautulli"]
    assert boss.wait_status("Plex", "stopped")["desired"] == "down"
    assert gone(pid)
    assert boss.service("Tautulli")["status"] == "stopped"


def test_an_instance_has_its_directory_beside_that_of_the_first(make: Make, tmp_path: Path) -> None:
    (tmp_path / "default").mkdir()
    boss = make(
        sonarr={"instances": {"Default": gated("Sonarr", config_dir=str(tmp_path / "default"))}}
    )
    options = {"config_dir": str(tmp_path / "anime"), "port": free_port()}
    anime = {"name": "sonarr", "instance_name": "Anime", "service_options": {"sonarr": options}}
    command = send(boss, anime)
    wait_until_sync((tmp_path / "anime").is_dir)
    (tmp_path / "anime" / "go").touch()
    receipt = boss.result(command)
    assert receipt["status"] == "succeeded", receipt


def test_a_killed_supervisor_leaves_one_that_is_carried_out_once(make: Make) -> None:
    boss = make(
        plex=gated("Plex"),
        sonarr={"instances": {"Default": gated("Sonarr")}},
        tautulli=plain("Tautulli"),
    )
    before = version(boss)
    anime = {
        "name": "sonarr",
        "instance_name": "Anime",
        "service_options": {"sonarr": {"config_dir": "work/Anime", "port": free_port()}},
    }
    command = send(boss, "plex", anime, optional=("tautulli",))
    pids = [boss.wait_status(name, "starting")["pid"] for name in ("Plex", "Sonarr Anime")]
    boss.kill()
    boss.start()
    for name in ("Plex", "Anime"):
        boss.open_gate(name)
    receipt = boss.result(command)
    assert receipt["status"] == "succeeded", receipt
    assert [boss.service(name)["pid"] for name in ("Plex", "Sonarr Anime")] == pids
    assert boss.service("Tautulli")["generation"] == "1"
    assert version(boss) == before + 1
    boss.wait_acknowledged()
