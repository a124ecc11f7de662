"""What a service can reach, and what a volume becomes that was a service's."""

from typing import Final

from tests.compose.engine import docker
from tests.compose.inside import as_service, expect, ids_of, pid_of
from tests.compose.stack import FRONTEND, WRITER, Stack
from tests.support.wait import wait_until_sync


def services_have_their_own_users(stack: Stack) -> str:
    changes = {"process_name": WRITER, "updates": {"puid": 1234, "pgid": 1235}, "persist": True}
    stack.post("/config", changes)
    stack.post("/process/restart-service", {"process_name": WRITER})
    expect(ids_of(stack) == ["1234", "1235"], f"ids: {ids_of(stack)}")
    changes["updates"] = {"puid": 1000, "pgid": 1000}
    stack.post("/config", changes)
    return "a service with `puid` 1234 runs as that user, without other groups and capabilities"


def a_volume_changes_hands(stack: Stack) -> str:
    """From a supervisor without root, as it was the default, to one that is root."""
    give = ["run", "--rm", "-T", "--user", "0", "--entrypoint", "chown", "supervisor"]
    last = stack.log().strip().splitlines()[-1]
    stack.compose.run("stop", "supervisor", timeout=300)
    stack.compose.run(*give, "-R", "1000:1000", "/data", "/config")
    stack.compose.env["DUMB_SUPERVISOR_USER"] = "1000:1000"
    stack.up()
    stack.await_healthy()
    stack.await_state(WRITER)
    expect(ids_of(stack) == ["1000", "1000"], "without root the service has another user")
    opened = as_service(stack, OPEN, f"/proc/{pid_of(stack, 'services.supervisor')}/environ")
    expect(not opened, f"without root a service opened {opened}")
    as_service(stack, "import os; os.symlink('/run/secrets/redis_supervisor', '/data/log/x.log')")
    del stack.compose.env["DUMB_SUPERVISOR_USER"]
    stack.up()
    stack.await_healthy()
    stack.await_state(WRITER)
    expect(ids_of(stack) == ["1000", "1000"], "under root the service has another user")
    expect(stack.get("/auth/me")["username"] == "alice", "the login is gone")
    expect(last in stack.log(), "a line from before is gone")
    script = "stat -c '%u %a %n' /data /data/run /data/log /config /data/users.json /config/*.json"
    script += "; ls /data/log"
    found = docker("exec", stack.compose.id("supervisor"), "sh", "-c", script).splitlines()
    closed = ["0 711 /data", "0 700 /data/run", "0 700 /data/log", "0 711 /config"]
    closed += ["0 600 /data/users.json", "0 600 /config/dumb_config.json"]
    expect(found[: len(closed)] == closed, f"after the change: {found}")
    expect("x.log" not in found, "a service's link is in the directory of logs")
    return "without root: memory is closed; then root's: account, lines, a service's link removed"


OPEN: Final = """
import os, sys
for name in sys.argv[1:]:
    try:
        os.close(os.open(name, os.O_RDONLY))
    except OSError:
        continue
    print(name)
"""
"""Prints which of some files can be opened."""

SERVER: Final = ["{python}", "-u", "-m", "http.server", "{port}"]

BEND: Final = """
import os
os.chdir("/data/demo/logger")
for name in ("app.log", "frontend.log"):
    os.symlink("/data/users.json", name)
for directory in ("/data", "/data/run", "/data/log", "/config", "/run/secrets"):
    try:
        os.close(os.open(directory + "/mine", os.O_CREAT | os.O_WRONLY))
    except OSError:
        continue
    print("made a file in", directory)
"""


def a_service_bends_no_path(stack: Stack) -> str:
    boss = pid_of(stack, "services.supervisor")
    files = ["/run/secrets/redis_supervisor", "/run/secrets/redis_metrics", "/data/users.json"]
    files += ["/data/run/journal.jsonl", "/data/redis.url", "/config/dumb_config.json"]
    files += [f"/proc/{boss}/environ", f"/proc/{boss}/mem", "/data/log", "/data/run"]
    opened = as_service(stack, OPEN, *files)
    expect(not opened, f"a service opened {opened}")
    bent = as_service(stack, BEND)
    expect(not bent, bent)
    secret = docker("exec", stack.compose.id("supervisor"), "cat", "/data/users.json")
    _name_log(stack, WRITER, "app.log")
    _name_log(stack, FRONTEND, "frontend.log", command=SERVER)
    for name, refusal in ((WRITER, "is not read"), (FRONTEND, "is not written")):
        wait_until_sync(
            lambda n=name, r=refusal: r in _log_problem(stack, n),  # type: ignore[misc]
            timeout=30,
            what=f"{name} to say that its log {refusal}",
        )
    expect("Serving" in stack.log(FRONTEND), "captured lines are gone")
    for name in (WRITER, FRONTEND):
        expect("password" not in stack.log(name), f"users.json is in the log of {name}")
    now = docker("exec", stack.compose.id("supervisor"), "cat", "/data/users.json")
    expect(now == secret, "users.json was written to")
    stack.post("/process/stop-service", {"process_name": FRONTEND})
    _name_log(stack, WRITER, "")
    return "secrets, configuration, memory: not readable; its log as a link: refused, and said"


def _name_log(stack: Stack, name: str, file: str, **more: object) -> None:
    """Let a service that is started again have another log file."""
    path = f"/data/demo/logger/{file}" if file else ""
    updates = {"log_file": path, "config_dir": "demo/logger", **more}
    stack.post("/config", {"process_name": name, "updates": updates, "persist": True})
    stack.post("/process/restart-service", {"process_name": name})


def _log_problem(stack: Stack, name: str) -> str:
    return stack.redis("supervisor", "HGET", f"dumb:service:{name}", "log_problem")
