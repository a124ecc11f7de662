"""The `health` block: what is refused, at which key, and what is read."""

from typing import Any

import pytest

from shared.config.health import Kind, ProbeFields, health_problems, parse_probe
from shared.config.pages import config_of
from shared.config.validate import problems


def paths(health: Any) -> list[str]:
    tree = {"svc": {"process_name": "Svc", "health": health}}
    return [".".join(error.keys) for error in problems(config_of(tree))]


@pytest.mark.parametrize(
    ("health", "path"),
    [
        ([], "svc.health"),
        ("http", "svc.health"),
        ({"start_period": -1}, "svc.health.start_period"),
        ({"liveness": "http"}, "svc.health.liveness"),
        ({"liveness": {}}, "svc.health.liveness.kind"),
        ({"liveness": {"kind": "telepathy"}}, "svc.health.liveness.kind"),
        ({"readiness": {"kind": ["http"]}}, "svc.health.readiness.kind"),
        ({"readiness": {"kind": "http", "port": 70000}}, "svc.health.readiness.port"),
        ({"readiness": {"kind": "http", "port": "http"}}, "svc.health.readiness.port"),
        ({"readiness": {"kind": "http", "path": "ping"}}, "svc.health.readiness.path"),
        ({"readiness": {"kind": "http", "path": "/a b"}}, "svc.health.readiness.path"),
        ({"readiness": {"kind": "http", "path": "/\r\nX: y"}}, "svc.health.readiness.path"),
        ({"readiness": {"kind": "http", "method": "G T"}}, "svc.health.readiness.method"),
        ({"readiness": {"kind": "http", "headers": {"A": "b\n"}}}, "svc.health.readiness.headers"),
        ({"readiness": {"kind": "http", "headers": {"A:": "b"}}}, "svc.health.readiness.headers"),
        ({"readiness": {"kind": "http", "auth": {"user": "a:b"}}}, "svc.health.readiness.auth"),
        ({"readiness": {"kind": "http", "status": 99}}, "svc.health.readiness.status"),
        ({"readiness": {"kind": "http", "status": [200, "x"]}}, "svc.health.readiness.status"),
        ({"readiness": {"kind": "http", "json_value": {}}}, "svc.health.readiness.json_value"),
        ({"liveness": {"kind": "tcp"}}, "svc.health.liveness.port"),
        ({"liveness": {"kind": "tcp", "port": 0}}, "svc.health.liveness.port"),
        ({"liveness": {"kind": "exec"}}, "svc.health.liveness.command"),
        ({"liveness": {"kind": "exec", "command": "a 'b"}}, "svc.health.liveness.command"),
        ({"liveness": {"kind": "port", "interval": 0}}, "svc.health.liveness.interval"),
        ({"liveness": {"kind": "port", "timeout": "1"}}, "svc.health.liveness.timeout"),
        (
            {"liveness": {"kind": "port", "failure_threshold": 0}},
            "svc.health.liveness.failure_threshold",
        ),
        (
            {"liveness": {"kind": "port", "success_threshold": 1.5}},
            "svc.health.liveness.success_threshold",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_at_its_key(health: Any, path: str) -> None:
    assert paths(health) == [path]


@pytest.mark.parametrize(
    "health",
    [
        None,
        {},
        {"liveness": None, "start_period": None},
        {"liveness": {"kind": "process"}},
        {"readiness": {"kind": "http", "port": "{port}", "status": 204, "unknown": 1}},
        {"liveness": {"kind": "tcp", "port": "8080", "host": "db"}},
        {"liveness": {"kind": "exec", "command": ["pg_isready"]}, "start_period": 60},
    ],
)
def test_what_can_be_asked_is_fine(health: Any) -> None:
    assert list(health_problems(health)) == []


def test_every_field_is_read() -> None:
    tree = {
        "kind": "http",
        "interval": 5,
        "timeout": 1.5,
        "failure_threshold": 3,
        "success_threshold": 2,
        "host": "h",
        "port": "8080",
        "path": "/x?y=1",
        "method": "post",
        "headers": {"A": 1},
        "auth": {"user": "u", "password": "p"},
        "status": [200, 204],
        "contains": "c",
        "json_field": "a.b",
        "json_value": True,
    }
    assert parse_probe(tree) == ProbeFields(
        Kind.HTTP, 5, 1.5, 3, 2, "h", 8080, "/x?y=1", "POST", (("A", "1"),), ("u", "p"),
        (200, 204), "c", "a.b", True,
    )  # fmt: skip


def test_a_placeholder_that_brought_in_nothing_usable_is_an_error() -> None:
    with pytest.raises(ValueError, match="whole number from 1 to 65535"):
        parse_probe({"kind": "tcp", "port": "sixty"})
    assert parse_probe({"kind": "exec", "command": "a 'b c'"}).command == "a 'b c'"
