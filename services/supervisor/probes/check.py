"""One check of one service: a probe with everything filled in, and what its outcome means."""

import errno
import shutil
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from services.supervisor.probes.applications import PORT_TIMEOUT_S, TIMEOUT_S
from services.supervisor.probes.http import Answer, HttpError, Target, fetch, json_at
from services.supervisor.probes.port import answers
from services.supervisor.probes.reported import judge
from services.supervisor.probes.run import Person, run
from services.supervisor.probes.verdict import Health, Verdict
from services.supervisor.spawn import LaunchError
from shared.config.health import ProbeFields

EXEC_TIMEOUT_S: Final = 5.0
_SHOWN: Final = 200


class Check(Protocol):
    """Something that can be asked how a service is. Never raises."""

    async def __call__(self) -> Verdict:
        """Ask once."""


@dataclass(frozen=True, slots=True)
class ProcessCheck:
    """It lives: that is known without asking."""

    async def __call__(self) -> Verdict:
        return Verdict(Health.HEALTHY, details={"probe": "process"})


@dataclass(frozen=True, slots=True)
class PortCheck:
    """Every port takes a connection; then `then`, if there is one."""

    host: str
    ports: tuple[int, ...]
    timeout_s: float = PORT_TIMEOUT_S
    then: Check | None = None

    async def __call__(self) -> Verdict:
        for port in self.ports:
            if not await answers(self.host, port, self.timeout_s):
                details = {"probe": "port", "host": self.host, "port": port}
                reason = f"Port {self.host}:{port} not responding"
                return Verdict(Health.UNHEALTHY, reason, details)
        if self.then is not None:
            return await self.then()
        if not self.ports:
            return Verdict(Health.HEALTHY, details={"probe": "process"})
        details = {"probe": "process_and_ports", "ports": list(self.ports)}
        return Verdict(Health.HEALTHY, details=details)


@dataclass(frozen=True, slots=True)
class ApplicationCheck:
    """A known application is asked in its own way."""

    target: Target
    contains: str = ""
    json_field: str = ""
    timeout_s: float = TIMEOUT_S

    async def __call__(self) -> Verdict:
        about: dict[str, Any] = {
            "probe": "application",
            "endpoint": self.target.path,
            "supported": True,
        }
        try:
            answer = await fetch(self.target, self.timeout_s)
        except HttpError as error:
            reason = f"{self.target.path}: {error}"
            return Verdict(Health.UNHEALTHY, reason, {**about, "error_type": error.kind})
        verdict = judge(answer, contains=self.contains, json_field=self.json_field)
        return Verdict(verdict.health, verdict.reason, {**about, **verdict.details})


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """What a block says under `health`: what it expects is what counts."""

    target: Target
    fields: ProbeFields
    timeout_s: float

    async def __call__(self) -> Verdict:
        about: dict[str, Any] = {"probe": "http", "endpoint": self.target.path}
        try:
            answer = await fetch(self.target, self.timeout_s)
        except HttpError as error:
            reason = f"{self.target.path}: {error}"
            return Verdict(Health.UNHEALTHY, reason, {**about, "error_type": error.kind})
        about |= {"http_status": answer.status, "latency_ms": answer.latency_ms}
        fields = self.fields
        if fields.status and answer.status not in fields.status:
            wanted = ", ".join(map(str, fields.status))
            return Verdict(Health.UNHEALTHY, f"HTTP {answer.status} instead of {wanted}", about)
        if why := _unmet(answer, fields):
            return Verdict(Health.UNHEALTHY, why, {**about, "validation": "failed"})
        if fields.status or fields.contains or fields.json_field:
            return Verdict(Health.HEALTHY, details=about)
        verdict = judge(answer)
        return Verdict(verdict.health, verdict.reason, {**about, **verdict.details})


def _unmet(answer: Answer, fields: ProbeFields) -> str:
    """Which expectation the answer does not meet."""
    if fields.contains and fields.contains.encode() not in answer.body:
        return f"The answer lacks '{fields.contains[:_SHOWN]}'"
    if not fields.json_field:
        return ""
    try:
        there, value = json_at(orjson.loads(answer.body), fields.json_field)
    except orjson.JSONDecodeError:
        return "The answer is not JSON"
    if not there:
        return f"The answer lacks '{fields.json_field}'"
    wanted = fields.json_value
    if wanted is not None and (value != wanted or type(value) is not type(wanted)):
        shown = str(value)[:_SHOWN]
        return f"'{fields.json_field}' is '{shown}' instead of '{str(wanted)[:_SHOWN]}'"
    return ""


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """Some port takes a connection."""

    host: str
    port: int
    timeout_s: float

    async def __call__(self) -> Verdict:
        details = {"probe": "tcp", "host": self.host, "port": self.port}
        if await answers(self.host, self.port, self.timeout_s):
            return Verdict(Health.HEALTHY, details=details)
        return Verdict(Health.UNHEALTHY, f"Port {self.host}:{self.port} not responding", details)


@dataclass(frozen=True, slots=True)
class ExecCheck:
    """A program's exit code says it: `meaning` by code, anything else is `otherwise`."""

    argv: tuple[str, ...]
    person: Person
    timeout_s: float
    meaning: tuple[tuple[int, Health], ...] = ((0, Health.HEALTHY),)
    otherwise: Health = Health.UNHEALTHY
    missing: Health = Health.UNHEALTHY
    """What it means that the program cannot be run at all."""
    probe: str = "exec"

    async def __call__(self) -> Verdict:
        details: dict[str, Any] = {"probe": self.probe, "endpoint": self.argv[0]}
        try:
            ran = await run([self._program(), *self.argv[1:]], self.person, self.timeout_s)
        except (OSError, LaunchError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            return Verdict(
                self.missing, f"{self.argv[0]}: {why}", {**details, "error_type": "exec"}
            )
        if ran.code is None:
            reason = f"{self.argv[0]} did not end within {self.timeout_s:g} s"
            return Verdict(Health.UNHEALTHY, reason, {**details, "error_type": "timeout"})
        details["exit_code"] = ran.code
        health = dict(self.meaning).get(ran.code, self.otherwise)
        if health is Health.HEALTHY:
            return Verdict(health, details=details)
        said = next((line for line in reversed(ran.output.splitlines()) if line.strip()), "")
        reason = f"{self.argv[0]} ended with {ran.code}" + (f": {said.strip()}" if said else "")
        return Verdict(health, reason, details)

    def _program(self) -> str:
        """Looked up before setpriv is asked to run it, which could only say 127."""
        name = self.argv[0]
        found = shutil.which(name, path=self.person.env.get("PATH")) if "/" not in name else name
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "not found on PATH")
        return found


@dataclass(frozen=True, slots=True)
class BrokenCheck:
    """A probe that cannot be asked as it is configured."""

    reason: str

    async def __call__(self) -> Verdict:
        return Verdict(Health.DEGRADED, self.reason, {"probe": "none"})
