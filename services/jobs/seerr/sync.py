"""One cycle: the primary read once and completely, then every subordinate at the same time."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.jobs.seerr.client import Place, SeerrClient, SeerrError, TroubleError
from services.jobs.seerr.places import NoPlaceError, resolve
from services.jobs.seerr.plan import TitlePlan, Verb, World
from services.jobs.seerr.roles import Roles
from services.jobs.seerr.round import AT_ONCE, Outcome, Round
from services.jobs.seerr.state import SyncState, iso
from services.jobs.seerr.store import Store
from shared.bus.keys import Keys
from shared.bus.scripts import LEASE_KEEP
from shared.errors import DumbError
from shared.models.seerr import SEPARATOR
from shared.outbound import Outbound

LEASE_MS: Final = 15_000
RENEW_S: Final = 4.0
CYCLE_S: Final = 780.0
"""Less than the job's own limit: what does not fit is left to the next cycle, in order."""
LONGEST_S: Final = 840.0
SHOWN: Final = 500
"""Titles that a dry run names, of each kind and subordinate."""

Progress = Callable[[int, int, str], None]


class BusyError(DumbError):
    """Another cycle is under way."""

    code = "seerr_busy"


class TooSlowError(DumbError):
    """A cycle did not come to its end."""

    code = "seerr_too_slow"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a cycle works with. `job`: its id, the holder of the lease."""

    redis: Redis
    keys: Keys
    home: Path
    store: Store
    job: str
    log: logging.Logger
    progress: Progress = lambda _done, _total, _text: None


async def run_cycle(roles: Roles, bench: Bench) -> dict[str, Any]:
    """Bring the subordinates up to date; what was done, as the job's result.

    A subordinate's trouble is its own: it is in the result and the log, and ends nobody else's
    round. Without a complete list of the primary nothing is done at all.

    Raises:
        BusyError: another cycle is under way, and has been for as long as this one could wait.
        TooSlowError: the primary needs longer for its list than a cycle may take.
        redis.exceptions.RedisError, OSError: Redis went away; the next cycle goes on from there.
    """
    connections = AT_ONCE * (len(roles.subordinates) + 1)
    async with _lease(bench), Outbound(connections) as http:
        try:
            async with asyncio.timeout(LONGEST_S):
                result = await _Cycle(roles, bench, http).run()
        except TimeoutError:
            raise TooSlowError(
                f"The cycle was not over after {LONGEST_S:g} s: the primary answers too slowly."
            ) from None
    bench.log.info("Seerr sync: %s", _in_words(result))
    return result


async def dry_run(roles: Roles, bench: Bench) -> dict[str, Any]:
    """What a cycle would do now. Only reads, at the primary alone."""
    async with Outbound() as http:
        return await _Cycle(roles, bench, http).preview()


class _Cycle:
    def __init__(self, roles: Roles, bench: Bench, http: Outbound) -> None:
        self._roles = roles
        self._bench = bench
        self._http = http
        self._deadline = time.monotonic() + CYCLE_S
        self._confirmed: dict[int, asyncio.Task[bool]] = {}
        self._summed_up = time.monotonic()

    async def run(self) -> dict[str, Any]:
        bench, store = self._bench, self._bench.store
        state = await store.load()
        try:
            primary, world = await self._read_primary()
        except SeerrError as error:
            await store.count({"cycles:primary_failed": 1})
            await store.set_meta({"problem": f"the primary: {error}"})
            return {"problem": f"the primary: {error}", "subordinates": {}}
        moved = state.rebase(self._roles.primary.label)
        if moved:
            bench.log.warning("the primary is another one: copies that it does not have stay")
        await store.set_meta({"primary": state.primary})
        rounds, unavailable = await self._rounds(state, primary, world, moved=moved)
        outcomes = await self._run_rounds(rounds)
        await self._forget(state, world)
        state.last_poll = iso(time.time())
        await self._finish(state, {**unavailable, **outcomes})
        shown = {label: _shown(outcome) for label, outcome in {**unavailable, **outcomes}.items()}
        return {"requests": len(world.ids), "subordinates": shown}

    async def preview(self) -> dict[str, Any]:
        state = await self._bench.store.load()
        try:
            primary, world = await self._read_primary()
        except SeerrError as error:
            return {"problem": f"the primary: {error}"}
        moved = state.rebase(self._roles.primary.label)
        found = {}
        for source in self._roles.subordinates:
            client = SeerrClient(Place(source.label, source.url, ""), self._http)
            planned = self._round(client, state, primary, world, moved=moved)
            planned.plan(time.time())
            found[source.label] = _preview(planned.plans)
        return {"requests": len(world.ids), "subordinates": found}

    async def _read_primary(self) -> tuple[SeerrClient, World]:
        try:
            place = resolve(self._roles.primary, self._bench.home)
        except NoPlaceError as error:
            raise TroubleError(str(error)) from None
        client = SeerrClient(place, self._http)
        if not await client.wait_ready():
            raise TroubleError("it does not answer")
        requests = await client.list_requests(
            lambda done, total: self._bench.progress(done, total, "requests of the primary read")
        )
        return client, World.of(requests, self._roles.options)

    async def _rounds(
        self, state: SyncState, primary: SeerrClient, world: World, *, moved: bool
    ) -> tuple[list[tuple[str, Round]], dict[str, Outcome]]:
        """The rounds of those that can be asked, and why not of the others."""
        meta = await self._bench.store.get_meta()
        rounds: list[tuple[str, Round]] = []
        unavailable: dict[str, Outcome] = {}
        for source in self._roles.subordinates:
            until = _number(meta.get(f"retry_at:{source.label}", ""))
            try:
                place = resolve(source, self._bench.home)
            except NoPlaceError as error:
                unavailable[source.label] = Outcome(problem=str(error))
                continue
            if until > time.time():
                problem = f"it asked for no more requests until {iso(until)}"
                unavailable[source.label] = Outcome(problem=problem, retry_at=until)
                continue
            client = SeerrClient(place, self._http)
            rounds.append((source.label, self._round(client, state, primary, world, moved=moved)))
        return rounds, unavailable

    def _round(
        self,
        client: SeerrClient,
        state: SyncState,
        primary: SeerrClient,
        world: World,
        *,
        moved: bool,
    ) -> Round:
        async def save(fingerprint: str, label: str) -> None:
            await self._bench.store.save_title(state, fingerprint, label)
            await self._sum_up_sometimes(state)

        return Round(
            client,
            world,
            state,
            self._roles.options,
            save=save,
            confirm=lambda ids: self._confirm(primary, ids),
            deadline=self._deadline,
            moved=moved,
            log=self._bench.log,
        )

    async def _run_rounds(self, rounds: list[tuple[str, Round]]) -> dict[str, Outcome]:
        total = sum(r.plan(time.time()) for _, r in rounds)
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._bench.progress(done, max(total, done), "titles looked after")

        tasks = [asyncio.create_task(r.run(progress)) for _, r in rounds]
        try:
            outcomes = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return {label: outcome for (label, _), outcome in zip(rounds, outcomes, strict=True)}

    async def _confirm(self, primary: SeerrClient, ids: frozenset[int]) -> bool:
        """Ask the primary itself before something is deleted. Each id once per cycle."""
        for number in sorted(ids):
            task = self._confirmed.get(number)
            if task is None:
                task = asyncio.create_task(primary.has_request(number))
                self._confirmed[number] = task
            try:
                if await asyncio.shield(task):
                    return False
            except SeerrError as error:
                self._bench.log.warning("nothing is deleted: the primary cannot say: %s", error)
                return False
        return True

    async def _forget(self, state: SyncState, world: World) -> None:
        """Failures of removed subordinates; their copies of titles that the primary has no more."""
        labels = {source.label for source in self._roles.subordinates}
        for fingerprint in [fp for fp in state.copies if fp not in world.titles]:
            for label in set(state.copies.get(fingerprint, {})) - labels:
                copies = state.of(label, fingerprint)
                if not any(copy.primaries & world.ids for copy in copies):
                    state.put(label, fingerprint, [])
                    await self._bench.store.save_title(state, fingerprint, label)
        gone = [name for name in state.failures if name.partition(SEPARATOR)[2] not in labels]
        for name in gone:
            del state.failures[name]
        await self._bench.store.drop_failures(gone)

    async def _sum_up_sometimes(self, state: SyncState) -> None:
        if time.monotonic() - self._summed_up > RENEW_S:
            self._summed_up = time.monotonic()
            await self._bench.store.set_meta({"synced": _json(state.synced())})

    async def _finish(self, state: SyncState, outcomes: dict[str, Outcome]) -> None:
        store = self._bench.store
        counters: Counter[str] = Counter({"cycles:done": 1})
        fields = {
            "last_poll_ts": state.last_poll,
            "synced": _json(state.synced()),
            "problem": "",
            "problems": _json({k: o.problem for k, o in outcomes.items() if o.problem}),
        }
        for label, outcome in outcomes.items():
            fields[f"retry_at:{label}"] = str(outcome.retry_at)
            counters.update({f"{verb}:{label}": n for verb, n in outcome.done.items()})
            counters[f"failed:{label}"] += outcome.failed
            counters[f"rounds_ended_early:{label}"] += bool(outcome.problem)
            if outcome.problem:
                self._bench.log.warning("Seerr sync: %s: %s", label, outcome.problem)
        await store.set_meta(fields)
        await store.count(counters)
        try:
            await store.mirror(state)
        except (DumbError, OSError) as error:
            self._bench.log.warning("the state is in Redis only: %s", error)


@asynccontextmanager
async def _lease(bench: Bench) -> AsyncIterator[None]:
    """Held while a cycle runs. One that was killed holds it for at most 15 s."""
    redis, key = bench.redis, bench.keys.seerr_lease
    deadline = time.monotonic() + 2 * LEASE_MS / 1000
    script = redis.register_script(LEASE_KEEP)
    while not await redis.set(key, bench.job, nx=True, px=LEASE_MS):
        if await script(keys=[key], args=[bench.job, LEASE_MS]):
            break  # our own, from an attempt that was killed
        if time.monotonic() > deadline:
            raise BusyError("Another Seerr sync is under way.")
        await asyncio.sleep(0.5)

    async def keep(owner: asyncio.Task[Any]) -> None:
        lost_at = time.monotonic() + LEASE_MS / 1000
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                kept = await script(keys=[key], args=[bench.job, LEASE_MS])
            except (RedisError, OSError):
                kept = time.monotonic() < lost_at
            else:
                lost_at = time.monotonic() + LEASE_MS / 1000
            if not kept:
                owner.cancel()  # somebody else may hold it: two cycles would copy twice
                return

    owner = asyncio.current_task()
    assert owner is not None  # noqa: S101 - we are running
    keeper = asyncio.create_task(keep(owner))
    try:
        yield
    except asyncio.CancelledError:
        if keeper.done():
            raise BusyError("This Seerr sync lost its lease and was ended.") from None
        raise
    finally:
        keeper.cancel()
        await script(keys=[key], args=[bench.job, "0"])


def _preview(plans: list[TitlePlan]) -> dict[str, Any]:
    found: dict[str, Any] = {str(verb): [] for verb in Verb}
    counts: Counter[str] = Counter()
    for plan in plans:
        for action in plan.actions:
            counts[action.verb] += 1
            if len(found[action.verb]) < SHOWN:
                found[action.verb].append(plan.fingerprint)
    waiting = [plan.fingerprint for plan in plans if plan.waiting]
    counts["waiting"] = len(waiting)
    return {**found, "waiting": waiting[:SHOWN], "counts": {k: n for k, n in counts.items() if n}}


def _shown(outcome: Outcome) -> dict[str, Any]:
    shown: dict[str, Any] = {str(verb): n for verb, n in outcome.done.items()}
    if outcome.failed:
        shown["failed"] = outcome.failed
    if outcome.waiting:
        shown["waiting"] = outcome.waiting
    if outcome.problem:
        shown["problem"] = outcome.problem
    return shown


def _in_words(result: dict[str, Any]) -> str:
    if "problem" in result:
        return str(result["problem"])
    parts = [f"{label}: {_json(shown)}" for label, shown in result["subordinates"].items() if shown]
    return f"{result['requests']} requests; " + ("; ".join(parts) or "nothing to do")


def _json(tree: Any) -> str:
    return orjson.dumps(tree).decode()


def _number(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
