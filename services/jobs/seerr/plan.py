"""What has to be done at one subordinate so that it is as the primary is. Pure.

The rules, and why they are not the original's: docs/seerr-sync.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from services.jobs.seerr.requests import (
    DECLINED,
    GRANTED,
    Request,
    fingerprint,
    is_copyable,
)
from services.jobs.seerr.roles import Options
from services.jobs.seerr.state import Copy, Failure, parse_time

FIRST_PAUSE_S: Final = 60.0


class Verb(StrEnum):
    """What is done, and how counters and the dry run name it."""

    CREATE = "create"
    APPROVE = "approve"
    DECLINE = "decline"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Action:
    """One step. `request` is what is created; else `copy` is what is changed."""

    verb: Verb
    fingerprint: str
    request: Request | None = None
    seasons: frozenset[int] = frozenset()
    copy: Copy | None = None


@dataclass(slots=True)
class TitlePlan:
    """The steps for one title, in their order, and what is known of it once nothing is left.

    `copies`: what is known, with the primary's ids brought up to date.
    """

    fingerprint: str
    copies: list[Copy]
    changed: bool = False
    actions: list[Action] = field(default_factory=list)
    waiting: bool = False
    """Something failed here, and is not tried again yet."""


@dataclass(frozen=True, slots=True)
class World:
    """The primary at one moment, all of it."""

    titles: Mapping[str, tuple[Request, ...]]
    """By fingerprint, each in the order of ids."""
    ids: frozenset[int]

    @classmethod
    def of(cls, requests: Iterable[Request], options: Options) -> "World":
        titles: dict[str, list[Request]] = {}
        ids = set()
        for request in sorted(requests, key=lambda r: r.id):
            key = fingerprint(request, separate_4k=options.separate_4k)
            titles.setdefault(key, []).append(request)
            ids.add(request.id)
        return cls({key: tuple(found) for key, found in titles.items()}, frozenset(ids))


def plan_title(
    key: str,
    world: World,
    copies: list[Copy],
    *,
    failure: Failure | None,
    options: Options,
    now: float,
    moved: bool = False,
) -> TitlePlan:
    """The steps for one title at one subordinate.

    Args:
        copies: what is known there.
        failure: the last one, if what failed has not worked since.
        now: epoch seconds.
        moved: the primary is another one than before: what it does not have is left alone.
    """
    requests = world.titles.get(key, ())
    plan = TitlePlan(key, [_own(copy) for copy in copies])
    _assign(plan, requests)
    _part(plan, world, options, moved=moved)
    for copy in plan.copies:
        if verb := _wanted_change(copy, requests, options):
            plan.actions.append(Action(verb, key, copy=copy))
    wanted = [r for r in requests if _passes(r, options) and not r.declined]
    creates = [action for request in wanted for action in _missing(plan, key, request)]
    if creates and failure is not None and not is_due(failure, options, now):
        plan.waiting = True
    else:
        plan.actions += creates
    return plan


def is_due(failure: Failure, options: Options, now: float) -> bool:
    """Whether a title that failed may be tried again. What may pass by itself waits less long."""
    failed_at = parse_time(failure.failed_at)
    if options.retry_after_s <= 0 or failed_at is None or failed_at > now:
        return True
    pause = options.retry_after_s
    if failure.transient:
        pause = min(pause, FIRST_PAUSE_S * 2 ** min(max(failure.attempts - 1, 0), 20))
    return now - failed_at >= pause


def _own(copy: Copy) -> Copy:
    return Copy(copy.id, copy.status, copy.synced_at, copy.primaries, copy.seasons)


def _assign(plan: TitlePlan, requests: tuple[Request, ...]) -> None:
    """A copy that stands for nobody knows the title alone: it stands for its first request."""
    taken = {number for copy in plan.copies for number in copy.primaries}
    free = [request for request in requests if request.id not in taken]
    for copy in plan.copies:
        if copy.primaries or not requests:
            continue
        request = free.pop(0) if free else requests[0]
        copy.primaries = frozenset({request.id})
        plan.changed = True
    seasons = {request.id: request.seasons for request in requests}
    for copy in plan.copies:
        if copy.seasons is None and any(seasons.get(number) for number in copy.primaries):
            # Noted by the original, which sent all that there were.
            copy.seasons = frozenset().union(*(seasons.get(n, ()) for n in copy.primaries))
            plan.changed = True


def _part(plan: TitlePlan, world: World, options: Options, *, moved: bool) -> None:
    """Copies of what the primary has no more: deleted, forgotten, or kept for who is left."""
    kept = []
    for copy in plan.copies:
        left = copy.primaries & world.ids
        if left or (copy.primaries and not options.deletes):
            if left and left != copy.primaries and options.deletes:
                copy.primaries = left
                plan.changed = True
            kept.append(copy)
        elif not options.deletes:
            kept.append(copy)
        elif moved:
            plan.changed = True
        else:
            plan.actions.append(Action(Verb.DELETE, plan.fingerprint, copy=copy))
            kept.append(copy)
    plan.copies = kept


def _wanted_change(copy: Copy, requests: tuple[Request, ...], options: Options) -> Verb | None:
    """What its status asks for. Who approves anything of it wins; pending asks for nothing."""
    owners = [request for request in requests if request.id in copy.primaries]
    if any(r.granted and _passes(r, options) for r in owners):
        return None if copy.status in GRANTED else Verb.APPROVE
    if owners and all(r.declined and _passes(r, options) for r in owners):
        return None if copy.status == DECLINED else Verb.DECLINE
    return None


def _missing(plan: TitlePlan, key: str, request: Request) -> list[Action]:
    """A copy for a request that has none, or for the seasons that were added to it."""
    own = [copy for copy in plan.copies if request.id in copy.primaries]
    if not own:
        return [Action(Verb.CREATE, key, request, request.seasons)]
    covered: frozenset[int] = frozenset().union(*(copy.seasons or () for copy in own))
    added = request.seasons - covered
    known = all(copy.seasons is not None for copy in own)
    return [Action(Verb.CREATE, key, request, added)] if added and known else []


def _passes(request: Request, options: Options) -> bool:
    """Whether the options want requests of this status copied."""
    if request.declined:
        return options.declined
    return options.approved if request.granted else options.pending


def create_body(
    request: Request, seasons: frozenset[int], options: Options, user: int | None
) -> dict[str, object]:
    """The body of `POST /request`. Raises `ValueError` for what names no title."""
    if not is_copyable(request):
        raise ValueError("missing media type or TMDB ID")
    body: dict[str, object] = {
        "mediaType": request.media_type,
        "mediaId": request.tmdb_id,
        "is4k": request.is4k and options.separate_4k,
    }
    if request.media_type == "tv" and seasons:
        body["seasons"] = sorted(seasons)
    if user is not None:
        body["userId"] = user
    return body


def adoptable(
    there: Iterable[Request],
    key: str,
    seasons: frozenset[int],
    copies: Iterable[Copy],
) -> Request | None:
    """The request of the subordinate that a duplicate was refused for: ours before, or anybody's.

    One with all the seasons is preferred, then one that stands for nothing yet. One with some of
    them will do: the rest is asked for in the next cycle. A declined one is none, for then it would
    not have been refused.
    """
    taken = {copy.id for copy in copies}
    fits = [
        request
        for request in there
        if fingerprint(request) == key
        and not request.declined
        and (not seasons or seasons & request.seasons)
    ]
    fits.sort(key=lambda r: (not seasons <= r.seasons, r.id in taken, r.id))
    return fits[0] if fits else None
