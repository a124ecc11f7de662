"""What is tried, one function a row of the table. Each returns what it saw, or raises."""

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import orjson
from websockets.sync.client import ClientConnection, connect

from tests.compose.engine import BUILD_S, PROJECT, docker, health, inspect
from tests.compose.inside import expect, ids_of, pid_of, service_pid
from tests.compose.rights import (
    a_service_bends_no_path,
    a_volume_changes_hands,
    services_have_their_own_users,
)
from tests.compose.stack import PASSWORD, REPLICAS, SERVICE, WRITER, Stack, ok
from tests.support.load import Follower, Load, read_processes, restart
from tests.support.wait import wait_until_sync

Step = Callable[[Stack], str]
LONGEST_END_S: Final = 8.0


def images_are_built(stack: Stack) -> str:
    began = time.monotonic()
    stack.compose.run("build", timeout=BUILD_S)
    took = time.monotonic() - began
    sizes = {
        name: int(docker("image", "inspect", f"{name}:compose-test", "--format", "{{.Size}}"))
        for name in ("dumb", "dumb-proxy")
    }
    base = int(docker("image", "inspect", "python:3.11-slim-bookworm", "--format", "{{.Size}}"))
    said = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())
    return f"{said} (of which base {base / 1e6:.0f} MB), in {took:.0f} s"


def comes_up_healthy(stack: Stack) -> str:
    began = time.monotonic()
    stack.up()
    started = time.monotonic() - began
    stack.await_ready()
    ready = time.monotonic() - began
    stack.await_healthy()
    healthy = time.monotonic() - began
    return f"`up -d` {started:.0f} s, first answer {ready:.0f} s, all healthy {healthy:.0f} s"


def nothing_is_open_to_the_network(stack: Stack) -> str:
    published = []
    for container in stack.containers():
        ports = inspect(container)["NetworkSettings"]["Ports"] or {}
        published += [b for bindings in ports.values() for b in bindings or []]
    expect({b["HostIp"] for b in published} == {"127.0.0.1"}, f"published: {published}")
    expect([b["HostPort"] for b in published] == [str(stack.port)], f"published: {published}")
    users = {
        service: docker("exec", stack.compose.ids(service)[0], "id", "-u")
        for service in ("api", "jobs", "proxy")
    }
    expect("0" not in users.values(), f"root: {users}")
    stack.await_state(WRITER)
    expect(ids_of(stack) == ["1000", "1000"], f"a service runs as {ids_of(stack)}")
    redis = docker("exec", stack.compose.id("redis"), "sh", "-c", "cat /proc/1/status")
    expect(not re.search(r"^Uid:\s+0\b", redis, flags=re.MULTILINE), "redis runs as root")
    return "only the proxy, on 127.0.0.1; only the supervisor is root, and no service"


def first_account_and_another_replica(stack: Stack) -> str:
    body = {"username": "alice", "password": PASSWORD}
    for stranger in ({"Host": "dumb.example.org"}, {"Origin": "http://evil.example:3005"}):
        answer = stack.http.post("/auth/setup", json=body, headers=stranger)
        expect(answer.status_code == 403, f"{stranger} got {answer.status_code}")
    stack.post("/auth/setup", body)
    with stack.replica(0) as one:
        token = ok(one.post("/auth/login", json=body))["access_token"]
    stack.log_in(token)
    with stack.replica(1) as two, stack.replica(2) as three:
        names = ok(two.get("/auth/users"))["users"]
        expect(names[0]["username"] == "alice", f"users at replica 2: {names}")
        expect(ok(three.get("/process/processes"))["processes"], "no services at replica 3")
    return "strangers refused, set up through the proxy, logged in at 1, read at 2 and 3"


def sees(socket: ClientConnection, name: str, *, running: bool) -> bool:
    """Whether a frame within the next ones says so."""
    for _ in range(30):
        frame = orjson.loads(socket.recv(timeout=10))
        if frame.get("type") == "status" and (name in frame["running"]) == running:
            return True
    return False


