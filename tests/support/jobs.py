"""A real jobs program over a data directory of the test's own."""

import time
from pathlib import Path
from typing import Any, cast

import orjson
from rq import Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from shared.bus.jobs import live_programs
from shared.jobs import SPECS, Kind, job_id, queue_name
from tests.support.program import PROJECT, ProgramProcess
from tests.support.wait import wait_until_sync

STAND_IN = str(PROJECT / "tests" / "programs" / "jobs_program.py")


class JobsProcess(ProgramProcess):
    """Starts, kills and restarts a jobs program. `real`: the program itself, not the stand-in."""

    def __init__(self, home: Path, redis_url: str, *, real: bool = False) -> None:
        argv = ("-m", "services.jobs") if real else (STAND_IN,)
        super().__init__(home, redis_url, "jobs.out", *argv)

    def start(self, *, ready: bool = True) -> None:
        """Start it; `ready` waits for its heartbeat with both workers."""
        self.launch((lambda: len(self.workers()) == 2) if ready else None, "two workers")

    def program(self) -> dict[str, Any]:
        """What this very process says of itself; {} while it does not."""
        raw = cast("dict[bytes, bytes]", self.redis.hgetall(self.keys.jobs_programs))
        found = live_programs(raw, time.time()).values()
        return next((p for p in found if p["pid"] == self.pid), {})

    def workers(self) -> dict[str, int]:
        """Pids by queue."""
        return {w["queue"]: w["pid"] for w in self.program().get("workers", [])}

    # -- jobs ---------------------------------------------------------------------------------

    def enqueue(self, kind: Kind, slot: str = "test", retries: list[int] | None = None) -> str:
        """Queue a job as the API does, with pauses of the test's own."""
        spec, name = SPECS[kind], job_id(self.keys, kind, slot)
        queue = Queue(
            queue_name(self.keys, spec.queue), connection=self.redis, serializer=JSONSerializer
        )
        pauses = [0] if retries is None else retries
        retry = Retry(max=len(pauses), interval=pauses) if pauses else None
        queue.enqueue(str(kind), job_id=name, retry=retry, **spec.options)
        return name

    def status(self, name: str) -> str:
        """RQ's word for where the job is; "" when it is unknown."""
        return (cast("bytes | None", self.redis.hget(Job.key_for(name), "status")) or b"").decode()

    def wait_status(self, name: str, *wanted: str, timeout: float = 20) -> None:
        wait_until_sync(
            lambda: self.status(name) in wanted,
            timeout=timeout,
            what=f"{name} is {wanted}, it is '{self.status(name)}'",
        )

    def job(self, name: str) -> Job:
        return Job.fetch(name, connection=self.redis, serializer=JSONSerializer)

    def notes(self) -> list[str]:
        """What the stand-in's jobs noted."""
        try:
            return (self.home / "notes").read_text().splitlines()
        except FileNotFoundError:
            return []

    def begun(self) -> list[int]:
        """Pids of all runs of the job that waits."""
        return [int(n.split()[1]) for n in self.notes() if n.startswith("begun")]

    def let_go(self) -> None:
        """The job that waits may end."""
        (self.home / "go").touch()

    def publish_config(self, tree: dict[str, Any], version: int = 1) -> None:
        """As the supervisor does."""
        with self.redis.pipeline() as pipe:
            pipe.set(self.keys.config, orjson.dumps({"file": tree, "effective": tree}))
            pipe.set(self.keys.config_version, version)
            pipe.execute()
