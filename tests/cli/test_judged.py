"""A boot in which services hang: every surface says the same of them, with real programs."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import connect

from tests.cli.conftest import Rig
from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync

PORT: Final = Path(__file__).resolve().parents[1] / "programs" / "port.py"
HANGING: Final = ("Failed", "Hanging", "Waiting")
STARTUP: Final = {"stabilization_seconds": 0, "readiness_timeout_seconds": 2}


def services(home: Path, port: int) -> dict[str, Any]:
    """One of each kind; `Done` is a one-shot, `Slow` may take as long as it likes."""
    blocks: dict[str, dict[str, Any]] = {
        "Fine": {"command": ["sleep", "1000"]},
        "Done": {"command": ["true"], "expected_exit": [0]},
        "Failed": {"command": ["sh", "-c", "echo ERROR no key; exit 3"]},
        "Waiting": {"command": ["sleep", "1000"], "wait_for_dir": str(home / "later")},
        "Hanging": {
            "command": [sys.executable, "-I", "-S", str(PORT), "{port}"],
            "port": port,
            "config_dir": "work",
            "start_timeout": 900,
        },
        "Stopped": {"command": ["sleep", "1000"], "enabled": False},
    }
    return {
        name.lower(): {"process_name": name, "enabled": True, **block}
        for name, block in blocks.items()
    }


def test_every_surface_says_the_same(rig: Rig) -> None:
    rig.supervisor.stop()
    (rig.home / "work").mkdir()
    blocks = services(rig.home, free_port())
    rig.supervisor.write_config(blocks, startup=STARTUP, onboarding_completed=True)
    rig.supervisor.start()
    with httpx.Client(base_url=rig.base, timeout=10) as http:
        _compare(rig, http, blocks)


def _compare(rig: Rig, http: httpx.Client, blocks: dict[str, Any]) -> None:
    def boot() -> dict[str, Any]:
        found: dict[str, Any] = http.get("/process/startup-status").json()
        return found

    wait_until_sync(lambda: boot()["phase"] == "degraded", timeout=20)
    health = http.get("/health").json()
    assert health["status"] == "unhealthy"
    assert [part.split()[0] for part in health["details"].split(" | ")] == list(HANGING)
    assert sorted(boot()["failures"]) == list(HANGING)

    states = {s["process_name"]: s for s in http.get("/process/states").json()["services"]}
    verdicts = {name: state["judgement"]["verdict"] for name, state in states.items()}
    assert sorted(n for n, v in verdicts.items() if v == "attention") == list(HANGING)
    assert {verdicts[name] for name in ("Fine", "Done", "Stopped", "DUMB API")} == {"ok"}

    checks = http.get("/environment").json()["checks"]
    assert [c["name"] for c in checks if c["name"].startswith("service ")] == [
        f"service {name}" for name in HANGING
    ]
    doctor = rig.dumb("doctor")
    assert doctor.returncode == 1
    assert all(f"PROBLEM  service {name}: {name} " in doctor.stdout for name in HANGING)
    assert "Done" not in doctor.stdout

    numbers = http.get("/metrics/prometheus").text.splitlines()
    for name in ("Fine", "Done", *HANGING, "Stopped"):
        want = {
            "up": name == "Fine",
            "expected_up": name not in {"Done", "Stopped"},
            "ready": name in {"Fine", "Done"},
            "needs_attention": name in HANGING,
        }
        for metric, value in want.items():
            line = f'dumb_service_{metric}{{service="{name}"}} {float(value)}'
            assert line in numbers, line

    # Alive is not ready: the process lives, so a watchdog has nothing to restart.
    listed = {p["process_name"]: p for p in http.get("/process/processes").json()["processes"]}
    for name, status, state, ready in (
        ("Fine", "running", "running", True),
        ("Hanging", "running", "starting", False),
        ("Waiting", "stopped", "waiting", False),
        ("Failed", "stopped", "failed", False),
        ("Done", "stopped", "exited", True),
        ("Stopped", "stopped", "stopped", False),
        ("DUMB API", "running", "running", True),
    ):
        alone = http.get("/process/service-status", params={"process_name": name}).json()
        for found in (listed[name], alone):
            assert (found["status"], found["state"], found["ready"]) == (status, state, ready), name
    assert listed["Hanging"]["waiting_for"] == f"port {blocks['hanging']['port']}"
    assert listed["Waiting"]["waiting_for"].startswith("directory ")
    assert "no key" in listed["Failed"]["last_failure_reason"]
    assert listed["Fine"]["last_failure_reason"] is None

    with connect(f"ws://127.0.0.1:{rig.api_port}/ws/status?health=true") as socket:
        frame = json.loads(socket.recv(10))
        while any(p["judgement"]["reason"] == "" for p in frame["processes"]):
            frame = json.loads(socket.recv(10))
    live = {p["process_name"]: p for p in frame["processes"]}
    assert sorted(live) == ["DUMB API", "Fine", "Hanging"]
    assert (live["Hanging"]["ready"], live["Hanging"]["state"]) == (False, "starting")

    table = rig.says("status")
    for name in HANGING:
        assert states[name]["judgement"]["reason"].removeprefix(f"{name} ")[:20] in table

    # What was missing comes: everything is well, and says so.
    (rig.home / "work" / "go").touch()
    (rig.home / "later").mkdir()
    assert http.post("/process/stop-service", json={"process_name": "Failed"}).status_code == 200
    wait_until_sync(lambda: boot()["phase"] == "ready", timeout=20)
    wait_until_sync(lambda: http.get("/health").json() == {"status": "healthy"}, timeout=10)
    assert rig.says("doctor").endswith("\nEverything is well.\n")
    alone = http.get("/process/service-status", params={"process_name": "Hanging"}).json()
    assert (alone["ready"], alone["last_failure_reason"]) == (True, None)