def a_start_is_seen_at_all_replicas(stack: Stack) -> str:
    stack.post("/process/stop-service", {"process_name": SERVICE})
    with ExitStack() as opened:
        sockets = [
            opened.enter_context(
                connect(f"ws://{stack.replica_address(n)}:8000/ws/status?token={stack.token}")
            )
            for n in range(REPLICAS)
        ]
        expect(all(sees(s, SERVICE, running=False) for s in sockets), "not seen stopped")
        with stack.replica(1) as two:
            ok(two.post("/process/start-service", json={"process_name": SERVICE}))
        expect(all(sees(s, SERVICE, running=True) for s in sockets), "not seen running")
    return f"started at 2, seen on sockets at {REPLICAS} replicas"


def the_publisher_asks_and_nothing_else(stack: Stack) -> str:
    entry = stack.redis(
        "publisher", "XADD", "dumb:triggers", "*", "action", "restart", "process_name", SERVICE
    )
    expect(re.fullmatch(r"\d+-\d+", entry), f"XADD dumb:triggers: {entry}")

    def carried_out() -> bool:
        answer = stack.http.get(f"/process/commands/{entry}")
        return answer.status_code == 200 and answer.json()["status"] == "succeeded"

    wait_until_sync(carried_out, timeout=60, what="the publisher's restart")
    refused = [
        ("XADD", "dumb:commands", "*", "action", "stop", "process_name", SERVICE),
        ("SET", "dumb:config", "{}"),
        ("DEL", "dumb:triggers"),
        ("CONFIG", "GET", "*"),
        ("XRANGE", "dumb:triggers", "-", "+"),
        ("GET", "dumb:auth:secret"),
    ]
    for command in refused:
        said = stack.redis("publisher", *command)
        expect(said.startswith("NOPERM"), f"{command}: {said}")
    return f"XADD dumb:triggers works; {', '.join(c[0] for c in refused)} are refused"


def services_survive_their_supervisor(stack: Stack) -> str:
    before = stack.get("/process/service-status", process_name=WRITER, include_health="true")
    pid = service_pid(stack)
    boss = pid_of(stack, "services.supervisor")
    expect(pid and boss, "no pid of the service or of the supervisor")
    docker("exec", stack.compose.id("supervisor"), "sh", "-c", f"kill -9 {boss}")
    wait_until_sync(
        lambda: pid_of(stack, "services.supervisor") not in {0, boss}, timeout=60, what="the next"
    )
    stack.await_ready()
    stack.await_state(WRITER)
    expect(service_pid(stack) == pid, f"another pid: {pid} {service_pid(stack)}")
    expect(before["status"] == "running", f"before: {before}")
    expect(inspect(stack.compose.id("supervisor"))["RestartCount"] == 0, "container restarted")
    return "killed with -9: the next took over, the same pid runs on in the same container"


def a_replica_is_killed_under_load(stack: Stack) -> str:
    base = f"http://127.0.0.1:{stack.port}"
    asks = [read_processes, read_processes, restart(SERVICE, key=True)]
    with (
        Follower(f"ws://127.0.0.1:{stack.port}", stack.token, WRITER) as follower,
        Load(base, stack.token, asks) as load,
    ):
        wait_until_sync(lambda: follower.texts and load.seconds, timeout=60, what="load")
        for container in stack.compose.ids("api"):
            docker("kill", "--signal", "KILL", container)
            wait_until_sync(lambda c=container: health(c) == "exited" or health(c) == "starting")  # type: ignore[misc]
            docker("start", container)
            wait_until_sync(lambda c=container: health(c) == "healthy", timeout=90)  # type: ignore[misc]
        seen = len(follower.texts)
        wait_until_sync(lambda: len(follower.texts) > seen, timeout=30, what="further lines")
    expect(not load.failures, f"{len(load.failures)} failed: {load.failures[:3]}")
    expect(follower.dropped == 0, "lines were dropped")
    return (
        f"each of {REPLICAS} once: {len(load.seconds)} requests, none failed; a socket resumed "
        f"{len(follower.codes)} times"
    )


