"""The lock files: everything is fixed to one version, by hash, and both agree."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def entries(name: str) -> dict[str, str]:
    """Package and marker to the whole entry."""
    text = re.sub(r" *\\\n +", " ", (PROJECT / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {line.split("--hash")[0].strip(): line for line in lines}


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_one_version_with_its_hashes(name: str) -> None:
    found = entries(name)
    assert len(found) > 20
    for key, line in found.items():
        assert re.match(r"[a-z0-9][a-z0-9.-]*==[\w.+!]+( ; .+)?$", key), key
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), key


def test_tests_run_on_what_is_installed_everywhere() -> None:
    runtime, development = (entries(name) for name in LOCKS)
    assert runtime.keys() <= development.keys()
    assert all(development[key] == line for key, line in runtime.items())


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_locked(name: str) -> None:
    asked = (PROJECT / name.replace(".lock", ".in")).read_text()
    names = re.findall(r"^([A-Za-z0-9.-]+)", asked, flags=re.MULTILINE)
    locked = {key.split("==")[0] for key in entries(name)}
    wanted = {re.sub(r"[._]", "-", n.lower()) for n in names if not n.startswith("-")}
    assert wanted <= locked
