"""`make soak`: only tests that repeat themselves run, and the table says how often."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rounds import rounds_of

PROJECT = Path(__file__).resolve().parents[2]
REPEATED = "tests/supervisor/files/test_place.py"


@pytest.mark.parametrize(
    ("asked", "count"), [("", 3), ("all", 20), ("5", 5), ("99", 20), ("0", 3), ("x", 3)]
)
def test_how_many(asked: str, count: int) -> None:
    assert rounds_of(20, asked) == count


def test_a_soak() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--soak", REPEATED],
        cwd=PROJECT,
        env={**os.environ, "DUMB_ROUNDS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = [line for line in ran.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 2, ran.stdout
    assert "| 1 of 20 | passed |" in rows[1]
