"""Which trees are refused, and at which key."""

import copy
from typing import Any

import pytest

from shared.config.pages import config_of
from shared.config.sizes import parse_size
from shared.config.validate import MAX_DEPTH, problems, validate
from shared.errors import ConfigError

SERVICE: dict[str, Any] = {
    "enabled": True,
    "process_name": "Svc A",
    "command": ["x", "-p", "{port}"],
    "config_dir": "",
    "log_file": None,
    "env": {"A": "1", "B": 2, "C": True, "D": None},
    "port": 1,
    "suppress_logging": False,
    "wait_for_dir": "",
    "wait_for_mounts": ["/mnt"],
    "wait_for_tcp": [{"name": "db", "host": "h", "port": 1, "timeout": 2}],
    "wait_for_url": [{"url": "http://x", "timeout": 1.5, "auth": {"user": "u"}}],
    "start_window": 0.5,
    "start_timeout": 60,
    "stop_signal": "int",
    "stop_attempts": 3,
    "stop_wait": 10,
    "an_unknown_key": {"of": ["any", "shape"]},
}


def with_service(**fields: Any) -> dict[str, Any]:
    return {"svc": {**copy.deepcopy(SERVICE), **fields}}


def paths(tree: dict[str, Any]) -> list[str]:
    return [".".join(error.keys) for error in problems(config_of(tree), "f.json")]


def test_a_complete_block_and_an_empty_tree_are_fine() -> None:
    assert problems(config_of(with_service())) == []
    assert problems(config_of({})) == []
    validate(config_of(with_service()))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("enabled", "true"),
        ("enabled", 1),
        ("process_name", ""),
        ("process_name", "  "),
        ("process_name", None),
        ("process_name", 5),
        ("process_name", "a\nb"),
        ("process_name", "a\x7fb"),
        ("process_name", "x" * 201),
        ("command", 5),
        ("command", ["x", 5]),
        ("command", ["x\0"]),
        ("command", "x\0"),
        ("command", "'open"),
        ("command", {"x": 1}),
        ("env", ["A=1"]),
        ("env", {"A": [1]}),
        ("env", {"A=B": "1"}),
        ("env", {"": "1"}),
        ("env", {"A": "\0"}),
        ("port", 0),
        ("port", 65536),
        ("port", "80"),
        ("port", True),
        ("port", 80.0),
        ("frontend_port", -1),
        ("backend_port", "x"),
        ("webdav_port", 70000),
        ("suppress_logging", "no"),
        ("log_file", 5),
        ("config_dir", ["x"]),
        ("config_dir", "a\0"),
        ("wait_for_dir", 5),
        ("wait_for_mounts", [5]),
        ("wait_for_tcp", [{"host": "h", "port": "x"}]),
        ("wait_for_tcp", ["h:1"]),
        ("wait_for_url", [{"host": "h"}]),
        ("wait_for_url", 5),
        ("start_window", "1"),
        ("start_window", -1),
        ("start_timeout", True),
        ("start_timeout", 1e9),
        ("stop_signal", "SIGNOTHING"),
        ("stop_signal", 999),
        ("stop_attempts", 0),
        ("stop_wait", [1]),
    ],
)
def test_a_bad_field_is_named_by_its_path(field: str, value: object) -> None:
    assert paths(with_service(**{field: value})) == [f"svc.{field}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", None),
        ("command", []),
        ("command", "postgres -D '/a b'"),
        ("wait_for_tcp", {"host": "h", "port": 1}),
        ("wait_for_tcp", ""),
        ("wait_for_url", None),
        ("stop_signal", "SIGQUIT"),
        ("stop_signal", 15),
        ("env", {}),
        ("process_name", "Zürg w/ 4K: *?"),
    ],
)
def test_other_forms_are_fine(field: str, value: object) -> None:
    assert paths(with_service(**{field: value})) == []


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        ({"puid": -1}, "puid"),
        ({"pgid": "1000"}, "pgid"),
        ({"puid": True}, "puid"),
        ({"dumb": []}, "dumb"),
        ({"dumb": {"log_size": "ten"}}, "dumb.log_size"),
        ({"dumb": {"log_size": "0M"}}, "dumb.log_size"),
        ({"dumb": {"log_size": True}}, "dumb.log_size"),
        ({"dumb": {"log_count": -1}}, "dumb.log_count"),
        ({"dumb": {"api_service": 5}}, "dumb.api_service"),
        ({"dumb": {"api_service": {"host": 5}}}, "dumb.api_service.host"),
        ({"dumb": {"api_service": {"port": 0}}}, "dumb.api_service.port"),
        (
            {"dumb": {"api_service": {"process_name": "A", "port": "x"}}},
            "dumb.api_service.port",
        ),
        ({"sonarr": {"instances": []}}, "sonarr.instances"),
        ({"sonarr": {"instances": {"A": 5}}}, "sonarr.instances.A"),
        ({"sonarr": {"instances": {"A": {"port": 1}}}}, "sonarr.instances.A"),
        ({"mine": {"command": ["x"]}}, "mine"),
    ],
)
def test_a_bad_tree_is_named_by_its_path(tree: dict[str, Any], path: str) -> None:
    assert paths(tree) == [path]


def test_names_are_unique_and_both_places_are_said() -> None:
    tree = {
        "plex": {"process_name": "Plex"},
        "mine": {"instances": {"A": {"process_name": "Plex"}}},
    }
    with pytest.raises(ConfigError) as caught:
        validate(config_of(tree), "f.json")
    text = str(caught.value)
    assert text == ("f.json at 'mine.instances.A.process_name': 'Plex' is also the name of 'plex'")


def test_all_problems_are_collected_and_validate_raises_the_first() -> None:
    tree = {"puid": -1, **with_service(port=0, env=5)}
    assert paths(tree) == ["puid", "svc.env", "svc.port"]
    with pytest.raises(ConfigError, match="puid"):
        validate(config_of(tree))


def test_nesting_has_a_limit() -> None:
    def nested(levels: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for _ in range(levels - 1):
            tree = {"k": tree}
        return tree

    assert problems(config_of(nested(MAX_DEPTH))) == []
    assert len(problems(config_of(nested(MAX_DEPTH + 1)))) == 1
    assert "deeper than 64" in str(problems(config_of(nested(5000)))[0])


@pytest.mark.parametrize(
    ("text", "size"),
    [("10M", 10 << 20), ("512k", 512 << 10), ("1G", 1 << 30), ("4096", 4096), (" 2MB ", 2 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "10T", "-1M", "1.5M", "0", "1 M x"])
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)
