"""From a service block to a running process. No fork: see docs/decisions/0003."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.supervisor.files.owner import OURS, Owner
from services.supervisor.files.place import make_directory
from services.supervisor.identity import INSTANCE_VARIABLE, Identity, boot_id
from shared.config.pages import Config
from shared.config.placeholders import fill, fill_command, fill_env, global_fields
from shared.config.services import ServiceBlock
from shared.config.timing import start_timeout_s, start_window_s, stop_attempts
from shared.errors import DumbError

HIDDEN_PREFIXES: Final = ("DUMB_REDIS_", "DUMB_JWT_", "DUMB_SETUP_CODE")
HIDDEN: Final = frozenset({"REDIS_URL", "DUMB_TOKEN", INSTANCE_VARIABLE})
"""What a service must not inherit: with it, it could command the control plane."""

PORT_KEYS: Final = ("port", "frontend_port", "backend_port", "webdav_port")


class LaunchError(DumbError):
    """The service cannot be started as it is configured; the sentence says what to do."""

    code = "launch"


@dataclass(frozen=True, slots=True)
class StopPolicy:
    """How a service is asked to end: `attempts` signals, `wait_s` seconds after each."""

    signal: signal.Signals
    attempts: int
    wait_s: float

    @property
    def budget_s(self) -> float:
        """The longest that a stop takes, SIGKILL included."""
        return self.attempts * self.wait_s + 5


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """Everything that a spawn needs, resolved: nothing in it can be misspelled any more."""

    argv: tuple[str, ...]
    cwd: Path
    env: dict[str, str]
    ports: tuple[int, ...]
    host: str
    start_window_s: float
    start_timeout_s: float
    uid: int | None
    gid: int | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What placeholders and relative paths refer to."""

    home: Path
    project: Path
    python: str
    environ: Mapping[str, str]
    top: Config = field(default_factory=lambda: Config({}))
    """The effective configuration, for `puid`, `pgid` and top-level scalars."""
    user: Owner = OURS
    """Whom services of a root supervisor run as where the configuration says nothing, or 0 for all
    of them."""

    def placeholders(self) -> dict[str, Any]:
        """Names that a service block does not have itself."""
        names = global_fields(
            self.top, python=self.python, project=str(self.project), dumb_home=str(self.home)
        )
        for name, fallback in (("puid", self.user.uid), ("pgid", self.user.gid)):
            names[name] = names.get(name) or fallback or 0
        return names


def stop_policy(service: ServiceBlock) -> StopPolicy:
    """The block's own `stop_signal`, `stop_attempts`, `stop_wait`, else the contract's table."""
    attempts, wait_s = stop_attempts(service)
    fallback = signal.SIGINT if service.config_key == "postgres" else signal.SIGTERM
    return StopPolicy(
        signal=_signal(service.block.get("stop_signal"), fallback),
        attempts=attempts,
        wait_s=wait_s,
    )


def _signal(named: Any, fallback: signal.Signals) -> signal.Signals:
    """A signal by its number or its name, with or without `SIG`."""
    if isinstance(named, int) and named in {member.value for member in signal.Signals}:
        return signal.Signals(named)
    name = str(named or "").upper().removeprefix("SIG")
    return signal.Signals.__members__.get(f"SIG{name}", fallback)


def build_spec(service: ServiceBlock, around: Surroundings) -> LaunchSpec:
    """Resolve a block.

    Raises:
        LaunchError: no command, not found, not executable, no such directory.
    """
    block = service.block
    names = around.placeholders()
    argv = _arguments(service, names)
    env = _environment(service, around, names)
    uid, gid = _user(service, around)
    cwd = _directory(_config_dir(block, names), around.home, uid, gid)
    if uid and cwd != around.home and "HOME" not in (block.get("env") or {}):
        _give_home(env, cwd, uid)
    ports = configured_ports(block)
    return LaunchSpec(
        argv=(_executable(argv[0], env, cwd, service.process_name), *argv[1:]),
        cwd=cwd,
        env=env,
        ports=ports,
        host=probe_host(block.get("host")),
        start_window_s=start_window_s(service, has_ports=bool(ports)),
        start_timeout_s=start_timeout_s(service),
        uid=uid,
        gid=gid,
    )


def _give_home(env: dict[str, str], cwd: Path, uid: int) -> None:
    """The home directory of the supervisor's user is of no use to another one."""
    with contextlib.suppress(OSError, KeyError):
        if Path(env["HOME"]).stat().st_uid == uid:
            return
    env["HOME"] = str(cwd)


def make_beside_others(service: ServiceBlock, around: Surroundings) -> None:
    """Make the `config_dir` of a new instance where those of the others are, if they are there.

    Raises:
        LaunchError: it cannot be made.
    """
    path = Path(_config_dir(service.block, around.placeholders()))
    others = path.parent
    if path.is_absolute() and others != Path(path.anchor) and others.is_dir():
        _make_directory(path, owner_of(service, around))


def _config_dir(block: Mapping[str, Any], names: Mapping[str, Any]) -> str:
    return str(fill(block.get("config_dir") or "", block, names))


def _arguments(service: ServiceBlock, names: Mapping[str, Any]) -> list[str]:
    """The argument vector. Raises `LaunchError` when there is none or its quoting is broken."""
    name, block = service.process_name, service.block
    try:
        argv = fill_command(block.get("command"), block, names)
    except ValueError as error:
        raise LaunchError(f"The command of '{name}' is malformed: {error}.") from error
    if not argv or not argv[0]:
        raise LaunchError(
            f"'{name}' has no command: set 'command' in its block of the configuration."
        )
    if any("\0" in part for part in argv):
        raise LaunchError(f"The command of '{name}' contains a NUL character.")
    return argv


