"""The Seerr sync: what it knows, what failed, what it did at each subordinate."""

from collections import Counter
from typing import Any, Final, cast

import orjson
from prometheus_client.core import Metric

from services.api.exposition.families import counter, counters, gauges
from services.api.exposition.sources import Sources
from shared.bus.keys import Keys
from shared.models.seerr import SEPARATOR

DONE: Final = ("create", "adopt", "approve", "decline", "delete")


async def collect(sources: Sources) -> list[Metric]:
    keys: Keys = sources.keys
    async with sources.redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.seerr_counters)
        pipe.hkeys(keys.seerr_failed)
        pipe.hget(keys.seerr_meta, "synced")
        raw, failed, synced = await cast("Any", pipe.execute())
    numbers = {_text(key): int(value) for key, value in raw.items() if value.isdigit()}
    waiting = Counter(_text(name).partition(SEPARATOR)[2] for name in failed)
    return [
        counters(
            "dumb_seerr_requests",
            "What was done at subordinates.",
            ("subordinate", "action"),
            [
                ((label, verb), float(number))
                for name, number in sorted(numbers.items())
                for verb, _, label in [name.partition(":")]
                if verb in DONE
            ],
        ),
        counters(
            "dumb_seerr_failures",
            "Titles that could not be brought up to date, each time it was tried.",
            ("subordinate",),
            _of("failed", numbers),
        ),
        counters(
            "dumb_seerr_rounds_ended_early",
            "Rounds of which the rest was left to the next cycle.",
            ("subordinate",),
            _of("rounds_ended_early", numbers),
        ),
        counter(
            "dumb_seerr_cycles", "Cycles that were carried out.", _float(numbers, "cycles:done")
        ),
        counter(
            "dumb_seerr_primary_failures",
            "Cycles that did nothing, because the primary could not be read.",
            _float(numbers, "cycles:primary_failed"),
        ),
        gauges(
            "dumb_seerr_titles",
            "Titles that each subordinate has a copy of.",
            ("subordinate",),
            [((label,), float(number)) for label, number in sorted(_synced(synced).items())],
        ),
        gauges(
            "dumb_seerr_titles_failed",
            "Titles that failed and are not right yet.",
            ("subordinate",),
            [((label,), float(number)) for label, number in sorted(waiting.items())],
        ),
    ]


def _of(kind: str, numbers: dict[str, int]) -> list[tuple[tuple[str, ...], float]]:
    prefix = f"{kind}:"
    return [
        ((name.removeprefix(prefix),), float(number))
        for name, number in sorted(numbers.items())
        if name.startswith(prefix)
    ]


def _float(numbers: dict[str, int], name: str) -> float | None:
    found = numbers.get(name)
    return None if found is None else float(found)


def _synced(data: bytes | None) -> dict[str, int]:
    try:
        tree = orjson.loads(data or b"{}")
    except ValueError:
        return {}
    pairs = tree.items() if isinstance(tree, dict) else ()
    return {label: number for label, number in pairs if isinstance(number, int)}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
