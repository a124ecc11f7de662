"""From a service block to the checks of its health (contract lifecycle.md 9). No I/O."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Final

from services.supervisor.probes.applications import (
    APPLICATIONS,
    RCLONE_ADDRESS,
    RCLONE_FIELD,
    RCLONE_PATH,
    TIMEOUT_S,
)
from services.supervisor.probes.check import (
    EXEC_TIMEOUT_S,
    ApplicationCheck,
    BrokenCheck,
    Check,
    ExecCheck,
    HttpCheck,
    PortCheck,
    ProcessCheck,
    TcpCheck,
)
from services.supervisor.probes.http import Target
from services.supervisor.probes.run import Person
from services.supervisor.probes.verdict import Health
from services.supervisor.spawn import (
    LaunchError,
    LaunchSpec,
    Surroundings,
    build_spec,
    configured_ports,
    probe_host,
)
from shared.config.health import Kind, ProbeFields, parse_probe
from shared.config.placeholders import fill
from shared.config.services import Block, ServiceBlock

DEFAULT_INTERVAL_S: Final = 10.0
"""As long as the original kept a result (contract lifecycle 9)."""


@dataclass(frozen=True, slots=True)
class Role:
    """A check and how often it must say the same to be believed. `interval_s`: if configured."""

    check: Check
    interval_s: float | None = None
    failures: int = 1
    successes: int = 1


@dataclass(frozen=True, slots=True)
class HealthPlan:
    """How one process is checked.

    `start` decides, after the ports, when a start has succeeded; `readiness` is the same question
    for as long as it runs, if the block asks for that.
    """

    liveness: Role
    readiness: Role | None
    start: Check | None
    start_period_s: float = 0.0
    proven: bool = True
    """Whether a start that succeeded has shown what `liveness` asks."""


class Planner:
    """The plan of one service's process, made anew when `health` in its block changes.

    A running process keeps the ports and the environment that it was started with.
    """

    def __init__(self, around: Callable[[], Surroundings]) -> None:
        self._around = around
        self._process: tuple[ServiceBlock, LaunchSpec] | None = None
        self._plan: tuple[Any, HealthPlan] | None = None
        """What `health` was, and what was made of it."""

    def began(self, service: ServiceBlock, spec: LaunchSpec | None = None) -> None:
        """A process was started; without `spec`: by an earlier supervisor."""
        self._process = service, spec or _spec_of(service, self._around())
        self._plan = None

    def plan(self, service: ServiceBlock) -> HealthPlan:
        """The plan, with what the block says of `health` now."""
        health = service.block.get("health")
        if self._plan is None or self._plan[0] != health:
            around = self._around()
            began, spec = self._process or (service, _spec_of(service, around))
            block = {**began.block, "health": health}
            self._plan = health, plan_health(replace(began, block=block), spec, around)
        return self._plan[1]


def _spec_of(service: ServiceBlock, around: Surroundings) -> LaunchSpec:
    """What can be known of a process that somebody else started."""
    try:
        return build_spec(service, around)
    except LaunchError:  # it could not be started again; it runs, though
        block = service.block
        ports, host = configured_ports(block), probe_host(block.get("host"))
        return LaunchSpec(("",), around.home, {}, ports, host, 0, 0, None, None)


def plan_health(service: ServiceBlock, spec: LaunchSpec, around: Surroundings) -> HealthPlan:
    """The plan of a process that was started with `spec`. Never raises."""
    block = service.block
    health = fill(block.get("health") or {}, block, around.placeholders())
    person = Person(spec.env, spec.cwd, spec.uid, spec.gid)
    readiness = _role(health.get("readiness"), "readiness", spec, person)
    liveness = _role(health.get("liveness"), "liveness", spec, person)
    application = None if liveness else _application(service, spec, person)
    start = readiness.check if readiness else application
    period = health.get("start_period") or 0.0
    proven = liveness is None and start is application
    if liveness is None:
        liveness = Role(PortCheck(spec.host, spec.ports, then=application))
    return HealthPlan(liveness, readiness, start, float(period), proven)


def _role(probe: Any, name: str, spec: LaunchSpec, person: Person) -> Role | None:
    if not isinstance(probe, dict):
        return None
    try:
        fields = parse_probe(probe)
        check = _check(fields, spec, person)
    except ValueError as error:
        return Role(BrokenCheck(f"health.{name}: {error}"))
    return Role(check, fields.interval_s, fields.failure_threshold, fields.success_threshold)


def _check(fields: ProbeFields, spec: LaunchSpec, person: Person) -> Check:
    """Raises `ValueError`: something is missing."""
    host = probe_host(fields.host) if fields.host else spec.host
    if fields.kind is Kind.PROCESS:
        return ProcessCheck()
    if fields.kind is Kind.PORT:
        return PortCheck(spec.host, spec.ports, fields.timeout_s or TIMEOUT_S)
    if fields.kind is Kind.EXEC:
        argv = fields.command
        words = tuple(shlex.split(argv)) if isinstance(argv, str) else argv
        return ExecCheck(words, person, fields.timeout_s or EXEC_TIMEOUT_S)
    port = fields.port or next(iter(spec.ports), None)
    if port is None:
        raise ValueError("neither it nor the service has a port")
    timeout_s = fields.timeout_s or TIMEOUT_S
    if fields.kind is Kind.TCP:
        return TcpCheck(host, port, timeout_s)
    target = Target(host, port, fields.path, fields.method, fields.headers, fields.auth)
    return HttpCheck(target, fields, timeout_s)


# -- what is known of services -------------------------------------------------------------


def _application(service: ServiceBlock, spec: LaunchSpec, person: Person) -> Check | None:
    key = service.config_key
    if key == "postgres":
        return _postgres(service.block, spec, person)
    if key == "rclone":
        return _rclone(spec.argv)
    known = APPLICATIONS.get(key)
    if known is None:
        return None
    ports = configured_ports({"port": service.block.get(known.port_key)})
    if not ports:
        return None
    # On the loopback, whatever the service's host is (contract lifecycle 9).
    target = Target("127.0.0.1", ports[0], known.path)
    return ApplicationCheck(target, known.contains, known.json_field)


def _postgres(block: Block, spec: LaunchSpec, person: Person) -> Check | None:
    if not spec.ports:
        return None
    beside = PurePath(spec.argv[0]).parent
    path = f"{beside}:{person.env.get('PATH', '')}".rstrip(":")
    seeing = Person({**person.env, "PATH": path}, person.cwd, person.uid, person.gid)
    seconds = str(int(TIMEOUT_S))
    argv = ("pg_isready", "-q", "-h", spec.host, "-p", str(spec.ports[0]), "-t", seconds)
    user = block.get("user")
    return ExecCheck(
        argv if not isinstance(user, str) or not user else (*argv, "-U", user),
        seeing,
        EXEC_TIMEOUT_S,
        meaning=((0, Health.HEALTHY), (1, Health.STARTING), (2, Health.UNHEALTHY)),
        otherwise=Health.DEGRADED,
        missing=Health.DEGRADED,
        probe="application",
    )


def _rclone(argv: Sequence[str]) -> Check | None:
    """Its remote control, if it is switched on and listens on the loopback."""
    flags = _flags(argv)
    if "--rc" not in flags:
        return None
    host, _, port = flags.get("--rc-addr", RCLONE_ADDRESS).rpartition(":")
    host = host.strip("[]")
    loopback = host in {"", "localhost", "0.0.0.0", "::", "::1"} or host.startswith("127.")  # noqa: S104
    if not loopback or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    user = flags.get("--rc-user")
    target = Target(
        "::1" if host == "::1" else "127.0.0.1",
        int(port),
        RCLONE_PATH,
        "POST",
        auth=None if user is None else (user, flags.get("--rc-pass", "")),
    )
    return ApplicationCheck(target, json_field=RCLONE_FIELD)


def _flags(argv: Sequence[str]) -> dict[str, str]:
    """`--name=value` and `--name value`; a flag that stands alone has ""."""
    found: dict[str, str] = {}
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = value if equals else ("" if following.startswith("--") else following)
    return found