def replicas_restart_one_by_one(stack: Stack) -> str:
    base = f"http://127.0.0.1:{stack.port}"
    asks = [read_processes, read_processes, restart(SERVICE, key=False)]
    ends = []
    with (
        Follower(f"ws://127.0.0.1:{stack.port}", stack.token, WRITER) as follower,
        Load(base, stack.token, asks) as load,
    ):
        wait_until_sync(lambda: follower.texts and load.seconds, timeout=60, what="load")
        for container in stack.compose.ids("api"):
            began = time.monotonic()
            docker("stop", container)
            ends.append(time.monotonic() - began)
            expect(inspect(container)["State"]["ExitCode"] == 0, "a replica had to be killed")
            docker("start", container)
            wait_until_sync(lambda c=container: health(c) == "healthy", timeout=90)  # type: ignore[misc]
            time.sleep(2)  # the proxy's look at its name and its /readyz
    expect(not load.failures, f"{len(load.failures)} failed: {load.failures[:3]}")
    expect(max(ends) < LONGEST_END_S, f"ends took {ends}")
    return f"{len(load.seconds)} requests, none failed; each ended within {max(ends):.1f} s"


def redis_restarts(stack: Stack) -> str:
    before = stack.log()
    pid = service_pid(stack)
    stack.compose.run("restart", "redis")
    stack.await_ready()
    stack.await_state(WRITER)
    expect(service_pid(stack) == pid, "the service was restarted")
    lines = before.strip().splitlines()
    expect(lines[-1] in stack.log(), "a line from before is gone")
    expect(stack.get("/auth/me")["username"] == "alice", "the login is gone")
    return "logins, states and lines from before are there; services ran on"


def the_supervisor_container_restarts(stack: Stack) -> str:
    last = stack.log().strip().splitlines()[-1]
    began, before = time.monotonic(), stack.collector_began()
    stack.compose.run("restart", "supervisor", timeout=300)
    stack.await_ready()
    stack.await_state(WRITER, timeout=90)
    took = time.monotonic() - began
    expect(last in stack.log(), "a line from before is gone")
    wait_until_sync(lambda: stack.collector_began() > before, timeout=60, what="new metrics")
    return f"services are back after {took:.0f} s, lines from before too; metrics go on"


def the_supervisor_container_is_made_anew(stack: Stack) -> str:
    old, before = stack.compose.id("supervisor"), stack.collector_began()
    last = stack.log().strip().splitlines()[-1]
    stack.compose.run("up", "-d", "--no-deps", "--force-recreate", "supervisor", timeout=300)
    expect(stack.compose.id("supervisor") != old, "it is the same container")
    stack.await_healthy()
    stack.await_state(WRITER)
    expect(last in stack.log(), "a line from before is gone")
    expect(stack.collector_began() > before, "the collector is the old one")
    return "services, lines and metrics are back"


def the_command_line_in_the_container(stack: Stack) -> str:
    token = f"DUMB_TOKEN={stack.token}"
    said = docker(
        "exec", "-e", token, stack.compose.id("supervisor"), "dumb", "doctor", check=False
    )
    expect("Everything is well." in said, said[-800:])
    return "`dumb doctor`: everything is well"


def it_comes_back_from_its_volumes(stack: Stack) -> str:
    stack.post("/config", {"updates": {"tz": "Europe/Lisbon"}})
    last = stack.log().strip().splitlines()[-1]
    stack.compose.run("down", timeout=400)
    expect(not stack.containers(), "containers are left")
    stack.up()
    stack.await_healthy()
    stack.await_ready()
    expect(stack.get("/auth/me")["username"] == "alice", "the login is gone")
    expect(stack.get("/config")["tz"] == "Europe/Lisbon", "the configuration is gone")
    stack.await_state(WRITER)
    expect(last in stack.log(), "a line from before is gone")
    return "after `down` and `up`: account, login, configuration, lines"


