"""The files that our pages load: services/api/static, read and compressed once per replica."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent / "static"

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What a browser is given; other files (licenses, the manifest) are not served."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `digest`: the first 16 hex digits of the SHA-256 of its content."""

    media_type: str
    digest: str
    compressed: bytes

    @property
    def content(self) -> bytes:
        """Uncompressed, for the rare client that does not take gzip. Up to 20 ms of work."""
        return gzip.decompress(self.compressed)


@cache
def load_assets(root: Path = ROOT) -> dict[str, Asset]:
    """All of them by their path below `static`: `pages/scalar.js`. About 50 ms of work, once.

    Large files are stored as `<name>.gz` and served under `<name>`.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        stored = path.suffix == ".gz"
        name = path.with_suffix("") if stored else path
        media_type = MEDIA_TYPES.get(name.suffix)
        if media_type is None or not path.is_file():
            continue
        data = path.read_bytes()
        content = gzip.decompress(data) if stored else data
        compressed = data if stored else gzip.compress(data, mtime=0)
        digest = hashlib.sha256(content).hexdigest()[:16]
        found[name.relative_to(root).as_posix()] = Asset(media_type, digest, compressed)
    return found


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip (RFC 9110 12.5.3)."""
    weights = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip()] = parameters.replace(" ", "")
    return not re.fullmatch(r"q=0(\.0*)?", weights.get("gzip", weights.get("*", "q=0")))
