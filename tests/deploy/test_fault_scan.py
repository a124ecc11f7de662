"""The offline scan of `make lint` for known faults of what is locked and vendored."""

import json
import tomllib
from pathlib import Path

import pytest

from deploy.fault_scan import PROJECT, RECORD, findings, locked, vendored

KNOWN = {
    "one": {"CVE-1": {"fixed": "1.10.0"}},
    "two": {"CVE-2": {"fixed": ""}},
    "three": {"CVE-3": {"fixed": "", "accepted": "It is not reached."}},
}


@pytest.mark.parametrize(
    ("name", "version", "sentence"),
    [
        ("one", "1.9.9", "x.lock: one 1.9.9 has CVE-1: update to 1.10.0."),
        ("one", "1.10.0rc1", "x.lock: one 1.10.0rc1 has CVE-1: update to 1.10.0."),
        ("one", "1.10.0", None),
        ("one", "1.10.0.post1", None),
        ("one", "2!0.1", None),
        ("two", "9.9", "x.lock: two 9.9 has CVE-2: no version is without it."),
        ("three", "1.0", None),
        ("four", "1.0", None),
    ],
)
def test_what_is_found(name: str, version: str, sentence: str | None) -> None:
    assert findings([("x.lock", name, version)], KNOWN) == ([sentence] if sentence else [])


def test_every_lock_file_and_every_entry_is_read(tmp_path: Path) -> None:
    marked = 'one==1.0 ; sys_platform == "win32" \\\n    --hash=sha256:0\n    # via two==3\n'
    (tmp_path / "a.lock").write_text(marked)
    (tmp_path / "b.lock").write_text("three==2.post1 \\\n    --hash=sha256:0\n")
    assert locked(tmp_path) == [("a.lock", "one", "1.0"), ("b.lock", "three", "2.post1")]
    assert {file for file, _, _ in locked()} == {path.name for path in PROJECT.glob("*.lock")}


def test_the_record_is_about_packages_that_are_used() -> None:
    record = tomllib.loads(RECORD.read_text())
    used = {name for _, name, _ in (*locked(), *vendored())}
    assert record.keys() <= used  # entries of a package that went go with it
    for entries in record.values():
        for fault, entry in entries.items():
            assert fault.startswith(("CVE-", "GHSA-")), fault
            assert entry.keys() <= {"fixed", "accepted"}, fault
            assert entry["fixed"] or "accepted" in entry, fault


def test_a_vendored_package_counts(tmp_path: Path) -> None:
    manifest = tmp_path / "V.json"
    manifest.write_text(json.dumps({"viewer": {"package": "one", "version": "1.0"}}))
    assert findings(vendored(manifest), KNOWN) == ["V.json: one 1.0 has CVE-1: update to 1.10.0."]
