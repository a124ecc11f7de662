"""What may be wrong, and what to do about it: `GET /environment` and `dumb doctor`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.bus.refusals import Refused
from shared.config.notices import Notice, summary_of
from shared.judgement import Judgement, Verdict
from shared.models.service import ServiceState
from shared.models.startup import Phase, Startup
from shared.states import ServiceStatus
from shared.version import VERSION

LOW_DISK_BYTES: Final = 1 << 30
LOW_DISK_SHARE: Final = 0.05
MIN_REDIS: Final = (6, 2)
COMING_SHOWN: Final = 3
DETAILS: Final = "Details: GET /config?sources=1"


@dataclass(frozen=True, slots=True)
class Check:
    """With `advice` and `ok` it is no problem, and worth a look."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def check_redis(version: str, refused: Refused | None = None) -> Check:
    """Whether it is one that we know, and does what it is asked."""
    if refused:
        return Check("redis", False, refused.sentence, refused.advice)
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    ok = parts >= MIN_REDIS or not parts
    return Check(
        "redis",
        ok,
        f"Redis {version or 'of unknown version'} answers",
        "" if ok else "Use Redis 6.2 or later.",
    )


def check_supervisor(
    beat: Mapping[str, str],
    now: float,
    *,
    boot: Startup | None = None,
    refused: Refused | None = None,
) -> Check:
    """Whether it is there, and of our version."""
    name = "supervisor"
    if not beat and refused:
        return Check(name, False, "Not known: its heartbeat needs Redis", "Repair Redis first.")
    if not beat:
        return Check(name, False, "No heartbeat", "Start it with `dumb up`; its log says more.")
    age = now - float(beat.get("heartbeat_at") or 0)
    version, phase = beat.get("version", ""), boot.phase if boot else beat.get("phase", "")
    detail = f"{phase}, version {version}, heartbeat {max(age, 0):.1f} s ago"
    if version != VERSION:
        advice = f"The API is of version {VERSION}: restart both, so that they are of one."
        return Check(name, False, detail, advice)
    if phase == Phase.DEGRADED:
        return Check(name, False, detail, "A service did not start: see the services below.")
    return Check(name, True, detail)


def check_config(problem: str, version: str, warnings: list[Notice]) -> list[Check]:
    """The file, keys that nothing uses, and options that are on and not built."""
    found = [
        Check(
            "configuration", False, problem, "Repair the file; until then the last good one counts."
        )
        if problem
        else Check(
            "configuration",
            bool(version),
            f"version {version or 'unknown'}",
            "" if version else "The supervisor has not published it yet.",
        )
    ]
    unknown = [notice for notice in warnings if notice.built]
    if unknown:
        found.append(Check("unknown keys", True, summary_of(unknown), f"{DETAILS}."))
    unbuilt = [notice for notice in warnings if not notice.built]
    if unbuilt:
        advice = f"{DETAILS}, and docs/migrating.md."
        found.append(Check("options without effect", True, summary_of(unbuilt), advice))
    return found


def check_disks(disks: Any) -> list[Check]:
    """The file systems of the data directories."""
    found = []
    for disk in disks if isinstance(disks, list) else []:
        name = f"disk {disk.get('path')}"
        if "problem" in disk:
            advice = "Create it, or correct the path."
            found.append(Check(name, False, str(disk["problem"]), advice))
            continue
        free, total = int(disk.get("free", 0)), int(disk.get("total", 0)) or 1
        ok = free >= LOW_DISK_BYTES and free / total >= LOW_DISK_SHARE
        detail = f"{free / (1 << 30):.1f} GiB of {total / (1 << 30):.1f} GiB free"
        found.append(Check(name, ok, detail, "" if ok else "Make room: logs stop when it is full."))
    return found


def check_services(
    states: Mapping[str, ServiceState], judged: Mapping[str, Judgement]
) -> list[Check]:
    """Services that need attention; one line for all the others."""
    bad = [
        Check(f"service {name}", False, judgement.reason, judgement.advice)
        for name, judgement in judged.items()
        if judgement.attention
    ]
    running = sum(1 for state in states.values() if state.status is ServiceStatus.RUNNING)
    coming = [
        judgement.reason
        for judgement in judged.values()
        if judgement.verdict in {Verdict.STARTING, Verdict.WAITING}
    ]
    more = f"; {', '.join(coming[:COMING_SHOWN])}" if coming else ""
    return bad or [
        Check("services", True, f"{running} of {len(states)} run, none needs attention{more}")
    ]
