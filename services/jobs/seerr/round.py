"""One subordinate in one cycle: the plan, carried out title by title."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from services.jobs.seerr.client import (
    LimitedError,
    RefusedError,
    SeerrClient,
    SeerrError,
    TroubleError,
    UnusableError,
)
from services.jobs.seerr.plan import (
    Action,
    TitlePlan,
    Verb,
    World,
    adoptable,
    create_body,
    plan_title,
)
from services.jobs.seerr.requests import ALREADY, GRANTED, Request, fingerprint
from services.jobs.seerr.roles import Options
from services.jobs.seerr.state import Copy, Failure, SyncState, iso
from shared.models.seerr import failure_key

AT_ONCE: Final = 4
"""Titles under way at one subordinate."""
MOST_TROUBLE: Final = 5
"""After so many answers in a row that did not come the round is over."""
DUPLICATE: Final = frozenset({202, 409})
PASSING: Final = DUPLICATE | {404}
"""Refusals that may be over soon: what was in the way goes, what was deleted is made anew."""

Save = Callable[[str, str], Awaitable[None]]
"""Writes what is known of a title at a subordinate: fingerprint, label."""
Confirm = Callable[[frozenset[int]], Awaitable[bool]]
"""Whether the primary really has none of these requests."""


@dataclass(slots=True)
class Outcome:
    """What a round did."""

    done: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    waiting: int = 0
    planned: int = 0
    problem: str = ""
    """Why the rest was left to the next cycle; "" when there is no rest."""
    retry_at: float = 0.0
    """Epoch seconds: the subordinate wants to be left alone until then."""


class _Over(Exception):  # noqa: N818 - the round is over, which is no error of its own
    """With the sentence that says why."""


class Round:
    """Every title that is not as it should be, a few at a time, none of them waiting for others."""

    def __init__(
        self,
        client: SeerrClient,
        world: World,
        state: SyncState,
        options: Options,
        *,
        save: Save,
        confirm: Confirm,
        deadline: float,
        moved: bool,
        log: logging.Logger,
    ) -> None:
        self.outcome = Outcome()
        self.plans: list[TitlePlan] = []
        """What `plan` found to do."""
        self._settled: list[str] = []
        """Titles that failed, and with which nothing is wrong any more."""
        self._client = client
        self._label = client.label
        self._world = world
        self._state = state
        self._options = options
        self._save = save
        self._confirm = confirm
        self._deadline = deadline
        self._moved = moved
        self._log = log
        self._trouble = 0
        self._listing: asyncio.Task[dict[str, list[Request]]] | None = None
        self._users: asyncio.Task[dict[str, int]] | None = None

    def plan(self, now: float) -> int:
        """Find what there is to do, in the order of the primary, deletions last; how much it is."""
        known = [fp for fp, by in self._state.copies.items() if self._label in by]
        self.plans.clear()
        self._settled.clear()
        # What failed and was deleted at the primary before it was copied stands in neither.
        failed = self._state.failed(self._label)
        for key in dict.fromkeys([*self._world.titles, *known, *failed]):
            failure = self._state.failures.get(failure_key(key, self._label))
            plan = plan_title(
                key,
                self._world,
                self._state.of(self._label, key),
                failure=failure,
                options=self._options,
                now=now,
                moved=self._moved,
            )
            if failure is not None and not plan.actions and not plan.waiting:
                self._settled.append(key)
            if plan.actions or plan.changed or plan.waiting:
                self.plans.append(plan)
        return len(self.plans)

    async def run(self, progress: Callable[[int], None]) -> Outcome:
        """Carry `plans` out. `progress` is told of every title that was looked after."""
        plans = self.plans
        self.outcome.waiting = sum(plan.waiting for plan in plans)
        work = [plan for plan in plans if plan.actions]
        self.outcome.planned = len(work)
        try:
            for key in self._settled:
                self._state.failures.pop(failure_key(key, self._label), None)
                await self._save(key, self._label)
            for plan in plans:
                if plan.changed:
                    self._state.put(self._label, plan.fingerprint, plan.copies)
                    await self._save(plan.fingerprint, self._label)
            if work:
                await self._begin()
                await self._all(work, progress)
        except _Over as over:
            self.outcome.problem = str(over)
        finally:
            for task in (self._listing, self._users):
                if task is not None:
                    task.cancel()
        return self.outcome

    async def _begin(self) -> None:
        try:
            if not await self._client.wait_ready():
                raise _Over("it does not answer")
            await self._client.check_key()
        except SeerrError as error:
            self._end(error)

    async def _all(self, work: list[TitlePlan], progress: Callable[[int], None]) -> None:
        waiting = iter(work)

        async def hand() -> None:
            for plan in waiting:
                if time.monotonic() > self._deadline:
                    raise _Over("the time of this cycle is over; the rest comes in the next one")
                await self._title(plan)
                progress(1)

        hands = [asyncio.create_task(hand()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*hands)
        finally:
            for task in hands:
                task.cancel()
            await asyncio.gather(*hands, return_exceptions=True)

    async def _title(self, plan: TitlePlan) -> None:
        """The steps of one title, one after another; the first that fails ends them."""
        try:
            for action in plan.actions:
                await self._step(plan, action)
                self._trouble = 0
        except RefusedError as error:
            self._trouble = 0
            await self._failed(plan, str(error), transient=error.status in PASSING)
        except TroubleError as error:
            self._trouble += 1
            await self._failed(plan, str(error), transient=True)
            if self._trouble >= MOST_TROUBLE:
                raise _Over(f"it fails again and again: {error}") from None
        except (UnusableError, LimitedError) as error:
            self._end(error)
        except ValueError as error:
            await self._failed(plan, str(error), transient=False)
        else:
            key = failure_key(plan.fingerprint, self._label)
            if not plan.waiting and self._state.failures.pop(key, None) is not None:
                await self._save(plan.fingerprint, self._label)

    async def _step(self, plan: TitlePlan, action: Action) -> None:
        copy = action.copy
        if copy is None:
            await self._create(plan, action)
        elif action.verb is Verb.DELETE:
            if not await self._confirm(copy.primaries):
                return
            await self._client.delete(copy.id)
            plan.copies.remove(copy)
        else:
            copy.status = await self._set_status(plan, copy, action.verb)
            copy.synced_at = iso(time.time())
        await self._note(plan, action.verb)

    async def _set_status(self, plan: TitlePlan, copy: Copy, verb: Verb) -> int:
        try:
            return await self._client.set_status(copy.id, verb)
        except RefusedError as error:
            if error.status == 404:
                # Somebody deleted the copy over there: the next cycle makes it anew.
                plan.copies.remove(copy)
                await self._keep(plan)
            raise

    async def _create(self, plan: TitlePlan, action: Action) -> None:
        request = action.request
        assert request is not None  # noqa: S101 - an action without a copy has one
        seasons = action.seasons
        user = await self._user_of(request)
        body = create_body(request, action.seasons, self._options, user)
        try:
            made = await self._client.create(body)
        except RefusedError as error:
            if error.status not in DUPLICATE:
                raise
            made = await self._adopt(plan, action, error)
            seasons &= made.seasons
            self.outcome.done["adopt"] += 1
        copy = self._copy_of(plan, made, request, seasons)
        await self._keep(plan)  # before anything else can fail: it would be made twice
        if request.granted and copy.status not in GRANTED:
            copy.status = await self._client.set_status(copy.id, "approve")
            self.outcome.done[Verb.APPROVE] += 1

    def _copy_of(
        self, plan: TitlePlan, made: Request, request: Request, seasons: frozenset[int]
    ) -> Copy:
        copy = next((c for c in plan.copies if c.id == made.id), None)
        if copy is None:
            copy = Copy(made.id, made.status, "")
            plan.copies.append(copy)
        copy.status, copy.synced_at = made.status, iso(time.time())
        copy.primaries |= {request.id}
        copy.seasons = (copy.seasons or frozenset()) | seasons
        return copy

    async def _adopt(self, plan: TitlePlan, action: Action, error: RefusedError) -> Request:
        """The request that is there already. Raises `error` when there is none that fits."""
        if self._listing is None:
            self._listing = asyncio.create_task(self._list())
        there = await asyncio.shield(self._listing)
        found = adoptable(
            there.get(plan.fingerprint, ()), plan.fingerprint, action.seasons, plan.copies
        )
        if found is None:
            raise error if str(error) != ALREADY else RefusedError(409, ALREADY)
        return found

    async def _list(self) -> dict[str, list[Request]]:
        found: dict[str, list[Request]] = {}
        for request in await self._client.list_requests():
            found.setdefault(fingerprint(request), []).append(request)
        return found

    async def _user_of(self, request: Request) -> int | None:
        if not self._options.by_email or not request.email:
            return None
        if self._users is None:
            self._users = asyncio.create_task(self._client.users_by_email())
        return (await asyncio.shield(self._users)).get(request.email)

    async def _note(self, plan: TitlePlan, verb: Verb) -> None:
        self.outcome.done[verb] += 1
        await self._keep(plan)

    async def _keep(self, plan: TitlePlan) -> None:
        self._state.put(self._label, plan.fingerprint, plan.copies)
        await self._save(plan.fingerprint, self._label)

    async def _failed(self, plan: TitlePlan, error: str, *, transient: bool) -> None:
        self.outcome.failed += 1
        key = failure_key(plan.fingerprint, self._label)
        before = self._state.failures.get(key)
        request = next((a.request for a in plan.actions if a.request is not None), None)
        media_type, _, rest = plan.fingerprint.partition(":")
        tmdb = rest.partition(":")[0]
        self._state.failures[key] = Failure(
            failed_at=iso(time.time()),
            error=error,
            media_type=request.media_type if request else media_type,
            tmdb_id=request.tmdb_id if request else int(tmdb) if tmdb.isdecimal() else 0,
            attempts=before.attempts + 1 if before else 1,
            transient=transient,
        )
        await self._save(plan.fingerprint, self._label)

    def _end(self, error: SeerrError) -> NoReturn:
        if isinstance(error, LimitedError):
            self.outcome.retry_at = time.time() + error.seconds
        raise _Over(str(error)) from None
