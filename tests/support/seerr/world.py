"""A Seerr in memory that behaves like one: what its requests do, without any HTTP."""

import itertools
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

PENDING, APPROVED, DECLINED, FAILED, COMPLETED = 1, 2, 3, 4, 5
STAMP = "2026-01-29T21:32:46.000Z"


class Refusal(Exception):  # noqa: N818 - what the server answers, not a fault
    """An answer other than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Item:
    """One request."""

    id: int
    media_type: str
    tmdb_id: int
    is4k: bool = False
    seasons: frozenset[int] = frozenset()
    status: int = PENDING
    user: int = 1
    modified: int = 0

    @property
    def title(self) -> tuple[str, int, bool]:
        return (self.media_type, self.tmdb_id, self.is4k)


@dataclass
class SeerrWorld:
    """`auto_approve`: who uses the key is an administrator, whose requests need no approval."""

    auto_approve: bool = True
    first_id: int = 1
    items: dict[int, Item] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=lambda: {1: "admin@example.com"})
    deleted: list[Item] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = itertools.count(self.first_id)
        self._ticks = itertools.count(1)
        self._by_title: dict[tuple[str, int, bool], list[Item]] = {}

    def create(
        self,
        media_type: str,
        tmdb_id: int,
        *,
        is4k: bool = False,
        seasons: frozenset[int] = frozenset(),
        user: int = 1,
        status: int | None = None,
    ) -> Item:
        """Refuses what Seerr refuses: a movie that is requested, a series without a new season."""
        same = self._by_title.setdefault((media_type, tmdb_id, is4k), [])
        same[:] = [item for item in same if item.id in self.items]
        alive = [item for item in same if item.status not in {DECLINED, COMPLETED}]
        if media_type == "movie" and alive:
            raise Refusal(409, "Request for this media already exists.")
        if media_type == "tv":
            taken = frozenset().union(*(item.seasons for item in alive))
            left = seasons - taken
            if not left:
                raise Refusal(202, "No seasons available to request")
            seasons = left
        first = APPROVED if self.auto_approve else PENDING
        item = Item(next(self._ids), media_type, tmdb_id, is4k, seasons, first, user)
        if status is not None:
            item.status = status
        self.items[item.id] = item
        same.append(item)
        self.touch(item)
        return item

    def touch(self, item: Item) -> None:
        item.modified = next(self._ticks)

    def get(self, number: int) -> Item:
        try:
            return self.items[number]
        except KeyError:
            raise Refusal(404, "Request not found.") from None

    def set_status(self, number: int, status: int) -> Item:
        item = self.get(number)
        item.status = status
        self.touch(item)
        return item

    def delete(self, number: int) -> None:
        item = self.get(number)
        del self.items[number]
        self.deleted.append(item)

    def page(self, take: int, skip: int) -> dict[str, Any]:
        """The latest change first."""
        ordered = sorted(self.items.values(), key=attrgetter("modified"), reverse=True)
        shown = ordered[skip : skip + take]
        return {
            "pageInfo": {
                "page": skip // take + 1,
                "pages": -(-len(ordered) // take),
                "pageSize": take,
                "results": len(ordered),
            },
            "results": [self.show(item) for item in shown],
        }

    def show(self, item: Item) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": item.id,
            "status": item.status,
            "createdAt": STAMP,
            "updatedAt": STAMP,
            "type": item.media_type,
            "is4k": item.is4k,
            "media": {
                "id": item.tmdb_id,
                "mediaType": item.media_type,
                "tmdbId": item.tmdb_id,
                "tvdbId": None,
                "status": 3,
                "createdAt": STAMP,
                "updatedAt": STAMP,
            },
            "seasons": [
                {"id": n, "seasonNumber": n, "status": item.status} for n in sorted(item.seasons)
            ],
            "requestedBy": self.show_user(item.user),
            "modifiedBy": None,
        }

    def show_user(self, number: int) -> dict[str, Any]:
        return {
            "id": number,
            "email": self.users.get(number, f"user{number}@example.com"),
            "createdAt": STAMP,
            "updatedAt": STAMP,
        }
