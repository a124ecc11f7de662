"""`/jobs` beside a real jobs program, and `/ws/status?jobs=true`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from shared.bus.client import blocking_client
from shared.bus.jobs import NewsWriter
from shared.bus.keys import Keys
from shared.jobs import JobStatus, Kind
from tests.api.rest.conftest import Api
from tests.support.jobs import JobsProcess
from tests.support.wait import wait_until


@pytest_asyncio.fixture
async def jobs(tmp_path: Path, redis_url: str) -> AsyncIterator[JobsProcess]:
    program = JobsProcess(tmp_path / "home", redis_url)
    await asyncio.to_thread(program.start)
    yield program
    await asyncio.to_thread(program.close)


async def _until(api: Api, name: str, status: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def there() -> bool:
        nonlocal found
        found = (await api.http.get(f"/jobs/{name}")).json()
        return bool(found["status"] == status)

    await wait_until(there, timeout=20, what=f"{name} is {status}")
    return found


async def _news(client: ClientConnection, name: str, status: str) -> dict[str, Any]:
    """The first news of a job with that status; frames of other kinds are passed over."""
    async with asyncio.timeout(20):
        while True:
            tree = orjson.loads(await client.recv())
            for news in tree.get("jobs", []):
                if (news["id"], news["status"]) == (name, status):
                    return dict(news)


async def test_who_is_there_what_comes_next_and_what_was(api: Api, jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.SESSION_CLEANUP)
    done = await _until(api, name, "finished")
    assert done["result"] == {"deleted": 0}
    assert done["error"] is None
    assert done["queued_at"] <= done["started_at"] <= done["finished_at"]
    tree = (await api.http.get("/api/jobs/")).json()
    (program,) = tree["programs"]
    assert (program["pid"], program["schedules"]) == (jobs.pid, True)
    assert {w["queue"] for w in program["workers"]} == {"quick", "long"}
    snapshot = next(s for s in tree["schedule"] if s["kind"] == "config-snapshot")
    assert snapshot["rule"] == "10 3 * * *"
    assert snapshot["next_at"] > done["finished_at"]
    assert [job["id"] for job in tree["jobs"]] == [name]
    assert (await api.http.get("/jobs?status=failed")).json()["jobs"] == []
    assert (await api.http.get("/jobs?status=late")).status_code == 422


async def test_a_job_that_waits_is_cancelled_and_queued_again(api: Api, jobs: JobsProcess) -> None:
    running = jobs.enqueue(Kind.LOG_RETENTION, "running")
    await wait_until(jobs.begun)
    waiting = jobs.enqueue(Kind.HISTORY_CHECK, "waiting", retries=[])
    answer = await api.http.post(f"/jobs/{waiting}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert (await api.http.post(f"/jobs/{waiting}/cancel")).status_code == 409
    assert (await api.http.post(f"/jobs/{running}/retry")).status_code == 409
    assert (await api.http.post(f"/jobs/{waiting}/retry")).json()["status"] == "queued"
    jobs.let_go()
    await _until(api, waiting, "scheduled")

    async def counted() -> bool:  # RQ says "scheduled" a moment before the rest is written
        return bool((await api.http.get(f"/jobs/{waiting}")).json()["attempts_left"] == 2)

    await wait_until(counted, what="one attempt is used up")
    assert (await api.http.post(f"/jobs/{waiting}/cancel")).json()["status"] == "cancelled"


async def test_a_job_that_runs_is_stopped(api: Api, jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.LOG_RETENTION)
    await wait_until(jobs.begun)
    shown = await _until(api, name, "running")
    assert shown["worker"]
    assert (await api.http.post(f"/jobs/{name}/cancel")).status_code == 202
    await _until(api, name, "cancelled")
    await wait_until(lambda: jobs.redis.hlen(jobs.keys.jobs_open) == 0, what="nothing is open")
    jobs.let_go()
    assert (await api.http.post(f"/jobs/{name}/retry")).status_code == 200
    await _until(api, name, "finished")


async def test_an_error_is_one_line_without_secrets(api: Api, jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.HISTORY_CHECK, retries=[])
    error = (await _until(api, name, "failed"))["error"]
    assert error.startswith("RuntimeError: history-check cannot")
    assert "abcdef0123456789" not in error


@pytest.mark.parametrize("name", ["none", "a" * 300, "a:b", "%2e%2e", "%00", "rq%3Ajob%3Ax"])
async def test_unknown_jobs(api: Api, name: str) -> None:
    for answer in (
        await api.http.get(f"/jobs/{name}"),
        await api.http.post(f"/jobs/{name}/cancel"),
        await api.http.post(f"/jobs/{name}/retry"),
    ):
        assert answer.status_code == 404
        assert isinstance(answer.json()["detail"], str)


async def test_garbage_in_rqs_keys_is_no_500(api: Api, redis_url: str) -> None:
    with blocking_client(redis_url, "test") as redis:
        redis.rpush("rq:queue:dumb:long", b"\xff", "a b", "bad", "worse", "none")
        redis.hset("rq:job:bad", mapping={"origin": "dumb:long", "data": b"\x00"})
        redis.hset("rq:job:worse", mapping={"origin": "dumb:long", "timeout": "soon"})
        answer = await api.http.get("/jobs")
        assert [job["id"] for job in answer.json()["jobs"]] == ["bad"]
        for name, code in (("bad", 200), ("worse", 404), ("none", 404)):
            assert (await api.http.get(f"/jobs/{name}")).status_code == code
        redis.delete("rq:queue:dumb:long")
        redis.set("rq:queue:dumb:long", "text")
        assert (await api.http.get("/jobs")).status_code == 503


async def test_without_a_jobs_program_the_list_is_there_and_empty(api: Api) -> None:
    tree = (await api.http.get("/jobs")).json()
    assert (tree["programs"], tree["jobs"]) == ([], [])
    assert {s["kind"] for s in tree["schedule"]} >= {"config-snapshot", "session-cleanup"}


async def test_news_of_jobs_reach_sockets_that_want_them(api: Api, jobs: JobsProcess) -> None:
    plain = await connect(f"ws://127.0.0.1:{api.port}/ws/status?interval=0.5")
    async with connect(f"ws://127.0.0.1:{api.port}/ws/status?interval=10&jobs=true") as first:
        assert orjson.loads(await first.recv())["type"] == "status"
        assert orjson.loads(await first.recv()) == {"type": "jobs", "jobs": []}
        name = jobs.enqueue(Kind.LOG_RETENTION)
        progress = await _news(first, name, "running")
        while not progress["total"]:
            progress = await _news(first, name, "running")
        assert (progress["done"], progress["total"], progress["text"]) == (1, 2, "waiting")
        async with connect(f"ws://127.0.0.1:{api.port}/ws/status?interval=10&jobs=1") as late:
            assert (await _news(late, name, "running"))["kind"] == "log-retention"
        jobs.let_go()
        await _news(first, name, "finished")
    for _ in range(3):
        assert orjson.loads(await plain.recv())["type"] == "status"
    await plain.close()


async def test_an_end_that_nobody_heard_is_found_after_a_reconnect(
    api: Api, redis_url: str
) -> None:
    keys = Keys()
    with blocking_client(redis_url, "test") as redis:
        NewsWriter(redis, keys).tell("seerr-sync-x", "seerr-sync", JobStatus.RUNNING)
        async with connect(f"ws://127.0.0.1:{api.port}/ws/status?interval=10&jobs=true") as client:
            await _news(client, "seerr-sync-x", "running")
            # The end is written while this replica hears nothing.
            redis.hset("rq:job:seerr-sync-x", "status", "failed")
            redis.hdel(keys.jobs_open, "seerr-sync-x")
            redis.client_kill_filter(_type="pubsub")
            await _news(client, "seerr-sync-x", "failed")
