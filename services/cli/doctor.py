"""`dumb doctor`: what may be wrong, and what to do about it.

What the API says of itself, when it answers; else what this machine alone can tell: the data
directory, the configuration file, Redis, the supervisor's lock.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from services.cli.client import AwayError, RefusedError
from services.cli.desk import Desk
from services.cli.terminal import Terminal, harmless
from shared.errors import ConfigError, DumbError
from shared.settings import Settings
from shared.version import VERSION

LOW_DISK_BYTES: Final = 1 << 30
FRESH_S: Final = 5.0
"""A heartbeat that is older is none (docs/protocol.md)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` is for when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def examine(desk: Desk) -> list[Finding]:
    """Every finding, in the order in which one rests on the other."""
    try:
        settings = desk.settings
    except DumbError as error:
        return [Finding("settings", False, str(error), "Correct or unset it.")]
    near = settings.home.is_dir()
    found = list(_login(desk))
    if near:
        found += [finding for check in (_home, _config_file) for finding in check(settings)]
    api, told = _api(desk, near=near)
    found += api
    if not told and (near or settings.redis_url):
        found += _redis(settings)
        found += _locks(settings) if near else ()
    return found


def report(terminal: Terminal, findings: list[Finding], *, tree: bool) -> int:
    """Print them; 1 when one of them is a problem."""
    problems = sum(1 for finding in findings if not finding.ok)
    if tree:
        print(json.dumps({"ok": not problems, "checks": [asdict(f) for f in findings]}))
        return int(problems > 0)
    for finding in findings:
        word, code = ("ok      ", "32") if finding.ok else ("PROBLEM ", "1;31")
        print(f"{terminal.paint(word, code)} {finding.name}: {harmless(finding.detail)}")
        if finding.advice and not finding.ok:
            print(f"         {terminal.paint(harmless(finding.advice), '2')}")
    found = f"{problems} {'problem' if problems == 1 else 'problems'} found."
    print(f"\n{found if problems else 'Everything is well.'}")
    return int(problems > 0)


# -- this machine --------------------------------------------------------------------------


def _login(desk: Desk) -> Iterator[Finding]:
    try:
        desk.logins.find(desk.base)
    except DumbError as error:
        yield Finding("login", False, str(error), "Until then DUMB_TOKEN can be used.")


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    try:
        mode, usage = home.stat().st_mode, shutil.disk_usage(home)
    except OSError as error:
        yield Finding("data directory", False, f"{home}: {error.strerror}", "Look at its rights.")
        return
    if mode & 0o022:
        yield Finding(
            "data directory", False, f"{home} may be written by others", f"chmod go-w {home}"
        )
    elif not os.access(home, os.W_OK | os.X_OK):
        advice = "Run this as the user that runs the programs."
        yield Finding("data directory", False, f"{home} may not be written by you", advice)
    else:
        free = f"{usage.free / (1 << 30):.1f} GiB free"
        full = usage.free < LOW_DISK_BYTES
        yield Finding("data directory", not full, f"{home}, {free}", "Make room.")


def _config_file(settings: Settings) -> Iterator[Finding]:
    from shared.config.document import load_document, with_line
    from shared.config.validate import problems

    path = settings.config_path
    if not path.exists():
        advice = "`make run` copies the sample there; or set DUMB_CONFIG."
        yield Finding("configuration file", False, f"{path} is not there", advice)
        return
    try:
        found = problems(load_document(path), str(path))
    except ConfigError as error:
        found = [error]
    advice = "Repair it; until then the last good one counts."
    for fault in found[:5]:
        yield Finding("configuration file", False, str(with_line(fault, path)), advice)
    if not found:
        yield Finding("configuration file", True, f"{path} can be used")


# -- the API -------------------------------------------------------------------------------


def _api(desk: Desk, *, near: bool) -> tuple[list[Finding], bool]:
    """What it says, and whether it could say what Redis and the supervisor do."""
    try:
        client = desk.client
        probe = client.get("/livez")
    except DumbError as error:
        return [Finding("api", False, _first_sentence(error), _start(error, near))], False
    found = [Finding("api", probe.get("status") == "alive", f"answers at {client.base}")]
    try:
        environment = client.get("/environment")
    except RefusedError as error:
        found.append(Finding("environment", False, str(error), _why_not(error)))
        return found, False
    except AwayError as error:
        found.append(Finding("environment", False, str(error)))
        return found, False
    version = (environment.get("api") or {}).get("version")
    if version != VERSION:
        detail = f"the API is of version {version}, this command line of {VERSION}"
        found.append(Finding("versions", False, detail, "Use those of one version."))
    checks = [check for check in environment.get("checks") or [] if isinstance(check, dict)]
    found += [
        Finding(str(c.get("name")), bool(c.get("ok")), str(c.get("detail")), c.get("advice") or "")
        for c in checks
    ]
    if not checks:
        found.append(Finding("environment", False, "The API says nothing about itself"))
    return found, True


def _first_sentence(error: DumbError) -> str:
    return str(error).partition("): ")[0] + ")" if "): " in str(error) else str(error)


def _start(error: DumbError, near: bool) -> str:
    if not isinstance(error, AwayError):
        return ""
    if near:
        return "Start it with `make run` or `dumb up`; what follows is what this machine can tell."
    return "Start it with `make run` or `dumb up`, or set DUMB_API_URL to where it runs."


def _why_not(error: RefusedError) -> str:
    if error.status == 403:
        return "Ask an administrator, or log in as one: `dumb login`."
    return "" if error.status == 401 else "What follows is what this machine can tell."


# -- Redis and the supervisor --------------------------------------------------------------


def _redis(settings: Settings) -> Iterator[Finding]:
    from redis.exceptions import RedisError

    from shared.bus.client import blocking_client
    from shared.bus.keys import Keys
    from shared.redis_url import parse_redis_url

    if not settings.redis_url:
        detail = f"none is known: {settings.redis_url_file} is not there, REDIS_URL is not set"
        yield Finding("redis", False, detail, "`make run` or `dumb up` starts one.")
        return
    try:
        place = parse_redis_url(settings.redis_url).place
    except ValueError as error:
        yield Finding("redis", False, f"its URL cannot be used: {error}", "Correct REDIS_URL.")
        return
    keys = Keys(settings.redis_prefix)
    try:
        with blocking_client(settings.redis_url, "dumb-doctor") as redis:
            redis.ping()
            yield Finding("redis", True, f"answers at {place}")
            raw: Any = redis.hgetall(keys.supervisor)
            problem: Any = redis.get(keys.config_problem)
    except (RedisError, OSError, ValueError) as error:
        yield Finding("redis", False, f"{place}: {error}", _redis_advice(str(error)))
        return
    beat = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in raw.items()}
    yield _heartbeat(beat, time.time())
    if problem:
        text = problem.decode("utf-8", "replace")
        yield Finding("configuration", False, text, "Repair the file; the last good one counts.")


def _redis_advice(words: str) -> str:
    lower = words.lower()
    if "wrongpass" in lower or "noauth" in lower or "invalid username" in lower:
        return "Correct the password in REDIS_URL or DUMB_REDIS_PASSWORD_FILE."
    if "noperm" in lower:
        return "Its ACL user may not read dumb:supervisor: see docs/protocol.md."
    if "certificate" in lower or "ssl" in lower:
        return "See DUMB_REDIS_CA_FILE, or use redis:// for a server without TLS."
    return "Is it running? `dumb up` starts one where REDIS_URL is not set."


def _heartbeat(beat: dict[str, str], now: float) -> Finding:
    name = "supervisor"
    try:
        age = now - float(beat.get("heartbeat_at") or 0)
    except ValueError:
        age = now
    if not beat or age > FRESH_S:
        return Finding(name, False, "no heartbeat", "Start it with `dumb up`; its log says more.")
    return Finding(name, True, f"{beat.get('phase')}, pid {beat.get('pid')}, {age:.1f} s ago")


def _locks(settings: Settings) -> Iterator[Finding]:
    for name in ("launcher", "supervisor"):
        path = settings.run_dir / f"{name}.lock"
        pid = lock_holder(path, Path("/proc/locks"))
        if pid is not None:
            yield Finding(f"{name} process", True, f"pid {pid} holds {path}")
        elif name == "supervisor":  # a launcher is not needed: systemd and containers do without
            yield Finding(f"{name} process", False, "is not running", "Start it with `dumb up`.")


def lock_holder(path: Path, table: Path) -> int | None:
    """Pid that holds the lock on a file, by the kernel's `table`: trying it would be in the way."""
    try:
        status = path.stat()
        rows = table.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for words in map(str.split, rows):
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == device:
            return int(words[4])
    return None
