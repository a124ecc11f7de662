"""From raw stream entries to commands: what is refused, and in which words."""

import orjson
import pytest

from services.supervisor.entries import MAX_VALUE_BYTES, Asked, Malformed, parse_entry
from services.supervisor.fleet.schedule import command_id_of
from shared.models.command import TRIGGER_ACTIONS, Action, Command

ENTRY = "1790000000123-4"
GOOD = {b"action": b"start", b"process_name": b"Riven Backend"}


def command(raw: dict[bytes, bytes], *, trigger: bool = False) -> Command:
    parsed = parse_entry("dumb:commands", ENTRY, raw, trigger=trigger)
    assert isinstance(parsed, Command), parsed
    return parsed


def refusal(raw: dict[bytes, bytes], *, trigger: bool = False) -> Malformed:
    parsed = parse_entry("dumb:commands", ENTRY, raw, trigger=trigger)
    assert isinstance(parsed, Malformed), parsed
    return parsed


def test_a_bare_entry_gets_its_defaults() -> None:
    assert command(GOOD) == Command(
        id=ENTRY,
        action=Action.START,
        process_name="Riven Backend",
        stream="dumb:commands",
        entry_id=ENTRY,
        actor="",
        source="redis",
        expires_at=1790000000.123 + 300,
        args={},
    )


def test_all_fields_are_taken() -> None:
    full = GOOD | {
        b"id": b"a.b:c-D_9",
        b"actor": "Zoë".encode(),
        b"source": b"cli",
        b"expires_at_ms": b"1790000001500",
        b"args": b'{"a":[1]}',
        b"unknown": b"kept out",
    }
    parsed = command(full)
    assert (parsed.id, parsed.actor, parsed.source) == ("a.b:c-D_9", "Zoë", "cli")
    assert parsed.expires_at == 1790000001.5
    assert parsed.args == {"a": [1]}


def test_long_labels_are_cut_not_refused() -> None:
    parsed = command(GOOD | {b"actor": b"a" * 999, b"source": b"s" * 999})
    assert (len(parsed.actor), len(parsed.source)) == (200, 32)


@pytest.mark.parametrize("action", list(Action))
def test_a_trigger_may_only_do_what_is_listed(action: Action) -> None:
    raw = GOOD | {b"action": action.value.encode()}
    if action in TRIGGER_ACTIONS:
        assert command(raw, trigger=True).action is action
    else:
        assert "not allowed on this stream" in refusal(raw, trigger=True).reason
        assert command(raw).action is action


def test_a_trigger_cannot_say_who_it_is_or_pass_arguments() -> None:
    claims = {b"actor": b"root", b"source": b"api", b"args": b"{not json"}
    parsed = command(GOOD | claims | {b"id": b"mine"}, trigger=True)
    assert (parsed.actor, parsed.source, parsed.args) == ("", "trigger", {})
    assert parsed.id == "mine"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({b"action": b""}, "action '' is unknown: use " + ", ".join(sorted(Action))),
        ({b"action": b"START"}, "action 'START' is unknown"),
        ({b"action": b"x" * 500}, f"action '{'x' * 64}' is unknown"),
        ({b"process_name": b"\xff\xfe"}, "field 'process_name' is not UTF-8"),
        ({b"\xff": b"x"}, "field '\\xff' is not UTF-8"),
        ({b"process_name": b"a" * (1 << 20)}, "a field of 1048588 bytes is too large"),
        ({b"n" * 65: b""}, "a field of 65 bytes is too large"),
        ({b"%d" % n: b"" for n in range(32)}, "34 fields: at most 32 are allowed"),
        ({b"id": b"two words"}, "id: use 1 to 128 of A-Z a-z 0-9 . _ : -"),
        ({b"id": b"a" * 129}, "id: use 1 to 128"),
        ({b"id": b"line\n"}, "id: use 1 to 128"),
        ({b"id": "é".encode()}, "id: use 1 to 128"),
        ({b"expires_at_ms": b"soon"}, "expires_at_ms: milliseconds since 1970, digits only"),
        ({b"expires_at_ms": b"-5"}, "expires_at_ms"),
        ({b"expires_at_ms": b"1e9"}, "expires_at_ms"),
        ({b"expires_at_ms": "١٢".encode()}, "expires_at_ms"),
        ({b"expires_at_ms": b"9" * 16}, "expires_at_ms"),
        ({b"args": b"{"}, "args is not JSON"),
        ({b"args": b"[1]"}, "args must be a JSON object"),
        ({b"args": b"null"}, "args must be a JSON object"),
    ],
)
def test_refusals_name_the_fault(fields: dict[bytes, bytes], words: str) -> None:
    refused = refusal(GOOD | fields)
    assert words in refused.reason
    assert len(refused.reason) < 600
    assert refused.command_id == ENTRY


