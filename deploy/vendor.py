"""`python -m deploy.vendor`: the files of services/api/static/vendor, from their npm packages.

VENDORED.json there says which version. A file whose package and version did not change must have
the recorded SHA-256; of a new version the sums are recorded.
"""

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

VENDOR: Final = Path(__file__).resolve().parents[1] / "services" / "api" / "static" / "vendor"
MANIFEST: Final = VENDOR / "VENDORED.json"
COMPRESSED: Final = (".js", ".css")
"""What a browser loads; licenses stay readable."""


def fetch(package: str, version: str, directory: Path) -> tarfile.TarFile:
    """The package's archive, by npm's own client, which checks its integrity."""
    done = subprocess.run(
        ["npm", "pack", "--silent", f"{package}@{version}"],  # noqa: S607 - the user's npm
        cwd=directory,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return tarfile.open(directory / done.stdout.split()[-1])


def take(name: str, entry: dict[str, Any], archive: tarfile.TarFile, *, same: bool) -> None:
    """Write the files of one package, and their sums into `entry`.

    Raises:
        SystemExit: a file of a recorded version has another sum, or the package lacks it.
    """
    for path, recorded in entry["files"].items():
        try:
            member = archive.extractfile(f"package/{path}")
        except KeyError:
            member = None
        if member is None:
            raise SystemExit(f"{entry['package']} {entry['version']} has no file {path}.")
        data = member.read()
        found = hashlib.sha256(data).hexdigest()
        if same and recorded != found:
            raise SystemExit(f"{name}: {path} has the SHA-256 {found}, not {recorded}.")
        entry["files"][path] = found
        target = VENDOR / name / Path(path).name
        if target.suffix in COMPRESSED:
            target, data = target.with_name(f"{target.name}.gz"), gzip.compress(data, mtime=0)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)


def main() -> None:
    """Update every package."""
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    for name, entry in manifest.items():
        version = entry["version"]
        with (
            tempfile.TemporaryDirectory() as directory,
            fetch(entry["package"], version, Path(directory)) as archive,
        ):
            take(name, entry, archive, same=entry.get("recorded") == version)
        entry["recorded"] = version
        sys.stdout.write(f"{name}: {entry['package']} {version}\n")
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