def configured_ports(block: Mapping[str, Any]) -> tuple[int, ...]:
    """The ports that must answer before the service is ready, in the contract's order."""
    ports = (block.get(key) for key in PORT_KEYS)
    return tuple(p for p in ports if isinstance(p, int) and not isinstance(p, bool) and p > 0)


def probe_host(host: Any) -> str:
    """Where a port is asked: a wildcard or nothing means this machine (contract lifecycle 9)."""
    return host if isinstance(host, str) and host not in {"", "0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104


def start_process(spec: LaunchSpec, instance: str, stdout: int, stderr: int) -> "Spawned":
    """Start the program in a session of its own, its output on the two descriptors.

    Without `preexec_fn` and `user=`, CPython takes the vfork path: 0.5 ms instead of 9.

    Raises:
        LaunchError: the kernel refused; the sentence carries its reason.
    """
    argv = [*drop_privileges(spec.uid, spec.gid), *spec.argv]
    env = {**spec.env, INSTANCE_VARIABLE: instance}
    try:
        popen = subprocess.Popen(
            argv,
            cwd=spec.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LaunchError(f"Cannot start {spec.argv[0]}: {reason}.") from error
    pidfd = os.pidfd_open(popen.pid)
    return Spawned(popen, pidfd, Identity(popen.pid, 0, boot_id(), instance))


@dataclass(frozen=True, slots=True)
class Spawned:
    """A child of this supervisor."""

    popen: "subprocess.Popen[bytes]"
    pidfd: int
    identity: Identity


def drop_privileges(uid: int | None, gid: int | None) -> list[str]:
    """What stands in front of a command to become that user and group; [] for nobody else.

    Raises:
        LaunchError: setpriv is missing.
    """
    if uid is None and gid is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LaunchError("setpriv (package util-linux) is needed to run a service as puid/pgid.")
    argv = [setpriv, "--clear-groups"]
    if uid is not None:
        argv.append(f"--reuid={uid}")
    if gid is not None:
        argv.append(f"--regid={gid}")
    return [*argv, "--"]


def _environment(
    service: ServiceBlock, around: Surroundings, names: Mapping[str, Any]
) -> dict[str, str]:
    inherited = {
        key: value
        for key, value in around.environ.items()
        if key not in HIDDEN and not key.startswith(HIDDEN_PREFIXES)
    }
    _without_project(inherited, str(around.project))
    own = fill_env(service.block.get("env") or {}, service.block, names)
    for key, value in own.items():
        if not key or "=" in key or "\0" in key or "\0" in value:
            raise LaunchError(f"'{service.process_name}' has an impossible env entry {key!r}.")
    return {**inherited, **own}


def _without_project(env: dict[str, str], project: str) -> None:
    """`dumb up` puts this project on PYTHONPATH; a service's `shared` package is another."""
    paths = [p for p in env.pop("PYTHONPATH", "").split(os.pathsep) if p not in {"", project}]
    if paths:
        env["PYTHONPATH"] = os.pathsep.join(paths)


def _directory(config_dir: str, home: Path, uid: int | None, gid: int | None) -> Path:
    """An absolute `config_dir` must exist; a relative one lies below DUMB_HOME and is made."""
    if not config_dir:
        return home
    path = Path(config_dir)
    if not path.is_absolute():
        path = home / path
        if not path.is_dir():
            _make_directory(path, Owner(uid, gid))
    if not path.is_dir():
        raise LaunchError(f"The config_dir {path} does not exist or is no directory.")
    return path


def _make_directory(path: Path, owner: Owner) -> None:
    """Make what is missing of it, for the service's user."""
    try:
        make_directory(path, owner)
    except NotADirectoryError:
        return  # who uses it says so
    except OSError as error:
        raise LaunchError(f"The config_dir {path} cannot be made: {error.strerror}.") from error


def _executable(name: str, env: Mapping[str, str], cwd: Path, process_name: str) -> str:
    """The program's absolute path, looked up before setpriv hides the reason of a failure."""
    if "/" in name:
        path = cwd / name
        if not path.exists():
            raise LaunchError(f"The command of '{process_name}' was not found: {path}.")
        if path.is_dir() or not os.access(path, os.X_OK):
            raise LaunchError(f"The command of '{process_name}' is not executable: {path}.")
        return str(path)
    found = shutil.which(name, path=env.get("PATH") or os.defpath)
    if found is None:
        raise LaunchError(f"The command of '{process_name}' was not found on PATH: {name}.")
    return str(Path(found).absolute())


def owner_of(service: ServiceBlock, around: Surroundings) -> Owner:
    """Whom the service runs as. Raises `LaunchError`."""
    return Owner(*_user(service, around))


def _user(service: ServiceBlock, around: Surroundings) -> tuple[int | None, int | None]:
    """Whom to become: only root can, 0 means nobody else, and rclone does not take the `puid` of
    all (contract lifecycle 2)."""
    if os.geteuid() != 0:
        return None, None
    block, top, fallback = service.block, around.top, around.user
    if service.config_key == "rclone" and "puid" not in block:
        return fallback.uid, fallback.gid
    try:
        uid = int(block["puid"] or 0 if "puid" in block else top.get("puid") or fallback.uid or 0)
        if "pgid" in block:
            gid = int(block["pgid"] or 0)
        else:
            gid = int(top.get("pgid") or (fallback.gid if uid else 0) or 0)
    except (TypeError, ValueError) as error:
        raise LaunchError(f"'{service.process_name}' needs numbers as puid and pgid.") from error
    return uid or None, gid or None
