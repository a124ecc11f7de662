"""`python -m deploy.fault_scan`: whether a locked or vendored version has a known fault. Offline.

It knows what deploy/known_faults.toml records. `make audit` asks the public databases.
"""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

from packaging.version import Version

PROJECT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = PROJECT / "deploy" / "known_faults.toml"
MANIFEST: Final = PROJECT / "services" / "api" / "static" / "vendor" / "VENDORED.json"

Locked = tuple[str, str, str]
"""File, package and version."""


def locked(project: Path = PROJECT) -> list[Locked]:
    """Every package of every lock file."""
    return [
        (path.name, name, version)
        for path in sorted(project.glob("*.lock"))
        for name, version in re.findall(
            r"^([a-z0-9][a-z0-9.-]*)==([\w.+!]+)", path.read_text(), flags=re.MULTILINE
        )
    ]


def vendored(manifest: Path = MANIFEST) -> list[Locked]:
    """The npm packages that services/api/static has files of."""
    viewers = json.loads(manifest.read_text()).values()
    return [(manifest.name, viewer["package"], viewer["version"]) for viewer in viewers]


def findings(packages: list[Locked], record: dict[str, Any]) -> list[str]:
    """A sentence for each fault that a version has and that is not accepted."""
    return [
        f"{file}: {name} {version} has {fault}: "
        + (f"update to {entry['fixed']}." if entry["fixed"] else "no version is without it.")
        for file, name, version in packages
        for fault, entry in record.get(name, {}).items()
        if "accepted" not in entry
        and (not entry["fixed"] or Version(version) < Version(entry["fixed"]))
    ]


def main() -> int:
    """1 when something was found."""
    packages = [*locked(), *vendored()]
    record = tomllib.loads(RECORD.read_text())
    found = findings(packages, record)
    sys.stdout.writelines(f"{sentence}\n" for sentence in found)
    if not found:
        count = len({name for _, name, _ in packages})
        sys.stdout.write(f"No fault that is recorded in {count} packages.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
