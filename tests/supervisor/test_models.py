"""What goes to Redis comes back the same."""

import dataclasses
from typing import Any

import orjson
import pytest

from shared.models.command import CommandStatus, Receipt
from shared.models.log import LogChunk
from shared.models.service import RestartStats, ServiceState
from shared.states import Desired, ServiceStatus

STATES = [
    ServiceState("plain"),
    ServiceState(
        "Sonarr w/ ü & spaces",
        status=ServiceStatus.EXITED,
        desired=Desired.UP,
        generation=3,
        pid=None,
        started_at=1790000000.25,
        ready_at=None,
        stopped_at=1790000001.5,
        exit_code=0,
        exit_signal=None,
        exit_reason="exit code 0\nline two",
        waiting_for="tcp",
        health="degraded",
        health_reason="slow",
        health_details={"probe": "port", "port": 1},
        health_checked_at=1.0,
        restart=RestartStats(pending=True, next_restart_time=2.5, last_exit_reason="x"),
        enabled=True,
        config_key="sonarr",
        instance="Default",
        seq=12,
    ),
    ServiceState("killed", status=ServiceStatus.FAILED, exit_signal=9, health_details=None),
]


def to_bytes(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in fields.items()}


@pytest.mark.parametrize("state", STATES, ids=lambda s: s.process_name)
def test_service_state_round_trips(state: ServiceState) -> None:
    assert ServiceState.from_hash(state.process_name, to_bytes(state.to_hash())) == state
    assert ServiceState.from_json(state.to_json()) == state
    assert ServiceState.from_mapping(dataclasses.asdict(state)) == state


def test_service_hash_is_plain() -> None:
    fields = STATES[1].to_hash()
    assert "process_name" not in fields
    assert (fields["pid"], fields["exit_code"], fields["enabled"]) == ("", "0", "1")
    assert fields["started_at"] == "1790000000.25"
    assert len(orjson.loads(fields["restart"])) == 16


def test_an_empty_or_newer_hash_is_understood() -> None:
    assert ServiceState.from_hash("x", {}) == ServiceState("x")
    newer = ServiceState.from_hash("x", {b"status": b"running", b"node": b"n1"})
    assert newer.status is ServiceStatus.RUNNING


@pytest.mark.parametrize(
    "raw",
    [
        {b"status": b"dancing"},
        {b"desired": b"sideways"},
        {b"pid": b"many"},
        {b"started_at": b"noon"},
        {b"restart": b"{"},
    ],
)
def test_a_service_hash_of_nonsense_is_a_value_error(raw: dict[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ServiceState.from_hash("x", raw)


RECEIPTS = [
    Receipt("bare"),
    Receipt(
        "full",
        action="restart",
        process_name="Zoë",
        actor="admin",
        source="api",
        status=CommandStatus.SUCCEEDED,
        detail="restarted",
        created_at=1.5,
        started_at=2.0,
        finished_at=3.0,
        steps=[(1.5, "accepted"), (2.0, "claimed")],
        result={"a": [1, None]},
    ),
]


@pytest.mark.parametrize("receipt", RECEIPTS, ids=lambda r: r.id)
def test_receipt_round_trips(receipt: Receipt) -> None:
    assert Receipt.from_hash(receipt.id, to_bytes(receipt.to_hash())) == receipt
    assert Receipt.from_json(receipt.to_json()) == receipt


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"status":"x"}', b"nonsense", b'"text"', b"1"])
def test_an_announcement_of_nonsense_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Receipt.from_json(data)


def test_final_statuses() -> None:
    assert [s.value for s in CommandStatus if not s.final] == ["queued", "running"]


@pytest.mark.parametrize("flags", [{}, {"quiet": True}, {"live": False}])
def test_log_chunk_round_trips(flags: dict[str, Any]) -> None:
    chunk = LogChunk("a:output", "a", "g1", 10, 14, b"x\ny\n", **flags)
    assert LogChunk.decode(chunk.encode()) == chunk


@pytest.mark.parametrize("message", [b"", b"no newline", b"{}\n", b"[]\nx", b"nonsense\n"])
def test_a_log_message_of_nonsense_is_a_value_error(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        LogChunk.decode(message)
