"""What somebody got wrong: one sentence that says what to do, and no busy loop."""

import os
import time
from pathlib import Path

import pytest

from services.supervisor.config_mount import trouble_with
from shared.exits import POINTLESS, Exit
from shared.settings import MOST_DRAIN_S, SettingsError, load_settings
from tests.deploy.flow import Running, set_up, start_and_read
from tests.support.programs import Program
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

PROJECT = Path(__file__).resolve().parents[2]


def ends_with(program: Program, code: Exit) -> str:
    """Its one sentence."""
    try:
        assert program.ended(20) == code, program.printed()
    finally:
        program.close()
    assert "Traceback" not in program.printed()
    return program.printed()


def test_a_second_supervisor(redis_url: str, place: Path) -> None:
    running = Running(place / "home", {"REDIS_URL": redis_url})
    try:
        first = running.start("supervisor")
        running.start_api()
        said = ends_with(running.start("supervisor"), Exit.IN_USE)
        assert "set DUMB_HOME to another directory" in said
        http = running.client()
        set_up(http)
        start_and_read(http)
        assert first.process.poll() is None
    finally:
        running.close()


def test_a_data_directory_that_cannot_be(redis_url: str, place: Path) -> None:
    (place / "file").touch()
    home = str(place / "file" / "home")
    for name in ("supervisor", "launcher"):
        environ = {"REDIS_URL": redis_url, "DUMB_HOME": home}
        said = ends_with(Program(name, place, environ), Exit.CANNOT_WRITE)
        assert home in said
        assert "DUMB_HOME" in said


def test_an_unreachable_redis_is_waited_for_without_a_busy_loop(
    fresh_redis: PrivateRedis, place: Path
) -> None:
    fresh_redis.stop()
    running = Running(place / "home", {"REDIS_URL": fresh_redis.url})
    try:
        started = time.monotonic()
        programs = [running.start("supervisor"), running.start("api", **listening())]
        wait_until_sync(
            lambda: (
                all(f"{fresh_redis.port}" in p.printed() for p in programs)
                and time.monotonic() - started > 3
            ),
            timeout=20,
            what="both to say where Redis should be",
        )
        before = [cpu_s(p.process.pid) for p in programs]
        since = time.monotonic()
        wait_until_sync(lambda: time.monotonic() - since > 2)
        after = [cpu_s(p.process.pid) for p in programs]
        assert all(b - a < 0.5 for a, b in zip(before, after, strict=True)), (before, after)
        for program in programs:
            assert len(program.printed().splitlines()) < 20, program.printed()
            assert "Traceback" not in program.printed()
        fresh_redis.start()
        api = running.start_api()
        http = running.client(api)
        set_up(http)
        start_and_read(http)
    finally:
        running.close()
    said = ends_with(
        Program("launcher", place / "other", {"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}),
        Exit.UNAVAILABLE,
    )
    assert "correct REDIS_URL" in said


def listening() -> dict[str, str]:
    return {"DUMB_API_SERVICE_HOST": "127.0.0.1", "DUMB_API_SERVICE_PORT": str(free_port())}


def cpu_s(pid: int) -> float:
    """Seconds of a processor that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_codes_that_say_that_somebody_has_to_act() -> None:
    assert Exit.UNAVAILABLE not in POINTLESS
    assert {Exit.OK, Exit.FAILED}.isdisjoint(POINTLESS)
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [code for code in Exit if f"| {code.value} |" not in text] == []


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ("{config}", "mount its directory {parent} instead of the file"),
        ("{escaped}", ""),
        ("{parent}", ""),
    ],
)
def test_a_file_that_is_a_mount_point_cannot_be_replaced(
    place: Path, point: str, says: str
) -> None:
    config = place / "with space" / "dumb_config.json"
    config.parent.mkdir()
    names = {
        "config": str(config).replace(" ", "\\040"),
        "escaped": str(config),
        "parent": str(config.parent).replace(" ", "\\040"),
    }
    mounts = place / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {point.format(**names)} rw shared:1 - ext4 /dev/a rw\nshort\n")
    expected = says.format(parent=config.parent)
    found = trouble_with(config, mounts)
    assert expected in found if expected else found == ""


def test_a_config_directory_that_may_not_be_written(place: Path) -> None:
    config = place / "config" / "dumb_config.json"
    assert "mount it read-write" in trouble_with(config, place / "no mountinfo")  # missing volume
    config.parent.mkdir()
    assert trouble_with(config, place / "no mountinfo") == ""


@pytest.mark.parametrize("text", ["-1", "4.1", "soon", "nan", "inf"])
def test_a_drain_that_cannot_be(text: str) -> None:
    with pytest.raises(SettingsError, match="DUMB_API_DRAIN_S"):
        load_settings({"DUMB_API_DRAIN_S": text})
    assert load_settings({"DUMB_API_DRAIN_S": f"{MOST_DRAIN_S:g}"}).drain_s == MOST_DRAIN_S
    assert load_settings({}).drain_s == 0