def what_is_wrong_is_said(stack: Stack) -> str:
    project = stack.compose.name
    second = stack.compose.run("run", "--rm", "-T", "supervisor", check=False)
    expect("already running" in second, f"a second supervisor: {second[-300:]}")
    (stack.directory / "wrong").write_text("wrong")
    wrong = _alone(stack, ["-v", f"{stack.directory}/wrong:/run/secrets/redis_api:ro"])
    expect(wrong[0] == 77 and "refuses the user or the password" in wrong[1], str(wrong))
    away = _alone(
        stack, [], "redis://127.0.0.1:1/0", "services.launcher", "up", "--only", "supervisor"
    )
    expect(away[0] == 69 and "correct REDIS_URL" in away[1], str(away))
    config = stack.directory / "dumb_config.json"
    config.write_bytes((PROJECT / "dumb_config.json").read_bytes())
    config.chmod(0o666)
    mounted = _warning(stack, [f"{config}:/config/dumb_config.json"])
    expect("mount its directory /config instead of the file" in mounted, mounted[-500:])
    read_only = _warning(stack, [f"{project}_config:/config:ro"], "--user", "0:0")
    expect("may not be written" in read_only, read_only[-500:])
    missing = _alone(
        stack,
        ["--read-only"],
        "redis://redis:1/0",
        "services.launcher",
        "up",
        "--only",
        "supervisor",
    )
    expect(missing[0] == 73 and "DUMB_HOME" in missing[1], str(missing))
    codes = "second supervisor 75, wrong password 77, no Redis 69, no volume 73"
    return f"{codes}; a mounted file and a read-only mount: warned"


def _alone(stack: Stack, options: list[str], url: str = "", *command: str) -> tuple[int, str]:
    """A program in a container of its own: exit code and output."""
    arguments = ["python", "-m", *(command or ("services.api",))]
    options = [
        *options,
        *("-e", f"REDIS_URL={url or 'redis://api@redis:6379/0'}"),
        *(() if url else ("-e", "DUMB_REDIS_PASSWORD_FILE=/run/secrets/redis_api")),
    ]
    name = f"{stack.compose.name}-alone"
    network = f"{stack.compose.name}_bus"
    output = docker(
        "run",
        "--name",
        name,
        "--network",
        network,
        *options,
        "dumb:compose-test",
        *arguments,
        check=False,
    )
    code = int(inspect(name)["State"]["ExitCode"])
    docker("rm", "-f", name)
    expect("Traceback" not in output, output[-500:])
    return code, output


def _warning(stack: Stack, mounts: list[str], *more: str) -> str:
    """What a supervisor with this mount says at its start, on a data directory of its own."""
    name = f"{stack.compose.name}-warned"
    secret = stack.secrets / "redis_supervisor"
    volumes = [
        part for mount in [*mounts, f"{secret}:/run/secrets/redis:ro"] for part in ("-v", mount)
    ]
    variables = {
        "REDIS_URL": "redis://supervisor@redis:6379/0",
        "DUMB_REDIS_PASSWORD_FILE": "/run/secrets/redis",
        "DUMB_REDIS_PREFIX": "elsewhere:",
    }
    options = [part for key, value in variables.items() for part in ("-e", f"{key}={value}")]
    docker(
        *("run", "-d", "--name", name, "--network", f"{stack.compose.name}_bus"),
        *more,
        *options,
        *volumes,
        *("dumb:compose-test", "python", "-m", "services.supervisor"),
    )
    try:
        wait_until_sync(lambda: "mount" in docker("logs", name), timeout=20)
    except TimeoutError:
        return docker("logs", name)
    finally:
        said = docker("logs", name)
        docker("rm", "-f", name)
    return said


STEPS: Final[list[tuple[str, Step]]] = [
    ("images", images_are_built),
    ("`up -d --scale api=3`", comes_up_healthy),
    ("what is reachable, and who runs", nothing_is_open_to_the_network),
    ("first account, login at one replica, reading at others", first_account_and_another_replica),
    ("a start through one replica", a_start_is_seen_at_all_replicas),
    ("the publisher's Redis user", the_publisher_asks_and_nothing_else),
    ("the supervisor is killed in its container", services_survive_their_supervisor),
    ("replicas are killed under load", a_replica_is_killed_under_load),
    ("replicas are restarted one by one under load", replicas_restart_one_by_one),
    ("redis is restarted", redis_restarts),
    ("the supervisor's container is restarted", the_supervisor_container_restarts),
    ("the supervisor's container is made anew", the_supervisor_container_is_made_anew),
    ("the command line in the container", the_command_line_in_the_container),
    ("torn down and brought up again", it_comes_back_from_its_volumes),
    ("what a service's user can reach", a_service_bends_no_path),
    ("users of services", services_have_their_own_users),
    ("a volume of a supervisor without root", a_volume_changes_hands),
    ("what somebody got wrong", what_is_wrong_is_said),
]
