"""`/seerr-sync`: the contract's shapes, beside a real jobs program and fake Seerrs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.api.rest.conftest import CONFIG, Api
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.jobs import JobsProcess
from tests.support.seerr.server import FakeSeerr, Fault, serving
from tests.support.seerr.world import APPROVED, SeerrWorld
from tests.support.wait import wait_until


class Setup:
    """A primary, two subordinates, and a configuration that names them."""

    def __init__(self) -> None:
        self.primary = FakeSeerr(SeerrWorld(auto_approve=False), key="primary-key-0123456789")
        self.subs = [
            FakeSeerr(SeerrWorld(first_id=100 * n), key=f"sub-key-{n}-0123") for n in (1, 2)
        ]

    def config(self, *, enabled: bool = True, **options: Any) -> dict[str, Any]:
        primary = {"enabled": True, "url": self.primary.url, "api_key": self.primary.key}
        section = {
            "enabled": enabled,
            "poll_interval_seconds": 3600,
            "external_primary": primary,
            "external_subordinates": [sub.as_subordinate() for sub in self.subs],
            "options": options,
        }
        return {**CONFIG, "seerr_sync": section}


@pytest_asyncio.fixture
async def seerr() -> AsyncIterator[Setup]:
    setup = Setup()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(setup.primary, *setup.subs))
        yield setup


@pytest_asyncio.fixture
async def jobs(tmp_path: Path, redis_url: str) -> AsyncIterator[JobsProcess]:
    program = JobsProcess(tmp_path / "home", redis_url, real=True)
    await asyncio.to_thread(program.start)
    yield program
    await asyncio.to_thread(program.close)


async def _active(api: Api, tracked: int) -> dict[str, Any]:
    """The status once so many requests are known and a cycle has ended."""
    found: dict[str, Any] = {}

    async def there() -> bool:
        nonlocal found
        found = (await api.http.get("/seerr-sync/status")).json()
        return found.get("total_requests_tracked") == tracked and bool(found["last_poll"])

    await wait_until(there, timeout=20, what=f"{tracked} requests are tracked")
    return found


async def test_disabled_then_initializing_then_active(
    api: Api, supervisor: ScriptedSupervisor, seerr: Setup, jobs: JobsProcess
) -> None:
    assert (await api.http.get("/seerr-sync/status")).json() == {
        "enabled": False,
        "status": "disabled",
    }
    assert (await api.http.get("/seerr-sync/state")).json() == {}
    assert (await api.http.get("/seerr-sync/failed")).json() == {"count": 0, "failed_requests": []}
    assert (await api.http.post("/seerr-sync/run")).status_code == 409
    seerr.primary.world.create("movie", 603, status=APPROVED)
    # A cycle begins at once when the configuration asks for it, and no sooner.
    seerr.primary.choose = lambda _m, _p: Fault(delay=0.3)
    await supervisor.publish_config(seerr.config(), version=2)
    found = (await api.http.get("/seerr-sync/status")).json()
    assert (found["enabled"], found["status"]) == (True, "initializing")
    assert isinstance(found["message"], str)
    found = await _active(api, 1)
    assert found["subordinates"] == {sub.url: {"synced": 1} for sub in seerr.subs}
    assert found["poll_interval_seconds"] == 3600
    assert (
        found["next_poll"][11:] == found["last_poll"][11:]
        or found["next_poll"] > found["last_poll"]
    )
    state = (await api.http.get("/api/seerr-sync/state/")).json()
    assert state["requests"]["movie:603:False"]["subordinates"][seerr.subs[0].url]["id"] == 100
    file = jobs.home / "seerr_sync_state.json"
    await wait_until(file.exists)
    assert orjson.loads(file.read_bytes()) == state
    schedule = (await api.http.get("/jobs")).json()["schedule"]
    assert next(s["rule"] for s in schedule if s["kind"] == "seerr-sync") == "every 3600 s"
    for sub in seerr.subs:
        assert sub.key not in jobs.output.read_text() + str(state)


async def test_initializing_has_counts_until_a_cycle_has_ended(
    api: Api, supervisor: ScriptedSupervisor, seerr: Setup
) -> None:
    """A first cycle of thousands of requests takes a while; so does one that was interrupted."""
    await supervisor.publish_config(seerr.config(), version=2)
    keys, redis = supervisor.keys, supervisor.redis

    async def status() -> dict[str, Any]:
        found: dict[str, Any] = (await api.http.get("/seerr-sync/status")).json()
        return found

    found = await status()
    assert (found["status"], found["total_requests_tracked"]) == ("initializing", 0)
    await redis.hset(keys.seerr_requests, "movie:1:False", "{}")
    await redis.hset(keys.seerr_failed, "movie:2:False||b", "{}")
    await redis.hset(keys.seerr_meta, "synced", '{"a": 1}')
    found = await status()
    assert (found["status"], found["message"]) == (
        "initializing", "The first cycle has not ended yet.",
    )  # fmt: skip
    assert (found["last_poll"], found["next_poll"]) == (None, None)
    assert (found["total_requests_tracked"], found["total_failed"]) == (1, 1)
    assert found["subordinates"] == {"a": {"synced": 1}, "b": {"synced": 0, "failed": 1}}
    await redis.hset(keys.seerr_meta, "problem", "no primary")
    assert (await status())["message"] == "There was no cycle yet: no primary."
    await redis.hset(keys.seerr_meta, "last_poll_ts", "2026-01-29T21:32:46Z")
    found = await status()
    assert found["status"] == "active"
    assert "message" not in found


async def test_failures_are_listed_cleared_and_tried_again(
    api: Api, supervisor: ScriptedSupervisor, seerr: Setup, jobs: JobsProcess
) -> None:
    seerr.primary.world.create("movie", 1)
    seerr.primary.world.create("movie", 2)
    quota = Fault(403, body=b'{"message":"Movie Quota exceeded."}')
    seerr.subs[0].choose = lambda method, _path: quota if method == "POST" else None
    await supervisor.publish_config(seerr.config(), version=2)
    found = await _active(api, 2)
    assert found["total_failed"] == 2
    assert found["subordinates"][seerr.subs[0].url] == {"synced": 0, "failed": 2}
    assert found["subordinates"][seerr.subs[1].url] == {"synced": 2}
    failed = (await api.http.get("/seerr-sync/failed")).json()
    assert failed["count"] == 2
    first = failed["failed_requests"][0]
    assert set(first) == {
        "fingerprint", "subordinate", "media_type", "tmdb_id", "error", "failed_at",
    }  # fmt: skip
    assert (first["tmdb_id"], first["error"]) == (1, "Movie Quota exceeded.")
    seerr.subs[0].choose = lambda _m, _p: None
    answer = await api.http.delete("/seerr-sync/failed", params={"fingerprint": "movie:1:False"})
    assert answer.json()["cleared"] == 1
    run = await api.http.post("/api/seerr-sync/run")
    assert run.status_code == 202
    assert run.headers["location"] == f"/api/jobs/{run.json()['id']}"

    async def tried() -> bool:
        return [i.tmdb_id for i in seerr.subs[0].world.items.values()] == [1]

    await wait_until(tried, timeout=20, what="only what was cleared is tried again")
    assert (await api.http.delete("/seerr-sync/failed")).json()["cleared"] == 1
    assert (await api.http.delete("/seerr-sync/failed")).json()["cleared"] == 0
    assert jobs.program()


async def test_a_plan_names_what_would_be_done(
    api: Api, supervisor: ScriptedSupervisor, seerr: Setup, jobs: JobsProcess
) -> None:
    seerr.primary.world.create("tv", 9, seasons=frozenset({1}))
    await supervisor.publish_config(seerr.config(enabled=False), version=2)
    plan = await api.http.get("/seerr-sync/plan")
    assert plan.status_code == 200
    assert plan.json()["requests"] == 1
    assert plan.json()["subordinates"][seerr.subs[1].url]["create"] == ["tv:9:False"]
    assert all(sub.calls == {} for sub in seerr.subs)
    seerr.primary.key = "another"
    refused = await api.http.get("/seerr-sync/plan")
    assert refused.status_code == 502
    await supervisor.publish_config({**CONFIG, "seerr_sync": {"enabled": True}}, version=3)
    wrong = await api.http.get("/seerr-sync/plan")
    assert (wrong.status_code, "no primary" in wrong.json()["detail"]) == (409, True)
    assert jobs.program()


async def test_without_a_jobs_program_nobody_is_left_waiting(
    api: Api, supervisor: ScriptedSupervisor, seerr: Setup
) -> None:
    await supervisor.publish_config(seerr.config(), version=2)
    for answer in (
        await api.http.post("/seerr-sync/run"),
        await api.http.get("/seerr-sync/plan"),
    ):
        assert answer.status_code == 503
        assert "jobs program" in answer.json()["detail"]
        assert "retry-after" in answer.headers


async def test_the_connection_test_tells_a_wrong_key(api: Api, seerr: Setup) -> None:
    async def test(url: str, key: str) -> tuple[int, Any]:
        answer = await api.http.post("/seerr-sync/test", json={"url": url, "api_key": key})
        return answer.status_code, answer.json()

    sub = seerr.subs[0]
    assert await test(f"{sub.url}/", sub.key) == (
        200,
        {"ok": True, "status": {"version": "2.7.0", "commitTag": "fake"}},
    )
    assert await test(sub.url, "wrong") == (400, {"detail": "Seerr responded with HTTP 403"})
    sub.next_faults.append(Fault(502))
    assert await test(sub.url, sub.key) == (400, {"detail": "Seerr responded with HTTP 502"})
    sub.next_faults.append(Fault(200, body=b"<html>"))
    for url, key in (
        (sub.url, sub.key),
        ("http://127.0.0.1:1", "k"),
        ("ftp://127.0.0.1", "k"),
        ("http://user:pw@127.0.0.1", "k"),
        ("http://169.254.169.254/latest", "k"),
        ("http://[::ffff:169.254.169.254]", "k"),
        ("nonsense", "k"),
        ("http://", "k"),
        (sub.url, "schlüssel\n"),
    ):
        status, tree = await test(url, key)
        assert (status, tree["detail"][:17]) == (400, "Connection failed"), url
        assert "pw" not in tree["detail"]
    for url, key in (("", "k"), ("http://x", " ")):
        assert (await test(url, key))[0] == 400
    sub.next_faults.append(Fault(302, headers={"Location": "http://127.0.0.1:1/"}))
    assert "redirects" in (await test(sub.url, sub.key))[1]["detail"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"url":1}', b'{"url":"http://x"}', b"{"])
async def test_bodies_that_are_none(api: Api, body: bytes) -> None:
    answer = await api.http.post("/seerr-sync/test", content=body)
    assert answer.status_code == 422


async def test_garbage_in_redis_is_no_500(
    api: Api, supervisor: ScriptedSupervisor, seerr: Setup
) -> None:
    await supervisor.publish_config(seerr.config(), version=2)
    redis = supervisor.redis
    await redis.hset(
        "dumb:seerr:meta", mapping={"last_poll_ts": "soon", "synced": "[1", "x": b"\xff"}
    )
    await redis.hset("dumb:seerr:failed", mapping={b"\xff": b"\xff", "movie:1:False||a": "[]"})
    assert (await api.http.get("/seerr-sync/status")).json()["next_poll"] is None
    found = (await api.http.get("/seerr-sync/failed")).json()
    assert {entry["subordinate"] for entry in found["failed_requests"]} == {"unknown", "a"}
    await redis.set("dumb:seerr:requests", "text")
    for path in ("status", "state"):
        assert (await api.http.get(f"/seerr-sync/{path}")).status_code == 503
