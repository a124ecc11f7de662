"""The script `./dumb` before anything is installed."""

import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_without_an_environment_it_says_what_to_do(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "dumb", tmp_path)
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")  # a Python that has none of our packages
    python.chmod(0o755)
    done = subprocess.run(
        [tmp_path / "dumb", "status"],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 69
    assert done.stdout == ""
    assert done.stderr == (
        f"dumb: what it needs is not installed yet: run 'make run' in {tmp_path} once.\n"
    )
