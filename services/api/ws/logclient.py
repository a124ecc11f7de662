"""One client of `/ws/logs`: what it wants, what waits for it, where it stands."""

from dataclasses import dataclass, field

from services.api.ws.frames import Rendered
from services.api.ws.outqueue import OutQueue
from services.api.ws.query import LogQuery
from shared.logcursor import Chunk

Position = tuple[str, int]
"""A generation (`file_id`) and an offset in it."""


@dataclass(slots=True)
class Feed:
    """One log as this replica hears it. Delivered up to `end`; `seen` is the furthest heard of."""

    log_name: str
    process_name: str
    generation: str
    end: int
    seen: int
    quiet: bool = False
    live: bool = True
    filling: bool = False
    """Missing bytes are being read from Redis; what is announced meanwhile is there too."""
    fresh: bool = False
    """The next bytes do not continue what was delivered before."""
    first: Position = ("", 0)
    """Where delivery began."""

    def __post_init__(self) -> None:
        self.first = self.position

    @property
    def position(self) -> Position:
        return self.generation, self.end

    def adopt(self, generation: str, size: int) -> None:
        """Another generation was found in Redis. A longer one goes on where this one was."""
        self.restart(generation, 0 if size < self.end else self.end)
        self.seen = size

    def restart(self, generation: str, start: int) -> None:
        """The log goes on under another generation, whose news begin at `start`."""
        self.generation = generation
        self.end = self.seen = min(self.end, start)
        self.fresh = True


@dataclass(slots=True, eq=False)
class LogClient:
    """`offer` runs in the broadcast path and never waits."""

    query: LogQuery
    queue: OutQueue
    catching_up: bool = False
    """Its own task reads older lines from Redis; live chunks are in Redis as well by then."""
    ahead: dict[str, Position] = field(default_factory=dict)
    """Logs of which it has more than the hub delivered when it had caught up."""

    def wants(self, feed: Feed) -> bool:
        """Quiet services only for those who name them."""
        names = self.query.names
        return feed.live and (feed.process_name in names if names else not feed.quiet)

    def offer(self, feed: Feed, piece: Chunk, rendered: Rendered) -> None:
        """Queue a piece of a live log, unless it is not for this client."""
        if self.catching_up or not self.wants(feed):
            return
        have = self.ahead.pop(feed.log_name, None) if self.ahead else None
        if have is not None and have[0] == feed.generation and have[1] > piece.start:
            if have[1] > piece.end:
                self.ahead[feed.log_name] = have
            piece = piece.after(min(have[1], piece.end))
            if not piece.data:
                return
            rendered = Rendered(feed.process_name, feed.generation, piece.end, piece.data)
        self.put(rendered)

    def put(self, rendered: Rendered) -> None:
        """Queue lines in the form and of the level that this client wants."""
        batch = rendered.batch(self.query.level, json=self.query.json)
        if batch is not None:
            self.queue.put(batch)
