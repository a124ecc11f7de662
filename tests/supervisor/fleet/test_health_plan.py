"""From blocks to checks: what is known of services, what a block says, and what they find."""

import sys
from pathlib import Path
from typing import Any

import pytest

from services.supervisor.fleet.health_plan import HealthPlan, Planner, plan_health
from services.supervisor.probes.check import (
    ApplicationCheck,
    BrokenCheck,
    ExecCheck,
    HttpCheck,
    PortCheck,
    ProcessCheck,
    TcpCheck,
)
from services.supervisor.probes.verdict import Health
from services.supervisor.spawn import build_spec
from tests.supervisor.blocks import around, service
from tests.supervisor.probes.serving import ok, served
from tests.support.redis_server import free_port

TRUE_IS_NOT_1 = "'a' is 'True' instead of '1'"


def plan(home: Path, key: str = "web", **block: Any) -> HealthPlan:
    found = service(key, **{"command": [sys.executable], **block})
    return plan_health(found, build_spec(found, around(home)), around(home))


def test_by_default_ports_are_asked_and_then_the_application(tmp_path: Path) -> None:
    assert plan(tmp_path).liveness.check == PortCheck("127.0.0.1", ())
    assert plan(tmp_path).start is None
    sonarr = plan(tmp_path, "sonarr", port=8989, host="10.0.0.1")
    check = sonarr.liveness.check
    assert isinstance(check, PortCheck)
    assert (check.host, check.ports, check.then) == ("10.0.0.1", (8989,), sonarr.start)
    assert isinstance(sonarr.start, ApplicationCheck)
    assert (sonarr.start.target.host, sonarr.start.target.path) == ("127.0.0.1", "/ping")
    assert sonarr.readiness is None
    assert plan(tmp_path, "sonarr").start is None  # no port, nobody to ask


@pytest.mark.parametrize(
    ("key", "block", "path", "port"),
    [
        ("infinidysk", {"frontend_port": 3000, "backend_port": 8080}, "/health", 8080),
        ("jellyfin", {"port": 8096}, "/health", 8096),
        ("emby", {"port": 8096}, "/emby/System/Ping", 8096),
        ("plex", {"port": 32400}, "/identity", 32400),
        ("seerr", {"port": 5055}, "/api/v1/status", 5055),
        ("authelia", {"port": 9091}, "/api/health", 9091),
        ("aiostreams", {"port": 3006}, "/api/v1/health", 3006),
        ("pgadmin", {"port": 5050}, "/misc/ping", 5050),
    ],
)
def test_the_table_of_applications(
    tmp_path: Path, key: str, block: dict[str, Any], path: str, port: int
) -> None:
    check = plan(tmp_path, key, **block).start
    assert isinstance(check, ApplicationCheck)
    assert (check.target.path, check.target.port) == (path, port)


@pytest.mark.parametrize(
    ("argv", "port", "auth"),
    [
        (["mount"], 0, None),
        (["mount", "--rc"], 5572, None),
        (["--rc", "--rc-addr", "127.0.0.1:1234"], 1234, None),
        (["--rc", "--rc-addr=:1234", "--rc-user=u", "--rc-pass", "p"], 1234, ("u", "p")),
        (["--rc", "--rc-addr", "10.0.0.1:1234"], 0, None),
        (["--rc", "--rc-addr", "unix:///x"], 0, None),
        (["--rc", "--rc-addr", "localhost:99999"], 0, None),
    ],
)
def test_rclone_is_asked_when_it_can_be(
    tmp_path: Path, argv: list[str], port: int, auth: tuple[str, str] | None
) -> None:
    check = plan(tmp_path, "rclone", command=[sys.executable, *argv]).start
    if not port:
        assert check is None
        return
    assert isinstance(check, ApplicationCheck)
    assert (check.target.method, check.target.path) == ("POST", "/core/version")
    assert (check.target.port, check.target.auth) == (port, auth)


@pytest.mark.parametrize(
    ("code", "health"),
    [(0, "healthy"), (1, "starting"), (2, "unhealthy"), (3, "degraded"), (None, "degraded")],
)
async def test_postgres_is_asked_by_its_own_tool(
    tmp_path: Path, code: int | None, health: str
) -> None:
    (tmp_path / "postgres").write_text("#!/bin/sh\n")
    (tmp_path / "postgres").chmod(0o755)
    if code is not None:  # beside the server, as Debian has it
        (tmp_path / "pg_isready").write_text(f'#!/bin/sh\necho "$@" >&2\nexit {code}\n')
        (tmp_path / "pg_isready").chmod(0o755)
    found = service("postgres", command=[str(tmp_path / "postgres")], port=5432, user="DUMB")
    here = around(tmp_path, {"PATH": "/nowhere"})
    check = plan_health(found, build_spec(found, here), here).start
    assert check is not None
    verdict = await check()
    assert verdict.health == health
    assert verdict.details["probe"] == "application"
    if code:
        assert verdict.details["exit_code"] == code
        assert "-h 127.0.0.1 -p 5432" in verdict.reason


def test_a_block_says_how(tmp_path: Path) -> None:
    health = {
        "liveness": {"kind": "tcp", "port": "{port}", "interval": 2, "failure_threshold": 4},
        "readiness": {"kind": "exec", "command": "test -d {config_dir}", "success_threshold": 2},
        "start_period": 9,
    }
    found = plan(tmp_path, "sonarr", port=8989, config_dir="x y", health=health)
    assert found.liveness.check == TcpCheck("127.0.0.1", 8989, 2.5)
    assert (found.liveness.interval_s, found.liveness.failures) == (2, 4)
    assert found.readiness is not None
    assert isinstance(found.readiness.check, ExecCheck)
    assert found.readiness.check.person.cwd == tmp_path / "x y"
    assert found.readiness.successes == 2
    assert (found.start, found.start_period_s) == (found.readiness.check, 9)


