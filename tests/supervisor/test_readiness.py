"""What a start that timed out was waiting for."""

import asyncio
from pathlib import Path

import pytest

from services.supervisor.probes.verdict import Health, Verdict
from services.supervisor.readiness import Readiness
from tests.supervisor.blocks import spec_of
from tests.support.redis_server import free_port


async def _refused() -> Verdict:
    return Verdict(Health.UNHEALTHY, "HTTP 503", {"probe": "http", "http_status": 503})


async def _given_up(readiness: Readiness) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(readiness.reached(), 0.2)


async def test_a_port(tmp_path: Path) -> None:
    port = free_port()
    readiness = Readiness(spec_of(tmp_path, port=port, start_window=0), None)
    await _given_up(readiness)
    assert readiness.missing == f"port {port} does not answer"
    assert readiness.details == {"probe": "port", "host": "127.0.0.1", "port": port}


async def test_a_probe_of_its_own(tmp_path: Path) -> None:
    readiness = Readiness(spec_of(tmp_path, start_window=0), _refused)
    await _given_up(readiness)
    assert readiness.missing == "HTTP 503"
    assert readiness.details == {"probe": "http", "http_status": 503}
