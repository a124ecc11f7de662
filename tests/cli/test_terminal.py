"""What a terminal gets: colours unless unwanted, 80 columns, rows that change, questions."""

import re

from tests.cli.conftest import Rig
from tests.cli.terminal import ANSI, OnTerminal

COLOUR = "\x1b[3"


def test_status_fits_80_columns_in_colour(rig: Rig) -> None:
    rig.dumb("start", "Broken")
    with OnTerminal(rig, "status", "--all") as screen:
        assert screen.end() == 0
    assert "\x1b[32m" in screen.output  # green
    lines = screen.text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["NAME", "STATUS", "HEALTH", "SINCE", "DETAIL"]
    assert "exit code 3" in " ".join(screen.text.split())
    assert re.search(r"7 services: 3 running, 3 stopped, 1 failed\.", screen.text)
    rig.add_services({"long": {"process_name": "N" * 150, "enabled": False}})
    with OnTerminal(rig, "status", "--all") as long:
        assert long.end() == 0
    assert max(map(len, long.text.splitlines())) <= 80
    assert re.search(r"(?m)^N+… +stopped +- +- +not enabled", long.text)


def test_no_colour_where_it_is_unwanted(rig: Rig) -> None:
    for arguments in (["status"], ["logs", "Talker", "-n", "5"], ["start", "Broken"], ["--help"]):
        with OnTerminal(rig, *arguments, env={"NO_COLOR": "1"}) as screen:
            screen.end()
        assert COLOUR not in screen.output, arguments
    with OnTerminal(rig, "status", env={"TERM": "dumb"}) as screen:
        screen.end()
    assert COLOUR not in screen.output
    piped = rig.process("start", "Broken", env={"FORCE_COLOR": "1"})
    assert "\x1b" not in piped.stdout + piped.stderr


def test_steps_are_shown_while_waiting(rig: Rig) -> None:
    rig.says("start", "Stubborn")
    with OnTerminal(rig, "stop", "Stubborn") as screen:
        screen.until(r"Stubborn +SIGTERM sent to group \d+ \(attempt 1\) +\(\d\.\d s\)")
        screen.until(r"Stubborn: stopped in \d\.\d s")
        assert screen.end() == 0


def test_waiting_survives_an_api_that_is_killed(rig: Rig) -> None:
    rig.says("start", "Stubborn")
    with OnTerminal(rig, "stop", "Stubborn") as screen:
        screen.until("SIGTERM sent")
        rig.kill_api()
        rig.supervisor.wait_status("Stubborn", "stopped")
        rig.start_api()
        screen.until(r"Stubborn: stopped in \d\.\d s")
        assert screen.end() == 0


def test_an_interrupted_wait_says_how_to_go_on(rig: Rig) -> None:
    rig.says("start", "Stubborn")
    with OnTerminal(rig, "stop", "Stubborn") as screen:
        screen.until("SIGTERM sent")
        screen.type("\x03")
        screen.until(r"It goes on without you: dumb commands show [0-9a-f]+-[0-9a-f]+")
        assert screen.end() == 130
    rig.supervisor.wait_status("Stubborn", "stopped")


def test_watching(rig: Rig) -> None:
    with OnTerminal(rig, "status", "-w", "--interval", "0.2") as screen:
        screen.until(r"Web Server +running")
        rig.says("stop", "Web Server")
        screen.until(r"Web Server +stopped")
        rig.kill_api()
        screen.until(r"The API does not answer")
        seen = len(screen.text)
        rig.start_api()
        rig.says("start", "Web Server")
        screen.until(rf"(?s).{{{seen}}}.*Web Server +running")
        screen.type("\x03")
        assert screen.end() == 130


def test_levels_have_colours_and_nothing_controls_the_terminal(rig: Rig) -> None:
    text = r"ERROR bad \033]0;title\007 \342\200\256\n"
    command = ["sh", "-c", f"printf '{text}'; sleep 1000"]
    rig.add_services({"rude": {"process_name": "Rude", "enabled": False, "command": command}})
    rig.says("start", "Rude")
    with OnTerminal(rig, "logs", "Rude", "--level", "error") as screen:
        screen.end()
    assert "\x1b[31m" in screen.output
    assert r"bad \x1b]0;title\x07 \u202e" in screen.text
    assert "\x1b" not in ANSI.sub("", screen.output)
