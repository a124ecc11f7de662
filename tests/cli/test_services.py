"""`dumb status`, `start`, `stop`, `restart` against a real installation."""

import json
import os
import re
import subprocess

from tests.cli.conftest import DUMB, Rig
from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync


def rows(text: str) -> dict[str, str]:
    """The lines of a table by what they begin with."""
    return {re.split(r"\s{2,}", line)[0]: line for line in text.splitlines()}


def test_status_shows_what_is_enabled_or_runs(rig: Rig) -> None:
    found = rows(rig.process("status").stdout)
    assert set(found) == {"NAME", "DUMB API", "Web Server", "Talker"}
    assert found["NAME"].split() == ["NAME", "STATUS", "HEALTH", "SINCE", "DETAIL"]
    assert re.match(r"Web Server  running  healthy  \d+s$", found["Web Server"])
    every = rows(rig.says("status", "--all"))
    assert every["Off"].split() == ["Off", "stopped", "-", "-", "not", "enabled"]
    assert list(rows(rig.says("status", "webserver", "off"))) == ["NAME", "Web Server", "Off"]


def test_status_as_json(rig: Rig) -> None:
    services = json.loads(rig.says("status", "--json", "--all"))["services"]
    web = next(state for state in services if state["process_name"] == "Web Server")
    assert (web["status"], web["health"], web["desired"]) == ("running", "healthy", "up")
    assert web["pid"] > 1
    assert web["restart"]["restart_attempts"] == 0


def test_an_unknown_name_suggests_the_nearest(rig: Rig) -> None:
    assert "Did you mean 'Web Server'?" in rig.refused("status", "Web Sever")
    assert "Did you mean 'Talker'?" in rig.refused("restart", "talkr")
    assert rig.refused("logs", "zzz") == "No service is named 'zzz'.\n"
    assert "Say which services, or --all." in rig.refused("stop", "Off", "--all", code=2)


def test_several_at_once(rig: Rig) -> None:
    text = rig.says("restart", "web server", "Talker", "WebServer")
    assert text == "Web Server: restarted\nTalker: restarted\n"
    assert re.fullmatch(r"Talker: restarted in \d\.\d s\n", rig.says("restart", "Talker"))
    assert rig.says("start", "Talker") == "Talker: already running\n"
    assert rig.says("stop", "Off") == "Off: was not running\n"


def test_one_that_fails_does_not_keep_the_others(rig: Rig) -> None:
    done = rig.dumb("start", "Broken", "Off")
    assert (done.returncode, done.stdout) == (1, "Off: started\n")
    assert re.match(r"Broken: failed to stay running \(exit code 3\).*no key", done.stderr)
    assert "exit code 3" in rows(rig.says("status", "broken"))["Broken"]
    assert re.match("Broken: failed to stay", rig.refused("start", "Broken"))
    assert "is this API itself: leave it out" in rig.refused("stop", "DUMB API", "Off")
    assert rig.says("stop", "Off").startswith("Off: stopped in ")


def test_without_waiting(rig: Rig) -> None:
    text = rig.says("start", "Stubborn", "--no-wait")
    assert text.startswith("Stubborn: queued as ")
    several = rig.says("start", "Stubborn", "Talker", "--no-wait")
    assert several.startswith("start of 2 services: queued as ")
    wait_until_sync(lambda: rig.supervisor.service("Stubborn")["status"] == "running")
    done = rig.says("stop", "Stubborn")
    assert re.fullmatch(r"Stubborn: stopped in [1-9]\.\d s\n", done)


def test_a_command_is_taken_back(rig: Rig) -> None:
    command_id = rig.says("start", "Slow", "--no-wait").split()[-1]
    rig.supervisor.wait_status("Slow", "starting")
    assert rig.says("commands", "cancel", command_id) == f"{command_id}: cancelled\n"
    shown = rig.says("commands", "show", command_id).splitlines()
    assert shown[3] == "status: cancelled"
    over = rig.says("start", "Talker", "--no-wait").split()[-1]
    rig.supervisor.result(over)
    assert "It is over: succeeded." in rig.refused("commands", "cancel", over)
    assert "No command has the id 'x'" in rig.refused("commands", "cancel", "x")


def test_all_of_them(rig: Rig) -> None:
    rig.dumb("start", "Broken")  # ought to run and does not: a stop ends that
    stopped = rig.says("stop", "--all")
    assert {"Web Server: stopped", "Talker: stopped"} <= set(stopped.splitlines())
    assert rig.says("stop", "--all") == "There is nothing to do.\n"
    started = rig.says("start", "-a").splitlines()
    assert {"Web Server: started", "Talker: started"} <= set(started)


def test_watching_in_a_pipe_prints_what_changes(rig: Rig) -> None:
    with subprocess.Popen(
        [str(DUMB), "status", "-w", "--interval", "0.2", "Web Server"],
        env=rig.environ(),
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[1:] == ["Web", "Server", "running", "healthy"]
        rig.says("stop", "Web Server")
        seen = watching.stdout.readline().split()[3]
        if seen == "stopping":  # a look may fall between the two
            seen = watching.stdout.readline().split()[3]
        assert seen == "stopped"
        watching.terminate()
    rig.says("start", "Web Server")


def test_an_api_that_is_none(rig: Rig) -> None:
    away = rig.refused("start", "Talker", code=69, env={"DUMB_API_SERVICE_PORT": str(free_port())})
    assert "(Connection refused)" in away
    assert "make run" in away
    wrong = f"http://127.0.0.1:{free_port()}/"
    assert f"not answer at {wrong.rstrip('/')} " in rig.refused("--url", wrong, "status", code=69)
    for bad in ("localhost:8000", "ftp://x"):
        assert "use http://HOST:PORT" in rig.refused("status", code=78, env={"DUMB_API_URL": bad})
    assert "does not answer" in rig.refused("--url", "http://[::1", "status", code=69)
    odd = rig.refused("status", code=78, env={"DUMB_API_SERVICE_PORT": "x"})
    assert "not a port" in odd
    assert rig.dumb("--help", env={"DUMB_API_SERVICE_PORT": "x"}).returncode == 0


def test_names_that_are_no_text_and_a_terminal_that_knows_few(rig: Rig) -> None:
    odd = os.fsdecode(b"W\xff")
    assert "No service is named 'W" in rig.process("status", odd).stderr
    assert "bytes that are no text" in rig.refused("users", "add", odd, typed="password 1\n")
    rig.add_services({"uml": {"process_name": "Übung", "enabled": False}})
    latin = rig.process("status", "übung", env={"PYTHONIOENCODING": "ascii"})
    assert (latin.returncode, latin.stdout.split()[5]) == (0, r"\xdcbung")


def test_names_are_completed(rig: Rig) -> None:
    asked = {
        "_DUMB_COMPLETE": "complete_bash",
        "COMP_WORDS": "dumb stop Web",
        "COMP_CWORD": "2",
    }
    assert "Web Server" in rig.process(env=asked).stdout
    away = rig.process(env={**asked, "DUMB_API_SERVICE_PORT": str(free_port())})
    assert (away.stdout.strip(), away.stderr) == ("", "")
