"""The services: whether they run, how often they were started again, what they use."""

import time

from prometheus_client.core import Metric

from services.api.exposition.families import counters, gauges
from services.api.exposition.sources import Sources, number, parts
from shared.models.service import ServiceState
from shared.states import ServiceStatus

_LABELS = ("service",)


async def collect(sources: Sources) -> list[Metric]:
    """States from the replica's memory, use from the last snapshot."""
    return [*_states(sources), *_use(sources)]


def _states(sources: Sources) -> list[Metric]:
    now = time.time()
    states = [((name,), state) for name, state in sorted(sources.states.items())]
    judged = [
        ((name,), j) for name, j in sources.situation.judge_all(sources.states.values()).items()
    ]
    return [
        gauges(
            "dumb_service_up", "1 while the service runs.", _LABELS,
            ((key, float(state.status is ServiceStatus.RUNNING)) for key, state in states),
        ),
        gauges(
            "dumb_service_expected_up",
            "1 while the service should be up by now: it is wanted, has not done its work, and "
            "its time to start or to wait is over.", _LABELS,
            ((key, float(judgement.expected_up)) for key, judgement in judged),
        ),
        gauges(
            "dumb_service_ready", "1 while the service can be used, or has done its work.",
            _LABELS, ((key, float(judgement.ready)) for key, judgement in judged),
        ),
        gauges(
            "dumb_service_needs_attention", "1 while a person has to look at the service.",
            _LABELS, ((key, float(judgement.attention)) for key, judgement in judged),
        ),
        gauges(
            "dumb_service_enabled", "1 when the configuration enables the service.", _LABELS,
            ((key, float(state.enabled)) for key, state in states),
        ),
        gauges(
            "dumb_service_healthy", "1 while its health check says healthy.", _LABELS,
            ((key, float(state.health == "healthy")) for key, state in states),
        ),
        counters(
            "dumb_service_starts", "Starts, of whatever reason.", _LABELS,
            ((key, float(state.generation)) for key, state in states),
        ),
        counters(
            "dumb_service_restarts", "Automatic restarts.", _LABELS,
            ((key, float(state.restart.restart_attempts)) for key, state in states),
        ),
        gauges(
            "dumb_service_uptime_seconds", "Time since the process was started.", _LABELS,
            ((key, _uptime(state, now)) for key, state in states),
        ),
    ]  # fmt: skip


def _uptime(state: ServiceState, now: float) -> float | None:
    return max(now - state.started_at, 0.0) if state.alive and state.started_at else None


def _use(sources: Sources) -> list[Metric]:
    managed = [((str(e.get("name")),), e) for e in parts(sources.snapshot, "dumb_managed")]

    def share(value: float | None) -> float | None:
        return None if value is None else value / 100

    return [
        gauges(
            "dumb_service_cpu_usage_ratio",
            "CPU of the service's whole process tree; 1 is one core.", _LABELS,
            ((key, share(number(e.get("tree_cpu_percent")))) for key, e in managed),
        ),
        gauges(
            "dumb_service_memory_bytes", "Resident memory of the whole process tree.", _LABELS,
            ((key, number(e.get("tree_rss"))) for key, e in managed),
        ),
        gauges(
            "dumb_service_child_processes", "Processes below the one that was started.", _LABELS,
            ((key, number(e.get("children"))) for key, e in managed),
        ),
    ]  # fmt: skip
