"""A real supervisor process over a data directory of the test's own."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tests.support.program import ProgramProcess
from tests.support.wait import wait_until_sync


class SupervisorProcess(ProgramProcess):
    """Starts, kills and restarts `python -m services.supervisor`, and asks it."""

    def __init__(self, home: Path, redis_url: str, services: Mapping[str, Any]) -> None:
        super().__init__(home, redis_url, "supervisor.out", "-m", "services.supervisor")
        self.config = home / "dumb_config.json"
        self.write_config(services)

    def write_config(self, services: Mapping[str, Any], **dumb: Any) -> None:
        """Write the configuration: `services` are root keys beside a minimal `dumb` block, in which
        a boot is over as soon as everything is ready."""
        api = {"process_name": "DUMB API", "host": "127.0.0.1", "port": 8000}
        own = {"api_service": api, "startup": {"stabilization_seconds": 0}, **dumb}
        tree = {"puid": 0, "pgid": 0, "dumb": own, **services}
        temporary = self.config.with_suffix(".tmp")
        temporary.write_bytes(orjson.dumps(tree))
        temporary.rename(self.config)

    def start(self, *, ready: bool = True) -> None:
        """Start it; `ready` waits until its heartbeat is there and names this very process."""
        self.launch(self.beats if ready else None, "the supervisor's heartbeat")

    def beats(self) -> bool:
        """Whether the heartbeat of this process is in Redis."""
        return self.redis.hget("dumb:supervisor", "pid") == str(self.pid).encode()

    def close(self) -> None:
        """End it and everything that it started, whatever state it is in."""
        super().close()
        self.end_services()

    def end_services(self) -> None:
        """Kill services that a killed supervisor left, found by their journalled pids."""
        for record in self.journalled().values():
            pid = (record.get("process") or {}).get("pid")
            if pid:
                try:
                    os.killpg(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def journalled(self) -> dict[str, Any]:
        """The last journal record of each service."""
        found: dict[str, Any] = {}
        try:
            lines = (self.home / "run" / "journal.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return found
        for line in lines:
            try:
                record = orjson.loads(line)
            except ValueError:
                continue
            if record.get("k") == "service":
                found[record["name"]] = record
        return found

    # -- asking ----------------------------------------------------------------------------

    def send(
        self, action: str, process_name: str, *, stream: str = "commands", **fields: str
    ) -> str:
        """XADD a command as anybody could; its id."""
        entry: dict[Any, Any] = {"action": action, "process_name": process_name, **fields}
        entry_id = self.redis.xadd(f"dumb:{stream}", entry)
        assert isinstance(entry_id, bytes)
        return fields.get("id", entry_id.decode())

    def receipt(self, command_id: str) -> dict[str, str]:
        """The receipt's hash as text."""
        raw: Any = self.redis.hgetall(f"dumb:command:{command_id}")
        return {k.decode(): v.decode("utf-8", "replace") for k, v in raw.items()}

    def result(self, command_id: str, timeout: float = 20) -> dict[str, str]:
        """The final receipt of a command."""

        def final() -> bool:
            return self.receipt(command_id).get("status") not in {None, "queued", "running"}

        wait_until_sync(final, timeout=timeout, what=f"the outcome of {command_id}")
        return self.receipt(command_id)

    def run(self, action: str, process_name: str, **fields: str) -> dict[str, str]:
        """Send a command and return its final receipt."""
        return self.result(self.send(action, process_name, **fields))

    def service(self, process_name: str) -> dict[str, str]:
        """The service's hash as text."""
        raw: Any = self.redis.hgetall(f"dumb:service:{process_name}")
        return {k.decode(): v.decode("utf-8", "replace") for k, v in raw.items()}

    def wait_status(self, process_name: str, status: str, timeout: float = 15) -> dict[str, str]:
        """Wait until the service has that status; its hash."""
        wait_until_sync(
            lambda: self.service(process_name).get("status") == status,
            timeout=timeout,
            what=f"{process_name} to be {status}, it is {self.service(process_name)}",
        )
        return self.service(process_name)

    def log(self, log_name: str) -> bytes:
        """Everything of a log that Redis keeps."""
        entries: Any = self.redis.xrange(f"dumb:log:{log_name}")
        return b"".join(fields[b"chunk"] for _, fields in entries)
