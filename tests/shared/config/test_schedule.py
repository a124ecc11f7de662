"""Cron expressions in time zones: clocks that are put forward and back, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.config.pages import config_of
from shared.config.schedule import (
    Overlap,
    Schedule,
    ScheduledAction,
    next_slot,
    parse_schedules,
    schedule_problems,
)
from shared.config.validate import problems

BERLIN = "Europe/Berlin"
"""Forward on 2026-03-29 at 01:00 UTC, back on 2026-10-25 at 01:00 UTC."""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def slots(cron: str, tz: str, after: str, count: int) -> list[str]:
    now, found = at(after), []
    for _ in range(count):
        slot = next_slot(Schedule(cron, tz), now)
        assert slot is not None
        assert slot > now
        found.append(datetime.fromtimestamp(slot, UTC).strftime("%m-%d %H:%M"))
        now = slot
    return found


@pytest.mark.parametrize(
    ("cron", "tz", "after", "expected"),
    [
        ("30 4 * * *", "UTC", "2026-11-24T04:30", ["11-25 04:30", "11-26 04:30"]),
        ("30 4 * * 1-5", BERLIN, "2026-11-20T12:00", ["11-23 03:30", "11-24 03:30"]),
        ("@daily", "America/New_York", "2026-07-01T00:00", ["07-01 04:00", "07-02 04:00"]),
        ("@hourly", "Asia/Kathmandu", "2026-07-01T00:00", ["07-01 00:15", "07-01 01:15"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["02-29 00:00"]),
        # Forward: 02:30 does not exist on the 29th, so it is due when clocks are put forward.
        ("30 2 * * *", BERLIN, "2026-03-28T00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("0 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29 01:00", "03-30 00:00"]),
        ("0 3 * * *", BERLIN, "2026-03-28T12:00", ["03-29 01:00", "03-30 01:00"]),
        ("*/30 * * * *", BERLIN, "2026-03-29T00:15", ["03-29 00:30", "03-29 01:00", "03-29 01:30"]),
        ("30 */1 * * *", BERLIN, "2026-03-29T00:15", ["03-29 00:30", "03-29 01:30"]),
        # Back: 02:30 comes twice on the 25th and is due once; what follows time goes on.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
        ("0 3 * * *", BERLIN, "2026-10-24T12:00", ["10-25 02:00", "10-26 02:00"]),
        ("30 2,4 * * *", BERLIN, "2026-10-25T00:45", ["10-25 03:30", "10-26 01:30"]),
        ("30 2 * * *", BERLIN, "2026-10-25T01:10", ["10-26 01:30"]),
        ("*/30 * * * *", BERLIN, "2026-10-25T00:15",
         ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]),
        # Half an hour: Lord Howe Island, back on 2026-04-05 at 15:00 UTC of the day before.
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", ["04-04 14:45", "04-05 15:15"]),
    ],
)  # fmt: skip
def test_slots(cron: str, tz: str, after: str, expected: list[str]) -> None:
    assert slots(cron, tz, after, len(expected)) == expected


@settings(max_examples=60, deadline=None)
@given(
    cron=st.sampled_from(
        ["* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 * * *", "15 1-3 * * *", "5 4 1 * 0"]
    ),
    tz=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"]),
    after=st.integers(1_750_000_000, 1_850_000_000),
)
def test_slots_rise_and_do_not_depend_on_where_one_begins(cron: str, tz: str, after: int) -> None:
    schedule = Schedule(cron, tz)
    first = next_slot(schedule, float(after))
    assert first is not None
    assert first > after
    assert next_slot(schedule, first - 0.5) == first
    second = next_slot(schedule, first)
    assert second is not None
    assert second > first
    assert next_slot(schedule, (first + second) / 2) == second


def test_a_day_has_as_many_slots_as_it_has_minutes() -> None:
    for begin, minutes in (("2026-03-28T23:00", 1380), ("2026-10-24T22:00", 1500)):
        schedule, now = Schedule("* * * * *", BERLIN), at(begin)
        for _ in range(minutes):
            slot = next_slot(schedule, now)
            assert slot == now + 60
            now = slot


def test_defaults() -> None:
    assert parse_schedules({"cron": " @daily "}, BERLIN) == (Schedule("@daily", BERLIN),)
    assert parse_schedules({"cron": "@daily"}, "") == (Schedule("@daily", "UTC"),)
    assert parse_schedules({"cron": "@daily"}, "Nowhere") == (Schedule("@daily", "UTC"),)
    whole = {"cron": "1 2 3 4 5", "tz": "UTC", "action": "restart", "overlap": "replace"}
    expected = Schedule("1 2 3 4 5", "UTC", ScheduledAction.RESTART, Overlap.REPLACE)
    assert parse_schedules([whole, {"cron": "nonsense"}], None) == (expected,)
    assert parse_schedules(None, None) == ()


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ("@daily", "", "must be an object"),
        ([{"cron": "@daily"}] * 17, "", "at most 16"),
        ([{"cron": "@daily"}, 3], "1", "must be an object"),
        ({}, "cron", "five fields"),
        ({"cron": 5}, "cron", "five fields"),
        ({"cron": ""}, "cron", "five fields"),
        ({"cron": "* * * *"}, "cron", "five fields"),
        ({"cron": "* * * * * *"}, "cron", "five fields"),
        ({"cron": "@reboot"}, "cron", "five fields"),
        ({"cron": "61 * * * *"}, "cron", "cannot be read"),
        ({"cron": "*/0 * * * *"}, "cron", "cannot be read"),
        ({"cron": "a b c d e"}, "cron", "cannot be read"),
        ({"cron": "H H * * *"}, "cron", "cannot be read"),
        ({"cron": "0 0 31 2 *"}, "cron", "never comes"),
        ({"cron": "x" * 10_000}, "cron", "five fields"),
        ([{"cron": "@daily", "tz": "Berlin"}], "0.tz", "name of a time zone"),
        ({"cron": "@daily", "tz": "../../etc/passwd"}, "tz", "name of a time zone"),
        ({"cron": "@daily", "tz": "x" * 10_000}, "tz", "name of a time zone"),
        ({"cron": "@daily", "tz": 1}, "tz", "name of a time zone"),
        ({"cron": "@daily", "action": "start"}, "action", "run, restart, stop"),
        ({"cron": "@daily", "action": []}, "action", "run, restart, stop"),
        ({"cron": "@daily", "overlap": "queue"}, "overlap", "skip, replace"),
        ({"cron": "@daily", "timezone": "UTC"}, "timezone", "is unknown"),
    ],
)
def test_what_is_refused_is_named(value: Any, path: str, words: str) -> None:
    found = list(schedule_problems(value))
    assert [".".join(keys) for keys, _ in found] == [path]
    assert words in found[0][1]
    tree = {"web": {"process_name": "Web", "schedule": value}}
    where = ".".join(("web", "schedule", *found[0][0]))
    assert str(problems(config_of(tree))[0]).startswith(f" at '{where}': {found[0][1]}")