def test_a_liveness_of_ones_own_is_no_reason_to_wait(tmp_path: Path) -> None:
    found = plan(tmp_path, "sonarr", port=8989, health={"liveness": {"kind": "process"}})
    assert found.liveness.check == ProcessCheck()
    assert found.start is None


@pytest.mark.parametrize(
    "probe", [{"kind": "http"}, {"kind": "tcp", "port": "{nothing}"}, {"kind": "exec"}]
)
async def test_what_cannot_be_asked_is_degraded_and_says_why(
    tmp_path: Path, probe: dict[str, Any]
) -> None:
    check = plan(tmp_path, health={"liveness": probe}).liveness.check
    assert isinstance(check, BrokenCheck)
    verdict = await check()
    assert (verdict.health, verdict.reason[:16]) == (Health.DEGRADED, "health.liveness:")


# -- what checks find ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probe", "reply", "health", "reason"),
    [
        ({}, ok(b""), "healthy", ""),
        ({}, ok(b"", "404 No"), "degraded", "HTTP 404"),
        ({}, ok(b"", "500 No"), "unhealthy", "HTTP 500"),
        ({"status": 404}, ok(b"", "404 No"), "healthy", ""),
        ({"status": [200, 204]}, ok(b"", "404 No"), "unhealthy", "HTTP 404 instead of 200, 204"),
        ({"contains": "pong"}, ok(b"ping pong"), "healthy", ""),
        ({"contains": "pong"}, ok(b"ping"), "unhealthy", "The answer lacks 'pong'"),
        ({"json_field": "a"}, ok(b'{"a": 0}'), "healthy", ""),
        ({"json_field": "a"}, ok(b"{}"), "unhealthy", "The answer lacks 'a'"),
        ({"json_field": "a"}, ok(b"x"), "unhealthy", "The answer is not JSON"),
        ({"json_field": "a", "json_value": "up"}, ok(b'{"a": "up"}'), "healthy", ""),
        ({"json_field": "a", "json_value": 1}, ok(b'{"a": true}'), "unhealthy", TRUE_IS_NOT_1),
    ],
)  # fmt: skip
async def test_http_expects_what_the_block_says(
    tmp_path: Path, probe: dict[str, Any], reply: bytes, health: str, reason: str
) -> None:
    async with served(reply) as server:
        tree = {"kind": "http", "path": "/h", **probe}
        check = plan(tmp_path, port=server.port, health={"readiness": tree}).start
        assert isinstance(check, HttpCheck)
        verdict = await check()
    assert (verdict.health, verdict.reason) == (health, reason)
    assert verdict.details["endpoint"] == "/h"


async def test_ports_come_before_the_application(tmp_path: Path) -> None:
    closed = free_port()
    async with served(ok(b'{"status": "OK"}')) as server:
        good = await plan(tmp_path, "sonarr", port=server.port).liveness.check()
        ports = {"port": server.port, "frontend_port": closed}
        bad = await plan(tmp_path, "sonarr", **ports).liveness.check()
        plain = await plan(tmp_path, port=server.port).liveness.check()
    assert (good.health, good.details["reported_status"]) == (Health.HEALTHY, "OK")
    assert (bad.health, bad.reason) == (
        Health.UNHEALTHY,
        f"Port 127.0.0.1:{closed} not responding",
    )
    assert bad.details == {"probe": "port", "host": "127.0.0.1", "port": closed}
    assert plain.details == {"probe": "process_and_ports", "ports": [server.port]}


async def test_programs_say_it_with_their_exit_code(tmp_path: Path) -> None:
    def check(command: Any, **more: Any) -> Any:
        probe = {"kind": "exec", "command": command, **more}
        return plan(tmp_path, health={"liveness": probe}).liveness.check()

    assert (await check(["true"])).health == Health.HEALTHY
    failed = await check(["sh", "-c", "echo why; exit 7"])
    assert (failed.health, failed.reason) == (Health.UNHEALTHY, "sh ended with 7: why")
    late = await check(["sleep", "100"], timeout=0.1)
    assert late.reason == "sleep did not end within 0.1 s"
    assert (await check(["no-such-program"])).reason == "no-such-program: not found on PATH"


def test_a_running_process_keeps_its_port_and_takes_over_how_it_is_checked(tmp_path: Path) -> None:
    planner = Planner(lambda: around(tmp_path))
    began = service(command=["sh"], port=1000)
    planner.began(began)
    changed = service(command=["sh"], port=2000)
    assert planner.plan(changed).liveness.check == PortCheck("127.0.0.1", (1000,))
    assert planner.plan(changed) is planner.plan(began)
    probe = {"kind": "tcp", "port": "{port}"}
    asked = service(command=["sh"], port=2000, health={"liveness": probe})
    assert planner.plan(asked).liveness.check == TcpCheck("127.0.0.1", 1000, 2.5)
    planner.began(asked)
    assert planner.plan(asked).liveness.check == TcpCheck("127.0.0.1", 2000, 2.5)


def test_an_adopted_process_whose_command_is_gone_is_checked_by_its_ports(tmp_path: Path) -> None:
    planner = Planner(lambda: around(tmp_path))
    planner.began(service(command=["/no/such"], port=1000))
    assert planner.plan(service(port=1000)).liveness.check == PortCheck("127.0.0.1", (1000,))
