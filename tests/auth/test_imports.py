"""Each library of secrets has one door (docs/architecture.md)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("library", "door"),
    [("jose", "services/api/auth/tokens.py"), ("passlib", "services/api/auth/passwords.py")],
)
def test_one_door(library: str, door: str) -> None:
    imports = re.compile(rf"^\s*(?:from|import) {library}\b", re.MULTILINE)
    files = [*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")]
    found = [str(f.relative_to(ROOT)) for f in files if imports.search(f.read_text())]
    assert found == [door]
