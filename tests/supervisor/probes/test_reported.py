"""What answers of applications mean: the contract's table."""

from typing import Any

import orjson
import pytest

from services.supervisor.probes.http import Answer
from services.supervisor.probes.reported import MAX_COMPONENTS, judge
from services.supervisor.probes.verdict import Health


def answer(body: Any = b"", status: int = 200, *, truncated: bool = False) -> Answer:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Answer(status, data, truncated, 1.0)


@pytest.mark.parametrize(
    ("status", "body", "health"),
    [
        (200, b"", "healthy"),
        (200, b"<html>unavailable", "healthy"),
        (204, b"", "healthy"),
        (200, b"PING", "healthy"),
        (200, b"Healthy", "healthy"),
        (200, b"Unhealthy", "unhealthy"),
        (200, {"status": "OK"}, "healthy"),
        (200, {"Status": "Healthy"}, "healthy"),
        (200, {"state": "Not Ready"}, "unhealthy"),
        (200, {"health": "migrating"}, "starting"),
        (200, {"overallStatus": "warn"}, "degraded"),
        (200, {"status": "purple"}, "degraded"),
        (200, {"status": 5, "state": "up"}, "healthy"),
        (200, {"version": "1"}, "healthy"),
        (503, {"status": "starting"}, "starting"),
        (503, {"status": "up"}, "healthy"),
        (503, {"status": "purple"}, "unhealthy"),
        (500, b"", "unhealthy"),
        (503, b"ok", "unhealthy"),
        (502, b"Bad gateway", "unhealthy"),
        (401, b"", "degraded"),
        (403, b"", "degraded"),
        (404, b"", "degraded"),
        (405, b"", "degraded"),
        (429, b"", "degraded"),
        (302, b"", "degraded"),
        (418, b"", "degraded"),
        (200, {"components": {"db": {"status": "UP"}, "mq": {"status": "DOWN"}}}, "unhealthy"),
        (200, {"checks": [{"name": "a", "state": "ok"}, {"name": "b"}]}, "healthy"),
        (200, {"checks": [{"name": "b", "status": "pending"}]}, "starting"),
        (200, {"entries": {"a": "pass"}}, "healthy"),
        (200, {"status": "ok", "components": {"db": {"status": "down"}}}, "healthy"),
        (200, b'{"status": ', "healthy"),
    ],
)  # fmt: skip
def test_words_win_over_the_status_code(status: int, body: Any, health: str) -> None:
    assert judge(answer(body, status)).health == health


def test_what_is_not_the_application_is_degraded() -> None:
    assert judge(answer(b"<MediaContainer/>"), contains="<MediaContainer").health == "healthy"
    stranger = judge(answer(b"nginx"), contains="<MediaContainer")
    assert (stranger.health, stranger.details["validation"]) == (Health.DEGRADED, "failed")
    assert judge(answer({"version": "2"}), json_field="version").health == "healthy"
    for body in ({"success": False}, {"version": ""}, {}, b"no json"):
        field = "success" if body == {"success": False} else "version"
        assert judge(answer(body), json_field=field).health == "degraded"
    assert judge(answer(b"", 500), json_field="version").health == "unhealthy"


def test_details_name_what_was_seen() -> None:
    body = {"status": "warn", "components": {f"c{n}": {"status": "up"} for n in range(20)}}
    verdict = judge(answer(body))
    assert verdict.reason == "Reports 'warn'"
    assert verdict.details["reported_status"] == "warn"
    assert verdict.details["http_status"] == 200
    assert len(verdict.details["components"]) == MAX_COMPONENTS
    assert verdict.details["components"][0] == {"name": "c0", "status": "up"}
    large = judge(answer(b"x", truncated=True))
    assert (large.health, large.details["response_truncated"]) == (Health.DEGRADED, True)
