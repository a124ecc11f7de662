"""What .ci/run is made of: which Pythons it finds, and what a start that fails leaves."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[1] / ".ci"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def run(
    arguments: Sequence[str | Path], path: str, home: Path
) -> "subprocess.CompletedProcess[str]":
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DUMB_", "PYENV", "REDIS"))}
    return subprocess.run(
        [str(argument) for argument in arguments],
        env={**env, "PATH": path, "HOME": str(home), "TMPDIR": str(home)},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def pythons(tmp_path: Path) -> dict[str, Path]:
    """Stand-ins that say a version, in the directories where it is looked."""
    first, second, pyenv = tmp_path / "first", tmp_path / "second", tmp_path / ".pyenv/versions"
    return {
        "a shim that does not run": program(first / "python3.11", "exit 127"),
        "too old": program(first / "python3", "echo 3.9; exit 1"),
        "3.12": program(first / "python3.12", "echo 3.12"),
        "3.11": program(second / "python3.11", "echo 3.11"),
        "3.12 again": program(second / "python3.12", "echo 3.12"),
        "3.99": program(second / "python3", "echo 3.99"),
        "3.98": program(pyenv / "3.13.0/bin/python3.13", "echo 3.98"),
    }


def test_the_oldest_python_is_the_first(tmp_path: Path, pythons: dict[str, Path]) -> None:
    path = f"{tmp_path / 'first'}:{tmp_path / 'second'}:/usr/bin:/bin"
    found = run([CI / "find-python"], path, tmp_path).stdout.splitlines()
    assert found == [str(pythons["3.11"])]
    every = run([CI / "find-python", "--all"], path, tmp_path).stdout.splitlines()
    # What this machine has of its own, in /usr/bin, may come between them.
    assert [p for p in every if p.startswith(str(tmp_path))] == [
        str(pythons[version]) for version in ("3.11", "3.12", "3.98", "3.99")
    ]
    assert every[0] == str(pythons["3.11"])
    assert every[-1] == str(pythons["3.99"])


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    """A Python that can do everything but make an environment."""
    broken = program(
        tmp_path / "python3",
        f'[ "$1 $2" != "-m venv" ] || {{ echo this venv is broken; exit 1; }}\n'
        f'exec {sys.executable} "$@"',
    )
    done = run([CI / "fresh-start", broken], os.environ["PATH"], tmp_path)
    assert done.returncode == 1
    assert "`make run` ended before http://127.0.0.1:" in done.stderr
    assert "this venv is broken" in done.stderr
    assert list(tmp_path.glob("dumb-ci.*")) == []
