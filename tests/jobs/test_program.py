"""The jobs program as it runs: kills, restarts, several of them, what it refuses."""

import os
import signal
import subprocess
import sys

import orjson
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from shared.exits import Exit
from shared.jobs import LONG, QUICK, Kind, queue_name
from tests.jobs.conftest import MakeJobs
from tests.launcher.running import gone
from tests.support.jobs import JobsProcess
from tests.support.program import PROJECT
from tests.support.wait import wait_until_sync


def test_a_job_runs_and_its_result_is_kept(jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.SESSION_CLEANUP)
    jobs.wait_status(name, "finished")
    assert jobs.job(name).return_value() == {"deleted": 0}
    counted = "finished:session-cleanup"
    wait_until_sync(
        lambda: jobs.redis.hget(jobs.keys.jobs_counters, counted) == b"1", what="it is counted"
    )
    assert jobs.redis.hlen(jobs.keys.jobs_open) == 0


def test_a_failing_job_is_tried_again_and_then_kept_without_its_secrets(jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.HISTORY_CHECK, retries=[0, 1])
    jobs.wait_status(name, "failed")
    assert jobs.notes() == ["tried"] * 3
    latest = jobs.job(name).latest_result()
    assert latest is not None
    assert latest.exc_string is not None
    assert "RuntimeError: history-check cannot" in latest.exc_string
    assert "abcdef0123456789" not in latest.exc_string + jobs.output.read_text()


def test_a_worker_that_is_killed_mid_job_loses_nothing(jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.LOG_RETENTION)
    wait_until_sync(jobs.begun, what="the job has begun")
    os.kill(jobs.workers()[LONG], signal.SIGKILL)
    wait_until_sync(lambda: gone(jobs.begun()[0]), what="its job died with the worker")
    wait_until_sync(lambda: len(jobs.begun()) == 2, timeout=20, what="the job runs again")
    jobs.let_go()
    jobs.wait_status(name, "finished")
    assert jobs.notes().count("done") == 1


def test_a_program_that_is_killed_mid_job_loses_nothing(jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.LOG_RETENTION)
    wait_until_sync(jobs.begun, what="the job has begun")
    workers = jobs.workers()
    jobs.kill()
    for pid in (*workers.values(), jobs.begun()[0]):
        wait_until_sync(lambda pid=pid: gone(pid), what=f"{pid} died with the program")  # type: ignore[misc]
    jobs.start()
    wait_until_sync(lambda: len(jobs.begun()) == 2, timeout=20, what="the job runs again")
    jobs.let_go()
    jobs.wait_status(name, "finished")
    assert jobs.notes().count("done") == 1


def test_a_job_process_that_is_killed_is_tried_again(jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.LOG_RETENTION)
    wait_until_sync(jobs.begun, what="the job has begun")
    os.kill(jobs.begun()[0], signal.SIGKILL)
    wait_until_sync(lambda: len(jobs.begun()) == 2, timeout=20, what="the job runs again")
    jobs.let_go()
    jobs.wait_status(name, "finished")


def test_sigterm_ends_it_in_time_and_the_job_under_way_is_queued_again(jobs: JobsProcess) -> None:
    name = jobs.enqueue(Kind.LOG_RETENTION)
    wait_until_sync(jobs.begun, what="the job has begun")
    assert jobs.stop(timeout=12) == 0
    assert gone(jobs.begun()[0])
    assert jobs.status(name) == "queued"
    assert jobs.redis.exists(jobs.keys.jobs_lease) == 0
    jobs.let_go()
    jobs.start()
    jobs.wait_status(name, "finished")


def test_what_redis_says_cannot_choose_the_code_that_runs(jobs: JobsProcess) -> None:
    queue = Queue(queue_name(jobs.keys, QUICK), connection=jobs.redis, serializer=JSONSerializer)
    marks = [jobs.home / f"mark{number}" for number in range(3)]
    named = Job.create("os.mkdir", (str(marks[0]),), connection=jobs.redis,
                       serializer=JSONSerializer, id="evil-1")  # fmt: skip
    queue.enqueue_job(named)
    good = jobs.enqueue(Kind.SESSION_CLEANUP, "with-callbacks")
    jobs.redis.hset(
        Job.key_for(good),
        mapping={
            "success_callback_name": "os.mkdir",
            "webhooks": orjson.dumps([{"url": "http://127.0.0.1:1/", "job_status": "finished"}]),
        },
    )
    jobs.wait_status("evil-1", "failed")
    assert not marks[0].exists()
    latest = jobs.job("evil-1").latest_result()
    assert latest is not None
    assert "'os.mkdir' is no job of this program" in str(latest.exc_string)
    jobs.wait_status(good, "finished", "failed")
    # Pickle in the place of JSON: refused before anything is made of it.
    jobs.redis.hset("rq:job:pickled", mapping={
        "status": "queued", "origin": queue.name, "created_at": "2026-01-01T00:00:00.000000Z",
        "data": b"cos\nmkdir\n(S'" + str(marks[1]).encode() + b"'\ntR.",
    })  # fmt: skip
    queue.push_job_id("pickled")
    jobs.wait_status("pickled", "failed")
    assert not marks[1].exists()
    after = jobs.enqueue(Kind.SESSION_CLEANUP, "after")
    jobs.wait_status(after, "finished")


