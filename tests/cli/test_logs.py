"""`dumb logs` against real logs."""

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from services.cli.loglines import Filter, LineReader, merged, parse_level
from services.cli.logs import Log
from services.cli.since import parse_since
from shared.errors import DumbError
from tests.cli.conftest import DUMB, Rig
from tests.support.wait import wait_until_sync

STAMP = r"\w{3} [ \d]\d, \d{4} \d\d:\d\d:\d\d"


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"line (\d+)$", text, re.MULTILINE)]


def test_the_last_lines(rig: Rig) -> None:
    wait_until_sync(lambda: len(rig.supervisor.log("Talker").splitlines()) > 20)
    text = rig.says("logs", "talker", "-n", "5")
    assert re.fullmatch(rf"({STAMP} - INFO - Talker subprocess: INFO line \d+\n){{5}}", text)
    found = numbers(text)
    assert found == list(range(found[0], found[0] + 5))
    assert rig.says("logs", "Talker", "-n", "0") == ""
    assert rig.says("logs", "Talker", "--level", "error") == ""
    assert len(numbers(rig.says("logs", "Talker", "--since", "1d"))) >= 20
    assert "has not written a log yet" in rig.refused("logs", "Off")
    assert rig.dumb("logs", "Talker", "-n", "-1").returncode == 2
    assert "'loud' is no level" in rig.refused("logs", "--level", "loud")
    assert "'soon' is no time" in rig.refused("logs", "--since", "soon")


def test_several_services_are_merged_by_time(rig: Rig) -> None:
    rig.dumb("start", "Broken")
    text = rig.says("logs", "-n", "1000")
    assert "Talker subprocess: " in text
    assert "DUMB API | " in text
    named = rig.says("logs", "Talker", "Broken", "--since", "1h")
    stamps = [line[:21] for line in named.splitlines()]
    assert stamps == sorted(stamps, key=lambda s: time.strptime(s, "%b %d, %Y %H:%M:%S"))
    assert "Broken subprocess: ERROR no key" in named


def test_following_misses_nothing_while_the_api_is_away(rig: Rig, tmp_path: Path) -> None:
    output, errors = tmp_path / "out", tmp_path / "err"
    with output.open("wb") as out, errors.open("wb") as err:
        following = subprocess.Popen(
            [str(DUMB), "logs", "-f", "-n", "3", "Talker"],
            env=rig.environ(),
            stdout=out,
            stderr=err,
        )
    try:
        wait_until_sync(lambda: len(numbers(output.read_text())) > 5, timeout=20)
        rig.kill_api()
        wait_until_sync(lambda: "nothing will be missed" in errors.read_text(), timeout=20)
        before = len(numbers(output.read_text()))
        rig.start_api()
        wait_until_sync(lambda: "is back" in errors.read_text(), timeout=20)
        wait_until_sync(lambda: len(numbers(output.read_text())) > before + 20, timeout=20)
    finally:
        following.terminate()
        following.wait()
    found = numbers(output.read_text())
    assert found == list(range(found[0], found[0] + len(found)))
    assert len(errors.read_text().splitlines()) == 2


def test_a_service_that_comes_later_is_followed_too(rig: Rig) -> None:
    with subprocess.Popen(
        [str(DUMB), "logs", "-f", "-n", "0"], env=rig.environ(), stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert "Talker" in following.stdout.readline()
        command = ["sh", "-c", "echo I am new; sleep 1000"]
        rig.add_services({"late": {"process_name": "Late", "enabled": False, "command": command}})
        rig.says("start", "Late")
        assert any("Late subprocess: I am new" in line for line in following.stdout)
        following.terminate()


def test_a_pipe_that_is_closed_is_no_error(rig: Rig) -> None:
    command = f"'{DUMB}' logs Talker -f -n 5 | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["/bin/bash", "-c", command], env=rig.environ(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == ["0"]
    assert done.stderr == ""


class Scripted:
    """Answers of `GET /logs`, one after another."""

    def __init__(self, *answers: tuple[str, bool]) -> None:
        self._answers = iter(answers)

    def get(self, _path: str, _query: Any) -> dict[str, Any]:
        chunk, reset = next(self._answers)
        return {"chunk": chunk, "reset": reset, "file_id": "f", "cursor": 1}


def test_a_log_that_starts_anew_is_not_repeated() -> None:
    lines = [f"Nov 24, 2026 12:00:0{n} - INFO - line {n}\n" for n in range(4)]
    client: Any = Scripted(("".join(lines[:3]), True), ("".join(lines[1:]), True))
    log = Log("App", LineReader("App"))
    assert log.read(client, 1024)[1] is False
    again, gap = log.read(client, 1024)
    assert gap
    assert [line.text[-1] for line in again] == ["2", "3"]


NOW = time.mktime((2026, 11, 24, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("1w", 604800), ("0s", 0),
        ("11:00", 3600), ("11:59:30", 30), ("13:00", 82800),
        ("2026-11-24", 43200), ("2026-11-24 11:00", 3600), ("2026-11-24T11:59:59", 1),
    ],
)  # fmt: skip
def test_what_since_takes(text: str, ago: float) -> None:
    assert NOW - parse_since(text, NOW) == ago


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "1x", "25:00", "2026-13-01", "-5m", "now"])
def test_what_since_refuses(text: str) -> None:
    with pytest.raises(DumbError, match="use 10m"):
        parse_since(text, NOW)


def test_lines_without_a_time_belong_to_the_one_before() -> None:
    reader = LineReader("App")
    first = "Nov 24, 2026 12:00:00 - ERROR - boom\n  File x\nrest"
    lines = list(reader.read(first[:-4]))
    assert [(line.at, line.level) for line in lines] == [(NOW, "ERROR"), (NOW, "ERROR")]
    other = list(LineReader("B").read("no time\nNov 24, 2026 11:59:59 - INFO - early\n"))
    assert [line.text for line in merged([lines, other])] == [
        "no time", "Nov 24, 2026 11:59:59 - INFO - early", lines[0].text, "  File x",
    ]  # fmt: skip
    assert Filter(since=NOW + 1).lets(other[0])
    assert not Filter(since=NOW).lets(other[1])
    assert [Filter(rank=parse_level("warn")).lets(line) for line in lines] == [True, True]
