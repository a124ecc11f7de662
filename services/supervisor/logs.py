"""Which logs a service has, where their files lie, and what is still to be sent to Redis."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from services.supervisor.files.owner import OURS, Owner
from services.supervisor.files.place import Keep, Place
from services.supervisor.logstore import Limits, LogStore
from shared.config.services import ServiceBlock
from shared.config.sizes import parse_size
from shared.models.log import output_log

# Contract lifecycle 2: the keys whose captured output is written to their `log_file`. Any other
# block that names a `log_file` belongs to a program that writes it itself: that one is tailed.
CAPTURED_KEYS: Final = frozenset(
    {
        "infinidysk", "zilean", "rclone", "traefik", "dumb_frontend", "riven_backend",
        "riven_frontend", "phalanx_db", "postgres", "profilarr", "pulsarr", "maintainerr",
        "aiostreams", "mediastorm", "altmount", "traefik_proxy_admin", "authelia", "cloudflared",
    }
)  # fmt: skip

DEFAULT_LIMITS: Final = Limits(max_bytes=10 << 20, count=2)
SMALLEST_LOG: Final = 64 << 10


@dataclass(slots=True)
class LogFeed:
    """One logical log on its way to Redis. `sent` is what Redis is known to have."""

    name: str
    process_name: str
    store: LogStore
    quiet: bool
    live: bool
    sent: int = -1
    """-1: not compared with Redis since the last connect."""
    problem: str = ""
    """Why the lines are not in the file that the block names, "" while they are."""
    announced: int = 0
    """Chunks that end at or before this were published once; they are not published again."""


def encoded(name: str) -> str:
    """A process name as a file name: percent-encoded, so that `/` and `..` mean nothing."""
    text = quote(name, safe=" ()").replace(".", "%2E")
    if len(text) <= 200:
        return text
    return f"{text[:180]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def captured_file(log_dir: Path, process_name: str) -> Path:
    """Where the lines of a service are that names no file of its own."""
    return log_dir / f"{encoded(process_name)}.log"


def limits_of(dumb: Mapping[str, Any]) -> Limits:
    """`dumb.log_size` (`<n>[K|M|G]`) and `dumb.log_count` (contract config 6)."""
    try:
        size = parse_size(str(dumb.get("log_size") or ""))
    except ValueError:
        size = DEFAULT_LIMITS.max_bytes
    count = dumb.get("log_count")
    usable = isinstance(count, int) and 0 <= count <= 100
    return Limits(
        max_bytes=max(size, SMALLEST_LOG),
        count=count if usable and count is not None else DEFAULT_LIMITS.count,
    )


class LogShelf:
    """Opens logs on first use and remembers them by name."""

    def __init__(self, log_dir: Path, position_dir: Path) -> None:
        self._log_dir = log_dir
        self._position_dir = position_dir
        position_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.limits = DEFAULT_LIMITS
        self.owner_of: Callable[[ServiceBlock], Owner] = _ours
        self.keep = Keep()
        """What no block may name as a log file."""
        self.feeds: dict[str, LogFeed] = {}
        self.on_append: Callable[[LogFeed], None] = _ignore

    def tailed_file(self, service: ServiceBlock) -> Path | None:
        """The file that a service writes itself, or None when we capture and write its log.

        The file that we write is none, although readers are shown it (captured.py): somebody may
        have copied what they were shown into the configuration.
        """
        if service.config_key in CAPTURED_KEYS:
            return None
        return self._named(service)

    def _named(self, service: ServiceBlock) -> Path | None:
        name = service.block.get("log_file")
        if not isinstance(name, str) or not name:
            return None
        ours = captured_file(self._log_dir, service.process_name)
        return None if Path(name) == ours else Path(name)

    def captured(self, service: ServiceBlock) -> LogFeed:
        """Where captured output goes: the log itself, or beside a tailed one. Raises `OSError`."""
        quiet = service.block.get("suppress_logging") is True
        name = service.process_name
        if self.tailed_file(service) is not None:
            return self._open(output_log(name), name, None, quiet=quiet, live=True)
        wanted = self._named(service)
        place = self.place(service, wanted) if wanted and wanted.is_absolute() else None
        return self._open(name, name, place, quiet=quiet, live=True)

    def place(self, service: ServiceBlock, path: Path) -> Place:
        """The file that a block names, used with the rights of its service."""
        return Place(path, self.owner_of(service), self.keep)

    def tailed(self, service: ServiceBlock) -> LogFeed | None:
        """Our redacted copy of a file that the service writes itself. Raises `OSError`."""
        if self.tailed_file(service) is None:
            return None
        name = service.process_name
        return self._open(name, name, None, quiet=False, live=False)

    def own(self, process_name: str) -> LogFeed:
        """The control plane's own log. Raises `OSError`."""
        return self._open(process_name, process_name, None, quiet=False, live=True)

    def known(self, service: ServiceBlock) -> bool:
        """Whether an earlier run left a log of this service."""
        return any(
            (self._position_dir / f"{encoded(name)}.pos").exists()
            for name in (service.process_name, output_log(service.process_name))
        )

    def appended(self, feed: LogFeed) -> None:
        """Say that a feed grew."""
        self.on_append(feed)

    def _open(
        self, name: str, process_name: str, wanted: Place | None, *, quiet: bool, live: bool
    ) -> LogFeed:
        feed = self.feeds.get(name)
        if feed is not None:
            feed.quiet = quiet
            return feed
        store, problem = self._store(name, wanted)
        feed = LogFeed(
            name, process_name, store, quiet, live, problem=problem, announced=store.size
        )
        self.feeds[name] = feed
        return feed

    def _store(self, name: str, wanted: Place | None) -> tuple[LogStore, str]:
        """The store, and why it is not at the wanted place."""
        position = self._position_dir / f"{encoded(name)}.pos"
        fallback = captured_file(self._log_dir, name)
        problem = ""
        if wanted is not None:
            try:
                return LogStore(wanted, position, self.limits), ""
            except OSError as error:
                problem = (
                    f"The log file {wanted.path} is not written: {error.strerror}. "
                    f"The lines are in {fallback}."
                )
        return LogStore(Place(fallback), position, self.limits), problem

    def close(self) -> None:
        """Close every file."""
        for feed in self.feeds.values():
            feed.store.close()
        self.feeds.clear()


def _ours(_service: ServiceBlock) -> Owner:
    return OURS


def _ignore(_feed: LogFeed) -> None:
    """Nobody listens yet."""
