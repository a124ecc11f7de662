"""`dumb doctor` and `dumb top`: with everything there, and with one part after another gone."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.cli.doctor.findings import report
from services.cli.doctor.machine import check_options, lock_holder
from services.cli.terminal import Terminal
from services.cli.top import host_line, rows
from shared.bus.claim import Holder
from shared.settings import load_settings
from tests.cli.conftest import Rig
from tests.cli.terminal import OnTerminal
from tests.support.program import PROJECT
from tests.support.wait import wait_until_sync


def problems(text: str) -> dict[str, str]:
    """Detail and advice of each problem by its name."""
    found = re.findall(r"PROBLEM  ([^:]+): (.*(?:\n {9}.*)?)", text)
    return {name: " ".join(words.split()) for name, words in found}


@contextmanager
def metrics(rig: Rig) -> Iterator[None]:
    collector = subprocess.Popen(
        [sys.executable, "-m", "services.metrics"],
        cwd=PROJECT,
        env=rig.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_sync(lambda: rig.dumb("top").returncode == 0, timeout=20)
        yield
    finally:
        collector.terminate()
        collector.wait()


def test_everything_is_well(rig: Rig) -> None:
    text = rig.says("doctor")
    assert problems(text) == {}
    assert text.endswith("\nEverything is well.\n")
    for name in (
        "data directory",
        "configuration file",
        "api",
        "redis",
        "supervisor",
        "services",
        "supervisor claim",
    ):
        assert f"ok       {name}: " in text
    tree = json.loads(rig.says("doctor", "--json"))
    assert tree["ok"] is True
    assert {"name", "ok", "detail", "advice"} == set(tree["checks"][0])


def test_a_service_that_does_not_run(rig: Rig) -> None:
    rig.dumb("start", "Broken")
    done = rig.dumb("doctor")
    assert (done.returncode, list(problems(done.stdout))) == (1, ["service Broken"])
    assert "See `dumb logs 'Broken'`." in done.stdout
    assert "1 problem found." in done.stdout
    rig.says("stop", "Broken")
    with OnTerminal(rig, "doctor") as screen:
        assert screen.end() == 0
    assert "\x1b[32mok" in screen.output


def test_what_this_machine_alone_can_tell(rig: Rig) -> None:
    away = rig.dumb("--url", "http://127.0.0.1:1", "doctor")
    assert list(problems(away.stdout)) == ["api"]
    assert "ok       redis: answers at 127.0.0.1:" in away.stdout
    assert "ok       supervisor process: pid " in away.stdout
    wrong = {
        "REDIS_URL": rig.redis.url.replace(":pw@", ":wrong@"),
        "DUMB_API_URL": "http://[::1]:1",
    }
    found = problems(rig.dumb("doctor", env=wrong).stdout)
    assert "Correct the password in REDIS_URL" in found["redis"]
    bad = problems(rig.dumb("doctor", env={**wrong, "REDIS_URL": "http://x"}).stdout)
    assert "its URL cannot be used" in bad["redis"]
    none = rig.dumb("doctor", env={**wrong, "REDIS_URL": "", "DUMB_HOME": "/nowhere"})
    assert "set DUMB_API_URL to where it runs" in problems(none.stdout)["api"]
    assert none.returncode == 1


def test_files_that_are_wrong(rig: Rig) -> None:
    good = rig.supervisor.config.read_text()
    rig.home.chmod(0o777)
    rig.supervisor.config.write_text(good[:-1] + ',\n"a": }')
    rig.logins.parent.mkdir(parents=True)
    rig.logins.write_text("broken")
    try:
        found = problems(rig.dumb("doctor").stdout)
    finally:
        rig.home.chmod(0o700)
        rig.supervisor.config.write_text(good)
        rig.logins.unlink()
    assert "may be written by others chmod go-w" in found["data directory"]
    assert re.search(r"dumb_config\.json:2: .*\(column", found["configuration file"])
    assert "then `dumb login` again" in found["login"]
    gone = problems(rig.dumb("doctor", env={"DUMB_CONFIG": "/nowhere.json"}).stdout)
    assert "is not there" in gone["configuration file"]
    odd = rig.dumb("doctor", env={"DUMB_API_SERVICE_PORT": "x"})
    assert (odd.returncode, list(problems(odd.stdout))) == (1, ["settings"])


def test_the_supervisor_is_gone(rig: Rig) -> None:
    rig.supervisor.kill()
    away = {"DUMB_API_URL": "http://127.0.0.1:1"}
    wait_until_sync(lambda: "no heartbeat" in rig.dumb("doctor", env=away).stdout, timeout=15)
    found = problems(rig.dumb("doctor", env=away).stdout)
    assert "Start it with `dumb up`" in found["supervisor"]
    assert "is not running" in found["supervisor process"]
    assert "No heartbeat" in problems(rig.dumb("doctor").stdout)["supervisor"]
    rig.supervisor.start()


def test_another_supervisor_has_the_claim(rig: Rig, tmp_path: Path) -> None:
    """Asked on the other data directory, where the API of the first one answers."""
    second = tmp_path / "second"
    elsewhere = {"DUMB_HOME": str(second), "DUMB_CONFIG": str(rig.supervisor.config)}
    second.mkdir(mode=0o700)
    # No supervisor was ever started there: as in the container of a replica.
    assert "supervisor claim" not in rig.says("doctor", env=elsewhere)
    said = subprocess.run(
        [sys.executable, "-m", "services.supervisor"],
        cwd=PROJECT,
        env=rig.environ(**elsewhere),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert said.returncode == 75
    # A copy of the directory has the token, too.
    token = rig.home / "run" / "supervisor.token"
    for copied in (False, True):
        if copied:
            shutil.copy(token, second / "run")
        found = problems(rig.dumb("doctor", env=elsewhere).stdout)
        assert list(found) == ["supervisor claim"]
        words = found["supervisor claim"]
        assert f"is in use by another supervisor on {socket.gethostname()}" in words
        assert f"data directory {rig.home}, pid {rig.supervisor.pid}; one of {second}" in words
        assert "Stop that supervisor, or set REDIS_URL to another Redis" in words
    # The same directory on another machine, which numbers its files differently.
    raw: Any = rig.supervisor.redis.get("dumb:commands:claim")
    far = Holder.from_json(raw)
    far = replace(far, node="far", lock="0:0")
    with renewed_by_hand(rig, far):
        assert "supervisor claim" not in problems(rig.dumb("doctor").stdout)
        (second / "run" / token.name).unlink()
        assert "on far" in problems(rig.dumb("doctor", env=elsewhere).stdout)["supervisor claim"]
    # What cannot be known is not told.
    none = {**elsewhere, "REDIS_URL": "redis://127.0.0.1:1"}
    assert "supervisor claim" not in rig.dumb("doctor", env=none).stdout


@contextmanager
def renewed_by_hand(rig: Rig, holder: Holder) -> Iterator[None]:
    """Another holder, while the supervisor stands still."""
    os.kill(rig.supervisor.pid, signal.SIGSTOP)
    rig.supervisor.redis.set("dumb:commands:claim", holder.to_json())
    try:
        yield
    finally:
        rig.supervisor.redis.delete("dumb:commands:claim")
        os.kill(rig.supervisor.pid, signal.SIGCONT)
        wait_until_sync(rig.supervisor.beats, what="the heartbeat")


def test_top(rig: Rig) -> None:
    assert "is the program `metrics` running?" in rig.refused("top", code=69)
    with metrics(rig):
        wait_until_sync(lambda: "Web Server" in rig.dumb("top").stdout, timeout=15)
        head, titles, *services = rig.says("top", "--sort", "name").splitlines()
        assert re.search(r"memory \d[\d.]* \w+ of \d", head)
        assert titles.split()[:4] == ["NAME", "PID", "CPU%", "MEMORY"]
        assert [line.split()[0] for line in services] == ["Talker", "Web"]
        assert json.loads(rig.says("top", "--json"))["dumb_managed"]
        with OnTerminal(rig, "top", "--interval", "0.5") as screen:
            screen.until("Web Server +[0-9]+ +[0-9.]+")
            seen = len(screen.text)
            screen.until(rf"(?s).{{{seen}}}.*Web Server +[0-9]+")  # the next sample
            screen.type("\x03")
            assert screen.end() == 130


def test_redis_is_gone(rig: Rig) -> None:
    rig.redis.stop()
    try:
        found = problems(rig.dumb("doctor").stdout)
    finally:
        rig.redis.start()
    assert "environment" in found
    assert "Is it running?" in found["redis"]


def test_the_kernel_tells_who_holds_a_lock(rig: Rig) -> None:
    table = rig.home / "locks"
    table.write_text("1: POSIX  ADVISORY  WRITE 5 00:01:1 0 EOF\nnonsense\n")
    assert lock_holder(table, table) is None
    assert lock_holder(rig.home / "nowhere", table) is None


def test_samples_may_be_incomplete() -> None:
    assert host_line({}) == ""
    assert rows({"dumb_managed": ["odd", {"name": "A"}]}, "memory", 0.0)[0][0] == "A"


def test_options_without_effect_are_a_warning_and_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings({"DUMB_HOME": str(tmp_path)})
    assert list(check_options(settings)) == []
    tree = {"dumb": {"media_protection": {"enabled": True}, "star_up": {}}}
    settings.config_path.write_text(json.dumps(tree))
    found = list(check_options(settings))
    assert report(Terminal({}), found, tree=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "WARNING  options without effect: options that are on and not built here: "
        "dumb.media_protection.enabled; keys that nothing uses: dumb.star_up"
    )
    assert "docs/migrating.md" in lines[1]
    assert lines[-1] == "Everything is well."
