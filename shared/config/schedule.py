"""`schedule` of a service block: when the supervisor starts, restarts or stops it by itself. Pure.

```json
"schedule": {"cron": "30 4 * * 1-5", "tz": "Europe/Berlin", "action": "run", "overlap": "skip"}
```
A slot is an instant of a wall clock. Where clocks are put forward, a fixed time that does not
exist that day is due when they are; where they are put back, it is due the first time only. An
expression whose hours are `*` or `*/n` follows time as it passes instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from croniter.croniter import CroniterError

MOST: Final = 16
"""Entries of one service."""

_LONGEST: Final = 200
_YEARS: Final = 9
"""Between two slots at most: 29 February can be eight years away."""

_MACROS: Final = frozenset(
    ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
)
_KEYS: Final = ("cron", "tz", "action", "overlap")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone
_SECOND: Final = timedelta(seconds=1)

Problem = tuple[tuple[str, ...], str]


class ScheduledAction(StrEnum):
    """What is done at a slot."""

    RUN = "run"
    """Start it, if it does not run."""
    RESTART = "restart"
    """Restart it, if it is up."""
    STOP = "stop"


class Overlap(StrEnum):
    """What becomes of a `run` while the last one still goes on."""

    SKIP = "skip"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One entry that is fine. `tz`: the name of a zone."""

    cron: str
    tz: str
    action: ScheduledAction = ScheduledAction.RUN
    overlap: Overlap = Overlap.SKIP


def parse_schedules(value: Any, default_tz: Any) -> tuple[Schedule, ...]:
    """The usable entries of a field; an unusable zone of the whole file counts as UTC."""
    zone = default_tz if isinstance(default_tz, str) and _zone(default_tz) else "UTC"
    return tuple(
        Schedule(
            cron=entry["cron"].strip(),
            tz=entry.get("tz") or zone,
            action=ScheduledAction(entry.get("action") or ScheduledAction.RUN),
            overlap=Overlap(entry.get("overlap") or Overlap.SKIP),
        )
        for entry in _entries(value)
        if not any(_entry_problems(entry))
    )


def schedule_problems(value: Any) -> Iterator[Problem]:
    """What is wrong in a `schedule`: the path below it, and why."""
    if value is None:
        return
    entries = _entries(value)
    if not isinstance(value, list | dict) or len(entries) > MOST:
        yield (), f"must be an object with 'cron', or a list of at most {MOST}"
        return
    for at, entry in enumerate(entries):
        where = (str(at),) if isinstance(value, list) else ()
        yield from (((*where, *path), why) for path, why in _entry_problems(entry))


def next_slot(schedule: Schedule, after: float) -> float | None:
    """The first slot after an instant, both in epoch seconds; None when there is none for years."""
    zone = _zone(schedule.tz)
    assert zone is not None  # noqa: S101 - an entry was checked
    passing = _hours(schedule.cron).startswith("*")
    offset = _offset(zone, after)
    wall = _EPOCH + timedelta(seconds=int(after)) + offset
    while True:
        try:
            hand = croniter(schedule.cron, wall, max_years_between_matches=_YEARS)
            wall = hand.get_next(datetime)
        except CroniterError:
            return None
        slot = (wall - _EPOCH - offset).total_seconds()
        now_offset = _offset(zone, slot)
        if now_offset == offset:
            if passing or not _second_time(zone, slot):
                return slot
            continue
        change = _change(zone, max(after, slot - 2 * 86400), slot, offset)
        before, offset = _EPOCH + timedelta(seconds=change) + offset, _offset(zone, change)
        behind = _EPOCH + timedelta(seconds=change) + offset
        if before <= wall < behind and not passing:
            return change
        wall = behind - _SECOND


def _change(zone: ZoneInfo, low: float, high: float, offset: timedelta) -> float:
    """The whole second of (low, high] from which on the offset is another one."""
    while _offset(zone, low) != offset:
        low -= 86400
    first, last = int(low), int(high)
    while last - first > 1:
        middle = (first + last) // 2
        if _offset(zone, middle) == offset:
            first = middle
        else:
            last = middle
    return float(last)


def _second_time(zone: ZoneInfo, instant: float) -> bool:
    """Whether the wall clock shows this for the second time, after it was put back."""
    return datetime.fromtimestamp(instant, zone).fold == 1


def _offset(zone: ZoneInfo, instant: float) -> timedelta:
    return datetime.fromtimestamp(instant, UTC).astimezone(zone).utcoffset() or timedelta(0)


def _hours(cron: str) -> str:
    fields = cron.split()
    return fields[1] if len(fields) == 5 else "*" if cron == "@hourly" else "0"


def _entries(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _entry_problems(entry: Any) -> Iterator[Problem]:
    if not isinstance(entry, Mapping):
        yield (), "must be an object with 'cron'"
        return
    why = _cron_problem(entry.get("cron"))
    if why:
        yield ("cron",), why
    tz = entry.get("tz")
    if tz is not None and (not isinstance(tz, str) or (tz and _zone(tz) is None)):
        yield ("tz",), "must be the name of a time zone, such as Europe/Berlin"
    for key, kind in (("action", ScheduledAction), ("overlap", Overlap)):
        words = [str(word) for word in kind]
        if entry.get(key) is not None and entry[key] not in words:
            yield (key,), f"must be one of {', '.join(words)}"
    for key in entry:
        if key not in _KEYS:
            yield (key,), f"is unknown: use {', '.join(_KEYS)}"


def _cron_problem(cron: Any) -> str:
    words = "must be five fields, such as '30 4 * * 1-5', or @daily and the like"
    if not isinstance(cron, str) or len(cron) > _LONGEST:
        return words
    text = cron.strip()
    if text not in _MACROS and len(text.split()) != 5:
        return words
    return _known_problem(text)


@lru_cache(maxsize=256)
def _known_problem(cron: str) -> str:
    try:
        start = datetime(2024, 1, 1)  # noqa: DTZ001 - a wall clock has no zone
        croniter(cron, start, max_years_between_matches=_YEARS).get_next(datetime)
    except CroniterError as error:
        return f"cannot be read, or never comes: {error}"
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):  # croniter's own faults
        return "cannot be read"
    return ""


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