def test_garbage_in_rqs_keys_stops_nobody(jobs: JobsProcess) -> None:
    queue, wip = f"rq:queue:{queue_name(jobs.keys, LONG)}", f"rq:wip:{queue_name(jobs.keys, LONG)}"
    jobs.redis.rpush(queue, b"\xff\xfe", "a b", "no-such-job")
    jobs.redis.rpush(f"{queue}:intermediate", b"\xff")
    jobs.redis.zadd(wip, {b"\xff": 1, b"no-colon": 1, b"a:b": 1})
    jobs.redis.zadd(f"rq:scheduled:{queue_name(jobs.keys, LONG)}", {b"\xff": 1})
    jobs.redis.set(f"rq:failed:{queue_name(jobs.keys, LONG)}", "no set")
    jobs.redis.hset(jobs.keys.jobs_open, "x", "{")
    jobs.redis.hset(jobs.keys.jobs_programs, "x", "[")
    jobs.let_go()
    name = jobs.enqueue(Kind.LOG_RETENTION)
    jobs.wait_status(name, "finished", timeout=30)
    failing = jobs.enqueue(Kind.CONFIG_SNAPSHOT, retries=[])  # the stand-in has no such job
    jobs.wait_status(failing, "failed", timeout=30)


def test_of_two_programs_one_schedules_and_the_other_takes_over(make_jobs: MakeJobs) -> None:
    first, second = make_jobs("one"), make_jobs("two")
    first.start()
    second.start()
    holder = first.redis.get(first.keys.jobs_lease)
    one, two = (first, second) if str(first.pid).encode() in (holder or b"") else (second, first)
    assert one.stop() == 0
    wait_until_sync(
        lambda: f"-{two.pid}-".encode() in (two.redis.get(two.keys.jobs_lease) or b""),
        what="the other program schedules",
    )


def test_a_second_program_on_one_directory_says_so(jobs: JobsProcess) -> None:
    env = {**os.environ, "DUMB_HOME": str(jobs.home), "REDIS_URL": jobs.redis_url}
    found = subprocess.run(
        [sys.executable, "-m", "services.jobs"], cwd=PROJECT, env=env, capture_output=True,
        timeout=20, check=False,
    )  # fmt: skip
    assert found.returncode == Exit.IN_USE
    assert b"runs on" in found.stderr


def test_the_real_program_schedules_its_jobs_and_stops(make_jobs: MakeJobs) -> None:
    program = make_jobs(real=True)
    program.start()
    wait_until_sync(
        lambda: program.redis.hlen(program.keys.jobs_schedule) >= 4, what="the schedule is known"
    )
    record = orjson.loads(program.redis.hget(program.keys.jobs_schedule, "config-snapshot") or b"")
    assert record["rule"] == "10 3 * * *"
    assert record["next_at"] > record["last_at"] > 0
    assert program.redis.keys("rq:job:*") == []
    program.publish_config({"dumb": {"plex_token": "s3cret"}})
    name = program.enqueue(Kind.CONFIG_SNAPSHOT)
    program.wait_status(name, "finished")
    (snapshot,) = (program.home / "jobs" / "snapshots").iterdir()
    assert orjson.loads(snapshot.read_bytes()) == {"dumb": {"plex_token": "s3cret"}}
    assert snapshot.stat().st_mode & 0o777 == 0o600
    assert program.stop() == 0


def test_another_type_where_all_queues_look_ends_nothing(jobs: JobsProcess) -> None:
    keys = jobs.keys
    for key in (keys.jobs_programs, keys.jobs_lease, keys.seerr_meta, "rq:workers"):
        with jobs.redis.pipeline(transaction=True) as both:  # the program writes them meanwhile
            both.delete(key)
            both.zadd(key, {"mine": 1})
            both.execute()
    for key, kind in {keys.jobs_programs: b"hash", keys.seerr_meta: b"none"}.items():
        wait_until_sync(lambda: jobs.redis.type(key) == kind, timeout=20, what=key)  # noqa: B023
    wait_until_sync(lambda: len(jobs.workers()) == 2, timeout=20, what="it says that it is there")
    jobs.redis.set("rq:queues", "mine")
    jobs.kill()
    jobs.start()
    jobs.wait_status(jobs.enqueue(Kind.SESSION_CLEANUP), "finished")
