"""The vendored files are those of the packages that VENDORED.json names."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.api.assets import ROOT, load_assets

VENDOR = ROOT / "vendor"
MANIFEST: dict[str, dict[str, Any]] = json.loads((VENDOR / "VENDORED.json").read_text())


def stored(name: str, path: str) -> Path:
    """Where a file of a package lies here."""
    plain = VENDOR / name / Path(path).name
    return plain if plain.exists() else plain.with_name(f"{plain.name}.gz")


def content(file: Path) -> bytes:
    data = file.read_bytes()
    return gzip.decompress(data) if file.suffix == ".gz" else data


@pytest.mark.parametrize("name", MANIFEST)
def test_files_have_the_recorded_sums(name: str) -> None:
    entry = MANIFEST[name]
    assert entry["version"] == entry["recorded"]
    for path, recorded in entry["files"].items():
        assert hashlib.sha256(content(stored(name, path))).hexdigest() == recorded, path
    for path in entry["license_files"]:
        assert len((VENDOR / name / path).read_text()) > 50


def test_nothing_lies_there_that_is_not_recorded() -> None:
    expected = {stored(name, path) for name in MANIFEST for path in MANIFEST[name]["files"]}
    expected |= {
        VENDOR / name / path for name in MANIFEST for path in MANIFEST[name]["license_files"]
    }
    expected |= {VENDOR / "VENDORED.json", VENDOR / "README.md"}
    assert {path for path in VENDOR.rglob("*") if path.is_file()} == expected


def test_pages_of_ours_have_no_script_or_style_in_their_text() -> None:
    assert {"pages/scalar.js", "pages/swagger.js", "pages/icon.svg"} <= load_assets().keys()
    source = (ROOT.parent / "routes" / "docs.py").read_text()
    assert not re.search(r"<style|<script>|<script (?!src=)|\son\w+=|https?://", source)
