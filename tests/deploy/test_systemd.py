"""The units of deploy/systemd: their programs exist, and they give up when that is right."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from services.launcher.programs import NAMES
from shared.exits import POINTLESS

UNITS = sorted((Path(__file__).resolve().parents[2] / "deploy" / "systemd").glob("dumb-*.service"))


def test_there_is_one_for_every_program() -> None:
    names = {re.sub(r"@?\.service$", "", unit.name).removeprefix("dumb-") for unit in UNITS}
    assert names == {*NAMES, "compose"}


@pytest.mark.parametrize(
    "unit", [u for u in UNITS if "compose" not in u.name], ids=lambda u: u.name
)
def test_a_unit_starts_a_program_and_knows_when_that_is_pointless(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    codes = re.search(r"^RestartPreventExitStatus=(.*)$", text, flags=re.MULTILINE)
    assert codes is not None
    assert {int(code) for code in codes[1].split()} == {int(code) for code in POINTLESS}
    module = re.search(r"^ExecStart=\S+ -m (\S+)$", text, flags=re.MULTILINE)
    if module is None:
        assert "ExecStart=/opt/dumb/dumb up --only supervisor\n" in text
    else:
        assert find_spec(f"{module[1]}.__main__") is not None


def _documented() -> dict[str, float]:
    """Unit to the figure in docs/deployment.md."""
    text = (UNITS[0].parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(dumb-[a-z]+@?)` \| [\d.]+ \| ([\d.]+) \|", text, flags=re.MULTILINE)
    return {name: float(figure) for name, figure in rows}


@pytest.mark.parametrize(
    "unit", [u for u in UNITS if "compose" not in u.name], ids=lambda u: u.name
)
def test_it_is_as_closed_as_documented(unit: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    command = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"Overall exposure level for .*: ([\d.]+) ", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze cannot look at a file: {done.stderr[:100]}")
    # Newer versions look at more.
    assert float(found[1]) <= _documented()[unit.name.removesuffix(".service")] + 0.5


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)
def test_systemd_understands_it(unit: Path, tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    # What the unit starts is not installed here: something that is takes its place.
    text = re.sub(
        r"^(Exec\w+=)\S+", r"\1/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    copy = tmp_path / unit.name.replace("@", "@8001")
    copy.write_text(text.replace("docker.service", "").replace("Requires=\n", ""))
    done = subprocess.run(
        [verify, "verify", str(copy)], capture_output=True, text=True, check=False, timeout=60
    )
    # Newer than some systemd: RestartSteps and RestartMaxDelaySec, which it passes over.
    complaints = [
        line
        for line in done.stderr.splitlines()
        if unit.name.split("@")[0].removesuffix(".service") in line and "Restart" not in line
    ]
    assert complaints == []
