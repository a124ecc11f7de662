"""Whether the shipped alerts fire, by promtool, from the numbers that the exporter gives."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import pytest
from ruamel.yaml import YAML

from services.api.exposition.services import collect
from services.api.exposition.sources import Sources
from services.api.situation import Situation
from shared.bus.keys import Keys
from shared.config.services import ServiceBlock
from shared.models.service import RestartStats, ServiceState
from shared.models.startup import Phase, Startup
from shared.states import Desired, ServiceStatus

S = ServiceStatus
NAME: Final = "Plex"
PLACE: Final = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
MINUTES: Final = 30

READY: Final = Startup(Phase.READY)

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)

Story = Callable[[float], ServiceState]
"""The state of the service by the seconds since the story began."""


@dataclass(frozen=True)
class Case:
    """`fires`: by alert, at the end of each of these minutes; everything else is silent."""

    story: Story
    block: dict[str, Any]
    fires: dict[str, tuple[int, ...]]
    boot: Startup = READY


def state(status: ServiceStatus, **fields: Any) -> ServiceState:
    return ServiceState(NAME, status, **{"enabled": True, "desired": Desired.UP, **fields})


def starts_slowly(seconds: float) -> ServiceState:
    if seconds < 600:
        return state(S.STARTING, health="starting", started_at=time.time() - seconds)
    return state(S.RUNNING, health="healthy", started_at=time.time() - seconds)


def did_its_work(_seconds: float) -> ServiceState:
    done = RestartStats(readiness_state="ready")
    return state(S.EXITED, exit_code=0, health="unhealthy", restart=done)


def was_stopped(_seconds: float) -> ServiceState:
    return state(S.STOPPED, desired=Desired.DOWN, restart=RestartStats(disabled=True))


def waits(seconds: float) -> ServiceState:
    return state(S.WAITING, waiting_since=time.time() - seconds, waiting_for="mount /mnt/x")


def failed(_seconds: float) -> ServiceState:
    return state(S.FAILED, exit_reason="exit code 3")


def is_unhealthy(_seconds: float) -> ServiceState:
    return state(S.RUNNING, health="unhealthy", health_reason="HTTP 500")


CASES: Final[dict[str, Case]] = {
    "a slow start is no alert": Case(starts_slowly, {"start_timeout": 900}, {}),
    "a start that hangs": Case(starts_slowly, {}, {"DumbServiceDown": (6, 9)}),
    "a one-shot that did its work": Case(did_its_work, {"restart": "no"}, {}),
    "stopped on purpose": Case(was_stopped, {}, {}),
    "a wait that is over soon enough": Case(waits, {"wait_timeout": 3600}, {}),
    "a wait that does not end": Case(waits, {}, {"DumbServiceDown": (10, 30)}),
    "a boot that a waiting service degraded": Case(
        waits,
        {"wait_timeout": 3600},
        {"DumbServiceDown": (3, 30)},
        Startup(Phase.DEGRADED, failures={NAME: "mount /mnt/x"}),
    ),
    "a failed start": Case(failed, {}, {"DumbServiceDown": (3, 30)}),
    "unhealthy": Case(is_unhealthy, {}, {"DumbServiceUnhealthy": (6, 30)}),
}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool") or "promtool"
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


async def series(case: Case) -> list[dict[str, str]]:
    """What Prometheus would have scraped each minute."""
    block = ServiceBlock(NAME, "plex", "", ("plex",), case.block, enabled=True)
    situation = Situation(redis=True, boot=case.boot, blocks={NAME: block})
    values: dict[str, list[str]] = {}
    for minute in range(MINUTES + 1):
        states = {NAME: case.story(minute * 60.0)}
        sources = Sources(cast("Any", None), Keys(), states, cast("Any", None), situation)
        for family in await collect(sources):
            for sample in family.samples:
                if sample.name != "dumb_service_uptime_seconds":
                    values.setdefault(sample.name, []).append(f"{sample.value:g}")
    return [
        {"series": f'{name}{{service="{NAME}"}}', "values": " ".join(found)}
        for name, found in sorted(values.items())
    ]


@needs_promtool
@pytest.mark.parametrize("name", CASES)
async def test_what_fires(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    rules = YAML(typ="safe").load(PLACE / "alerts.yml")["groups"][0]["rules"]
    by_alert = {rule["alert"]: rule for rule in rules}
    tests = []
    for alert in ("DumbServiceDown", "DumbServiceUnhealthy"):
        rule = by_alert[alert]
        summary = rule["annotations"]["summary"].replace("{{ $labels.service }}", NAME)
        fired = {
            "exp_labels": {"service": NAME, **rule["labels"]},
            "exp_annotations": {"summary": summary},
        }
        loud = case.fires.get(alert, ())
        for minute in loud or (1, 5, 10, MINUTES):
            expected = [fired] if loud else []
            tests.append({"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": expected})
    tree = {
        "rule_files": [str(PLACE / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {"interval": "1m", "input_series": await series(case), "alert_rule_test": tests},
        ],
    }
    file = tmp_path / "rules.yml"
    YAML(typ="safe").dump(tree, file)
    done = await asyncio.to_thread(promtool, "test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    done = promtool("check", "rules", str(PLACE / "alerts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
