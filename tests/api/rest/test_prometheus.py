"""Names as Prometheus' conventions have them, whatever the sources say."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from shared.models.command import CommandStatus, Receipt
from shared.models.command_counts import BUCKETS_S, counted
from shared.models.service import RestartStats
from shared.states import ServiceStatus
from tests.api.rest.conftest import Api
from tests.support.fake_supervisor import ScriptedSupervisor

PROJECT = Path(__file__).resolve().parents[3]
OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}
BASE_UNITS = {"seconds", "bytes", "ratio"}
FORBIDDEN = {"percent", "ms", "milliseconds", "mb", "kb", "kilobytes", "minutes", "hours"}
SNAPSHOT = {
    "timestamp": 1.5,
    "system": {
        "cpu_percent": 50.0,
        "cpu_count": 4,
        "load_avg": [1.0, 2.0, 3.0],
        "mem": {"total": 100, "used": 25},
        "swap": {"total": 0, "used": 0},
        "disk_io": {"read_bytes": 7, "write_bytes": 8},
        "boot_time": 5.0,
        "filesystems": [
            {"path": "/", "available": True, "total": 9, "used": 4, "free": 5,
             "inode": {"total": 4, "used": 1}},
            {"path": "/dead", "available": False, "total": None, "inode": {"total": None}},
        ],
        "network_interfaces": [{"name": "eth0", "sent_bytes": 3, "recv_bytes": 4}],
    },
    "dumb_managed": [
        {"name": "Web Server", "tree_cpu_percent": 250.0, "tree_rss": 1024, "children": 2},
        {"name": "Gone", "pid": 5},
    ],
}  # fmt: skip


@pytest_asyncio.fixture
async def told(supervisor: ScriptedSupervisor) -> ScriptedSupervisor:
    """Every topic has something to say."""
    redis, keys = supervisor.redis, supervisor.keys
    await redis.set(keys.metrics_latest, orjson.dumps(SNAPSHOT))
    await redis.hset(
        keys.metrics_collector,
        mapping={"samples": 3, "sample_wall_s": 0.01, "sample_cpu_s": 0.005, "sampled_at": 9.5},
    )
    await redis.hset(keys.jobs_counters, mapping={"finished:snapshot": 4, "odd": 1})
    await redis.hset(
        keys.seerr_counters,
        mapping={"create:http://s": 5, "failed:http://s": 2, "cycles:done": 6, "odd": "x"},
    )
    await redis.hset(keys.seerr_meta, "synced", orjson.dumps({"http://s": 7}))
    await redis.hset(keys.seerr_failed, "movie:1:False||http://s", "{}")
    await redis.hset(keys.logmeta("Web Server"), mapping={"size": 70, "lines": 7, "lost": 1})
    await redis.hset(
        keys.command_counts,
        mapping={
            "start|succeeded|count": 3,
            "start|succeeded|sum": "4.5",
            **{f"start|succeeded|le{le}": 2 for le in BUCKETS_S if le >= 1},
            "odd": "x",
        },
    )
    await redis.xadd(keys.triggers, {"action": "stop"})
    await redis.xgroup_create(keys.triggers, "supervisor", id="0", mkstream=True)
    stats = RestartStats(restart_attempts=2)
    await supervisor.bus.running("Web Server", generation=4, restart=stats, enabled=True)
    return supervisor


async def _samples(api: Api, **options: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and the values of the labels, in the order of the labels' names."""
    answer = await api.http.get("/metrics/prometheus", **options)
    assert answer.status_code == 200, answer.text
    parse = open_families if "openmetrics" in answer.headers["content-type"] else text_families
    return {
        (sample.name, tuple(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("headers", [{}, OPENMETRICS])
async def test_every_topic_is_there(
    api: Api, told: ScriptedSupervisor, headers: dict[str, str]
) -> None:
    keys = told.keys
    found = await _samples(api, headers=headers)
    expected = {
        ("dumb_service_up", ("Web Server",)): 1,
        ("dumb_service_up", ("Sonarr",)): 0,
        ("dumb_service_expected_up", ("Web Server",)): 1,
        ("dumb_service_expected_up", ("Sonarr",)): 0,
        ("dumb_service_ready", ("Web Server",)): 1,
        ("dumb_service_needs_attention", ("Web Server",)): 0,
        ("dumb_service_starts_total", ("Web Server",)): 4,
        ("dumb_service_restarts_total", ("Web Server",)): 2,
        ("dumb_service_cpu_usage_ratio", ("Web Server",)): 2.5,
        ("dumb_service_memory_bytes", ("Web Server",)): 1024,
        ("dumb_host_cpu_usage_ratio", ()): 0.5,
        ("dumb_host_memory_used_bytes", ()): 25,
        ("dumb_filesystem_available", ("/dead",)): 0,
        ("dumb_filesystem_free_bytes", ("/",)): 5,
        ("dumb_filesystem_inodes_used_ratio", ("/",)): 0.25,
        ("dumb_network_transmit_bytes_total", ("eth0",)): 3,
        ("dumb_commands_total", ("start", "succeeded")): 3,
        ("dumb_command_duration_seconds_sum", ("start", "succeeded")): 4.5,
        ("dumb_command_duration_seconds_bucket", ("start", "1.0", "succeeded")): 2,
        ("dumb_log_lines_total", ("Web Server",)): 7,
        ("dumb_log_bytes_total", ("Web Server",)): 70,
        ("dumb_log_lost_lines_total", ("Web Server",)): 1,
        ("dumb_websocket_clients", ("/ws/status",)): 0,
        ("dumb_redis_group_lag", ("supervisor", keys.triggers)): 1,
        ("dumb_redis_group_pending", ("supervisor", keys.triggers)): 0,
        ("dumb_jobs_total", ("snapshot", "finished")): 4,
        ("dumb_seerr_requests_total", ("create", "http://s")): 5,
        ("dumb_seerr_failures_total", ("http://s",)): 2,
        ("dumb_seerr_cycles_total", ()): 6,
        ("dumb_seerr_titles", ("http://s",)): 7,
        ("dumb_seerr_titles_failed", ("http://s",)): 1,
        ("dumb_supervisor_up", ()): 1,
        ("dumb_collector_up", ()): 1,
        ("dumb_collector_samples_total", ()): 3,
        ("dumb_redis_up", ()): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["dumb_service_uptime_seconds", ("Web Server",)] >= 0
    assert ("dumb_service_memory_bytes", ("Gone",)) not in found
    assert ("dumb_filesystem_size_bytes", ("/dead",)) not in found


async def test_names_follow_the_conventions(api: Api, told: ScriptedSupervisor) -> None:
    assert told
    text = (await api.http.get("/metrics/prometheus")).text
    families = list(text_families(text))
    assert len(families) > 40
    for family in families:
        name = family.name
        words = set(name.split("_"))
        assert re.fullmatch(r"dumb(_[a-z0-9]+)+", name), name
        assert family.documentation.endswith("."), name
        assert not words & FORBIDDEN, name
        if family.type == "gauge":
            assert not name.endswith(("_total", "_count", "_sum", "_bucket")), name
        for unit in BASE_UNITS & words:
            assert name.removesuffix("_total").endswith(unit), f"{name}: the unit comes last"
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), name
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels), name


async def test_dashboard_and_document_name_what_there_is(
    api: Api, told: ScriptedSupervisor
) -> None:
    assert told
    found = await _samples(api)
    known = {name for name, _ in found}
    known |= {name.removesuffix("_bucket") for name in known}
    dashboard = (PROJECT / "docs/grafana-dashboard.json").read_text()
    used = set(re.findall(r"\bdumb_[a-z0-9_]+", dashboard))
    assert used <= known, used - known
    document = (PROJECT / "docs/metrics.md").read_text()
    for name in known:
        family = re.sub("_(sum|count|bucket)$", "", name)
        topic, _, rest = family.removeprefix("dumb_").partition("_")
        assert f"`dumb_{topic}_*`" in document or f"_{rest}" in document, name


async def test_without_a_collector_the_rest_is_there(api: Api, told: ScriptedSupervisor) -> None:
    for odd in (None, b"{", b"[]", b'{"system":7,"dumb_managed":{}}'):
        if odd is None:
            await told.redis.delete(told.keys.metrics_latest, told.keys.metrics_collector)
        else:
            await told.redis.set(told.keys.metrics_latest, odd)
        found = await _samples(api)
        assert found["dumb_collector_up", ()] == 0
        assert found["dumb_service_up", ("Web Server",)] == 1
        assert not [name for name, _ in found if name.startswith("dumb_host_")]


async def test_a_topic_that_redis_refuses_is_left_out(api: Api, told: ScriptedSupervisor) -> None:
    await told.redis.set(told.keys.command_counts, "mine")
    found = await _samples(api)
    assert found["dumb_redis_up", ()] == 0
    assert found["dumb_service_up", ("Web Server",)] == 1
    assert not [name for name, _ in found if name.startswith("dumb_command")]


async def test_names_that_need_escaping(api: Api, told: ScriptedSupervisor) -> None:
    name = 'A "quoted" \\ name'
    await told.bus.state(name, ServiceStatus.RUNNING)
    await told.bus.running("Web Server", generation=5)
    found = await _samples(api)
    assert found["dumb_service_up", (name,)] == 1


def _receipt(status: CommandStatus, action: str = "start", seconds: float = 0.3) -> Receipt:
    return Receipt("x", action=action, status=status, created_at=10.0, finished_at=10.0 + seconds)


def test_what_a_receipt_adds_to() -> None:
    assert counted(_receipt(CommandStatus.RUNNING)) == ()
    label, seconds, *buckets = counted(_receipt(CommandStatus.FAILED))
    assert (label, seconds) == ("start|failed", "0.300000")
    assert buckets == [f"le{le}" for le in BUCKETS_S if le >= 0.5]
    assert counted(_receipt(CommandStatus.REJECTED, "x|y"))[0] == "other|rejected"
    assert counted(_receipt(CommandStatus.EXPIRED, seconds=-5))[1] == "0.000000"
    assert counted(_receipt(CommandStatus.EXPIRED, seconds=1e6))[2:] == ()
