"""Requests as Seerr tells them, reduced to what is copied. Pure."""

from dataclasses import dataclass
from typing import Any, Final

PENDING: Final = 1
APPROVED: Final = 2
DECLINED: Final = 3
FAILED: Final = 4
COMPLETED: Final = 5

GRANTED: Final = frozenset({APPROVED, FAILED, COMPLETED})
"""Somebody approved it; what came of that differs from one Seerr to the next."""

ALREADY: Final = "already_exists"

MAX_ID: Final = 2**63 - 1
"""The state file holds numbers of 64 bits."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one Seerr. `media_type` "" and `tmdb_id` 0 when it does not say."""

    id: int
    status: int
    media_type: str
    tmdb_id: int
    is4k: bool = False
    seasons: frozenset[int] = frozenset()
    email: str = ""

    @property
    def granted(self) -> bool:
        return self.status in GRANTED

    @property
    def declined(self) -> bool:
        return self.status == DECLINED


def parse_request(tree: Any) -> Request:
    """Raises `ValueError` for what is no request."""
    tree = tree if isinstance(tree, dict) else {}
    number, status = _number(tree.get("id")), _number(tree.get("status"))
    if number is None or status is None:
        raise ValueError("no object with id and status")
    media = tree.get("media")
    media = media if isinstance(media, dict) else {}
    kind = media.get("mediaType") or tree.get("type")
    asked = tree.get("requestedBy")
    email = asked.get("email") if isinstance(asked, dict) else None
    return Request(
        id=number,
        status=status,
        media_type=kind if isinstance(kind, str) else "",
        tmdb_id=_number(media.get("tmdbId")) or 0,
        is4k=tree.get("is4k") is True,
        seasons=_seasons(tree.get("seasons")),
        email=email.strip().lower() if isinstance(email, str) else "",
    )


def fingerprint(request: Request, *, separate_4k: bool = True) -> str:
    """`movie:603:False`: in the state file and the API, so its form stays (contract 3)."""
    is4k = request.is4k and separate_4k
    return f"{request.media_type or 'unknown'}:{request.tmdb_id}:{is4k}"


def is_copyable(request: Request) -> bool:
    """Whether it says what was requested."""
    return request.media_type in {"movie", "tv"} and request.tmdb_id > 0


def _seasons(items: Any) -> frozenset[int]:
    """Objects with a `seasonNumber`, or numbers."""
    numbers = (
        _number(item.get("seasonNumber") if isinstance(item, dict) else item)
        for item in (items if isinstance(items, list) else [])
    )
    return frozenset(number for number in numbers if number is not None)


def _number(value: Any) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID
    return value if good else None
