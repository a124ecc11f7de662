"""`dumb.metrics`, whatever stands there, and what a block says about disks and ports."""

from typing import Any

import pytest

from services.metrics.options import Options, parse_options
from services.metrics.pace import Demand, sample_interval
from services.metrics.watched import watched_services
from shared.config.pages import config_of


@pytest.mark.parametrize(
    "tree", [{}, {"dumb": None}, {"dumb": []}, {"dumb": {"metrics": 7}}, {"dumb": {"metrics": {}}}]
)
def test_defaults(tree: dict[str, Any]) -> None:
    assert parse_options(tree) == Options()


def test_everything_that_can_be_said() -> None:
    metrics = {
        "system_scope": "cgroup",
        "filesystem_paths": ["/a", "/a", "relative", 7, "/b", "/nul\0"],
        "network_interfaces": ["eth0", "", None, "eth0"],
        "history_enabled": False,
        "history_interval_sec": 0.1,
        "history_retention_days": 30,
        "history_max_total_mb": 10,
        "history_dir": "/old",
        "storage": {"migrate_jsonl": False},
    }
    assert parse_options({"dumb": {"metrics": metrics}}) == Options(
        scope="cgroup",
        filesystem_paths=("/a", "/b"),
        interfaces=("eth0",),
        history=False,
        history_interval_s=0.5,
        retention_days=30.0,
        max_total_bytes=10 << 20,
        legacy_dir="/old",
        migrate_legacy=False,
    )


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "7", True, None, [], {}])
def test_odd_values_are_the_defaults(odd: Any) -> None:
    keys = ("system_scope", "filesystem_paths", "network_interfaces", "history_interval_sec")
    more = ("history_retention_days", "history_max_total_mb", "storage")
    metrics = dict.fromkeys((*keys, *more), odd)
    assert parse_options({"dumb": {"metrics": metrics}}) == Options()
    assert parse_options({"dumb": {"metrics": {"filesystem_paths": [odd]}}}) == Options()


def test_what_is_watched_of_a_service() -> None:
    tree = {
        "data_root": "/data",
        "rclone": {"instances": {"A": {"mount_dir": "/mnt", "mount_name": "a"}, "B": 3}},
        "web": {
            "process_name": "Web",
            "config_dir": "/web",
            "config_file": "/etc/web/web.ini",
            "log_file": "relative.log",
            "port": 80,
            "frontend_port": 0,
            "env": {"PORT": "81", "CACHE": "/cache", "TEMPLATE": "/x/{port}", "N": 5},
        },
    }
    web = watched_services(config_of(tree))["Web"]
    assert web.paths == ("/web", "/etc/web", "/cache", "/data", "/mnt", "/mnt/a")
    assert web.ports == (80, 81)


def test_the_pace_follows_the_listeners() -> None:
    paces = [sample_interval(demand, 5.0) for demand in Demand]
    assert paces == [5.0, 2.0, 0.5]
    assert sample_interval(Demand.NONE, 0.5) == 0.5
    assert sample_interval(Demand.NONE, None) == 5.0
    assert sample_interval(Demand.NONE, 600.0) == 5.0, "the last one must stay young"
