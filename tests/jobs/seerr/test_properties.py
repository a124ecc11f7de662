"""For any changes of the primary and any failures: what the options say comes true in the end."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.jobs.seerr.client import (
    LimitedError,
    RefusedError,
    SeerrClient,
    TroubleError,
    UnusableError,
)
from services.jobs.seerr.plan import World
from services.jobs.seerr.requests import GRANTED, Request, fingerprint, parse_request
from services.jobs.seerr.roles import Options
from services.jobs.seerr.round import Round
from services.jobs.seerr.state import SyncState
from tests.jobs.seerr.conftest import MakeFamily
from tests.support.seerr.server import Fault
from tests.support.seerr.world import APPROVED, DECLINED, Item, Refusal, SeerrWorld

LOG = logging.getLogger("test.seerr")
HOURS_48 = 48 * 3600.0


@dataclass
class SimClient:
    """`SeerrClient` without HTTP. `faults`: what becomes of the next calls."""

    label: str
    world: SeerrWorld
    faults: deque[str] = field(default_factory=deque)
    on_delete: Callable[[int], None] = lambda _number: None

    async def _call(self, effect: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        fault = self.faults.popleft() if self.faults else ""
        if fault == "before":
            raise TroubleError("cut")
        if fault == "unusable":
            raise UnusableError("wrong key")
        if fault == "limited":
            raise LimitedError(100)
        if fault == "refused":
            raise RefusedError(403, "quota")
        try:
            result = effect()
        except Refusal as refusal:
            raise RefusedError(refusal.status, str(refusal)) from None
        if fault == "after":
            raise TroubleError("cut after it took effect")
        return result

    async def wait_ready(self) -> bool:
        return not (self.faults and self.faults[0] == "away" and self.faults.popleft())

    async def check_key(self) -> None:
        await self._call(lambda: None)

    async def list_requests(self) -> list[Request]:
        shown = await self._call(lambda: [self.world.show(i) for i in self.world.items.values()])
        return [parse_request(tree) for tree in shown]

    async def create(self, body: dict[str, Any]) -> Request:
        def make() -> Item:
            return self.world.create(
                body["mediaType"],
                body["mediaId"],
                is4k=body["is4k"],
                seasons=frozenset(body.get("seasons", ())),
            )

        return parse_request(self.world.show(await self._call(make)))

    async def set_status(self, number: int, verb: str) -> int:
        status = {"approve": APPROVED, "decline": DECLINED}[verb]
        item: Item = await self._call(lambda: self.world.set_status(number, status))
        return item.status

    async def delete(self, number: int) -> None:
        def gone() -> None:
            if number in self.world.items:
                self.on_delete(number)
                self.world.delete(number)

        await self._call(gone)


@dataclass
class Game:
    """A primary, subordinates, and what the sync knows."""

    options: Options
    auto_approve: bool
    primary: SeerrWorld = field(default_factory=lambda: SeerrWorld(auto_approve=False))
    state: SyncState = field(default_factory=SyncState)
    now: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.subs = [
            SimClient(f"http://sub{n}", SeerrWorld(self.auto_approve, first_id=1000 * (n + 1)))
            for n in range(3)
        ]
        for sub in self.subs:
            sub.on_delete = lambda number, sub=sub: self._check_delete(sub, number)  # type: ignore[misc]

    def _check_delete(self, sub: SimClient, number: int) -> None:
        """Nothing that the primary still has is ever deleted."""
        for by_label in self.state.copies.values():
            for copy in by_label.get(sub.label, ()):
                if copy.id == number:
                    assert not copy.primaries & set(self.primary.items), copy

    def change(self, step: tuple[Any, ...]) -> None:
        """One change of the primary, or of a subordinate by its own people."""
        what, *more = step
        if what in {"create", "own"}:
            number, kind, seasons, is4k = more
            world = self.primary if what == "create" else self.subs[number % 3].world
            chosen = frozenset(seasons) if kind == "tv" else frozenset()
            try:
                world.create(kind, number, is4k=is4k, seasons=chosen)
            except Refusal:
                return
        elif what == "fault":
            self.subs[more[0]].faults.extend(more[1])
        elif what == "season":
            item = self._pick(more[0])
            if item is not None and item.media_type == "tv":
                item.seasons |= {more[1]}
        else:
            item = self._pick(more[0])
            if item is None:
                return
            if what == "delete":
                self.primary.delete(item.id)
            else:
                self.primary.set_status(item.id, more[1])

    def _pick(self, index: int) -> Item | None:
        items = list(self.primary.items.values())
        return items[index % len(items)] if items else None

    async def cycle(self, meanwhile: tuple[Any, ...] | None = None) -> None:
        """As `run_cycle` does it; `meanwhile` happens after the primary was read."""
        requests = [parse_request(self.primary.show(i)) for i in self.primary.items.values()]
        world = World.of(requests, self.options)
        if meanwhile is not None:
            self.change(meanwhile)
        self.now += HOURS_48

        async def save(_fingerprint: str, _label: str) -> None:
            await asyncio.sleep(0)

        async def confirm(ids: frozenset[int]) -> bool:
            return not ids & set(self.primary.items)

        rounds = [
            Round(
                cast("SeerrClient", sub), world, self.state, self.options, save=save,
                confirm=confirm, deadline=time.monotonic() + 60, moved=False, log=LOG,
            )
            for sub in self.subs
        ]  # fmt: skip
        for one in rounds:
            one.plan(self.now)
        await asyncio.gather(*(one.run(lambda _count: None) for one in rounds))

    def check(self) -> None:
        """The subordinates are what the options say, and nothing counts as failed any more."""
        assert self.state.failures == {}
        for sub in self.subs:
            for item in self.primary.items.values():
                self._check_request(sub, parse_request(self.primary.show(item)))
            for by_label in self.state.copies.values():
                for copy in by_label.get(sub.label, ()):
                    assert copy.id in sub.world.items
                    assert copy.status == sub.world.items[copy.id].status
                    if self.options.deletes:
                        assert copy.primaries & set(self.primary.items), "an orphan"

    def _check_request(self, sub: SimClient, request: Request) -> None:
        key = fingerprint(request, separate_4k=self.options.separate_4k)
        copies = [c for c in self.state.of(sub.label, key) if request.id in c.primaries]
        options = self.options
        if request.declined:
            for copy in copies:
                if options.declined and copy.primaries == {request.id}:
                    assert sub.world.items[copy.id].status == DECLINED
            return
        if not (options.approved if request.granted else options.pending):
            return
        assert copies, f"no copy of {request}"
        covered = frozenset().union(*(c.seasons or () for c in copies))
        assert request.seasons <= covered
        if request.granted:
            assert all(sub.world.items[c.id].status in GRANTED for c in copies)


NUMBERS = st.integers(1, 4)
STEP = st.one_of(
    st.tuples(
        st.sampled_from(["create", "create", "create", "own"]),
        NUMBERS,
        st.sampled_from(["movie", "tv"]),
        st.sets(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    st.tuples(st.just("status"), st.integers(0, 9), st.sampled_from([1, 2, 3, 4, 5])),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("season"), st.integers(0, 9), st.integers(1, 5)),
    st.tuples(
        st.just("fault"),
        st.integers(0, 2),
        st.lists(
            st.sampled_from(["", "before", "after", "refused", "limited", "unusable", "away"]),
            max_size=6,
        ),
    ),
    st.tuples(st.just("cycle")),
    st.tuples(st.just("cycle")),
    st.tuples(st.just("status"), st.integers(0, 2), st.just(APPROVED)),
)
OPTIONS = st.just(Options(declined=True)) | st.builds(
    Options,
    pending=st.booleans(),
    approved=st.booleans(),
    declined=st.booleans(),
    deletes=st.booleans(),
    separate_4k=st.booleans(),
    retry_after_s=st.sampled_from([0.0, 3600.0, 86_400.0]),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, min_size=5, max_size=30), options=OPTIONS, auto_approve=st.booleans())
def test_once_failures_stop_subordinates_converge(
    steps: list[tuple[Any, ...]], options: Options, auto_approve: bool
) -> None:
    async def play() -> None:
        game = Game(options, auto_approve)
        for number, step in enumerate(steps):
            if step[0] == "cycle":
                following = steps[number + 1] if number + 1 < len(steps) else None
                late = following if following and following[0] in {"delete", "status"} else None
                await game.cycle(late)
            else:
                game.change(step)
        for sub in game.subs:
            sub.faults.clear()
        for _ in range(6):
            await game.cycle()
        game.check()

    asyncio.run(play())


@pytest.mark.parametrize("seed", range(4))
async def test_the_same_over_http(make_family: MakeFamily, seed: int) -> None:
    dice = random.Random(seed)
    family = await make_family(3, auto_approve=dice.random() < 0.5, retry_failed_after_hours=0)
    faults = [Fault(500), Fault(cut=True), Fault(cut=True, after=True), Fault(200, body=b"<"),
              Fault(403), Fault(429, headers={"Retry-After": "0"}), Fault(delay=0.01)]  # fmt: skip
    for fake in (family.primary, *family.subs):
        fake.choose = lambda _m, path: (
            dice.choice(faults) if path != "/status" and dice.random() < 0.2 else None
        )
    world = family.primary.world
    for _ in range(6):
        for _ in range(8):
            try:
                if dice.random() < 0.6 or not world.items:
                    kind = dice.choice(["movie", "tv"])
                    seasons = (
                        frozenset(dice.sample(range(1, 6), 2)) if kind == "tv" else frozenset()
                    )
                    world.create(kind, dice.randrange(1, 12), seasons=seasons)
                elif dice.random() < 0.5:
                    world.set_status(dice.choice(list(world.items)), dice.choice([1, 2]))
                else:
                    world.delete(dice.choice(list(world.items)))
            except Refusal:
                continue
        await family.sync()
    for fake in (family.primary, *family.subs):
        fake.choose = lambda _m, _p: None
    for _ in range(4):
        await family.sync()
    assert await family.failures() == {}
    wanted = {item.title: item.status for item in world.items.values()}
    for sub in family.subs:
        found: dict[tuple[str, int, bool], frozenset[int]] = {}
        for item in sub.world.items.values():
            found[item.title] = found.get(item.title, frozenset()) | item.seasons
            if wanted.get(item.title) == APPROVED and item.media_type == "movie":
                assert item.status == APPROVED
        # What was created just when the connection was cut, and deleted at the primary before the
        # next cycle, cannot be told from a request of the subordinate's own people: it stays.
        assert set(found) >= set(wanted)
        for item in world.items.values():
            assert item.seasons <= found[item.title]
    known = (await family.store.load()).copies
    assert set(known) == {f"{kind}:{number}:{is4k}" for kind, number, is4k in wanted}