def test_a_refusal_goes_to_the_id_that_was_given() -> None:
    assert refusal({b"id": b"mine", b"action": b"dance"}).command_id == "mine"


@pytest.mark.parametrize(
    "fault",
    [
        {b"id": b"two words"},
        {b"id": b"cron:Web:1790000000"},
        {b"expires_at_ms": b"soon"},
        {b"args": b"{"},
        {b"\xff": b"x"},
        {b"%d" % n: b"" for n in range(32)},
        {b"other": b"a" * (1 << 20)},
    ],
)
def test_a_refusal_keeps_what_was_asked(fault: dict[bytes, bytes]) -> None:
    claims = {b"actor": "Zoë".encode(), b"source": b"cli"}
    asked = refusal(GOOD | claims | fault).asked
    assert asked == Asked("start", "Riven Backend", "Zoë", "cli")
    over = refusal(GOOD | claims | {b"id": b"two words"}, trigger=True).asked
    assert over == Asked("start", "Riven Backend", "", "trigger")


def test_what_was_asked_is_kept_in_bounds_and_can_be_written() -> None:
    huge = b"\xff" * 100_000
    raw = {b"action": huge, b"process_name": huge, b"actor": huge, b"source": huge}
    asked = refusal(raw | {b"args": b'{"password": "s3cret"}'}).asked
    assert (len(asked.action), len(asked.process_name)) == (64, 200)
    assert (len(asked.actor), len(asked.source)) == (200, 32)
    assert "s3cret" not in orjson.dumps(asked).decode()


def test_an_empty_entry_was_trimmed() -> None:
    assert refusal({}).reason.startswith("trimmed")


def test_limits_are_inclusive() -> None:
    assert len(command(GOOD | {b"process_name": b"a" * MAX_VALUE_BYTES}).process_name) == 8192
    large = orjson.dumps({"a": "b" * (1 << 20)})
    assert command(GOOD | {b"args": large}).args["a"].startswith("b")


def test_an_exhausted_id_space_is_no_error() -> None:
    highest = "18446744073709551615-18446744073709551615"
    parsed = parse_entry("dumb:commands", highest, GOOD, trigger=False)
    assert isinstance(parsed, Command)
    assert parsed.expires_at > 1e15


@pytest.mark.parametrize("name", ["Web", "Nightly Job", "ü:/…", "x" * 200])
def test_the_ids_of_schedules_cannot_be_taken(name: str) -> None:
    """A slot whose id had an outcome already would not run, and nothing would say so."""
    taken = command_id_of(name, 1790000000.0)
    for trigger in (True, False):
        found = refusal(GOOD | {b"id": taken.encode()}, trigger=trigger)
        assert found.command_id == ENTRY
        assert "what schedules use" in found.reason
    for free in (b"cron:nightly", b"cron:nightly:2026-01-01", b"xcron:Web:1", b"cron:Web:1:x"):
        assert command(GOOD | {b"id": free}).id == free.decode()
