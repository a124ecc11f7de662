"""Our reading of the schema against a real validator's, and the sentences."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from shared.config.conform import misfits
from shared.config.pages import config_of
from shared.config.schema import block_schema, config_schema, service_schema
from shared.config.services import walk_services
from tests.shared.config.test_files import sample

VALUES: tuple[Any, ...] = (
    5,
    -1,
    10**12,
    "x",
    [],
    ["x"],
    [5],
    ["/", "/"],
    ["/x"] * 33,
    {},
    {"x": 1},
    True,
    1.5,
)


def places(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tree.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def changed(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(tree)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def test_the_schemas_are_schemas() -> None:
    Draft7Validator.check_schema(config_schema())
    for service in walk_services(config_of(sample())):
        Draft7Validator.check_schema(block_schema(service.path, service.config_key))


@pytest.mark.parametrize("name", ["dumb", "plex", "sonarr", "postgres", "zurg", "riven_backend"])
def test_a_real_validator_finds_the_same_faults(name: str) -> None:
    tree = sample()[name]
    tree = next(iter(tree["instances"].values())) if "instances" in tree else tree
    schema = config_schema()["properties"]["dumb"] if name == "dumb" else service_schema(name)
    validator = Draft7Validator(schema)
    assert list(misfits(tree, schema)) == []
    tried = 0
    for path in places(tree):
        for value in VALUES:
            made = changed(tree, path, value)
            ours = {where for where, _ in misfits(made, schema)}
            theirs = {
                tuple(map(str, error.absolute_path))
                for error in validator.iter_errors(made)
                if error.validator != "required"  # validate.py asks for it
            }
            assert ours == theirs, (path, value)
            tried += 1
    assert tried > 80


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ({"dumb": None}, "dumb", "must be an object"),
        ({"dumb": []}, "dumb", "must be an object"),
        ({"dumb": {"ui": 1}}, "dumb.ui", "must be an object"),
        ({"plex": {"auto_update": "yes"}}, "plex.auto_update", "must be true or false"),
        ({"plex": {"auto_update_mode": "x"}}, "plex.auto_update_mode", "one of 'install'"),
        ({"plex": {"auto_update_start_time": "25:00"}}, "plex.auto_update_start_time", "look"),
        ({"plex": {"friendly_name": "a\0"}}, "plex.friendly_name", "NUL"),
        ({"tz": 5}, "tz", "must be text"),
        ({"seerr_sync": {"poll_interval_seconds": 9}}, "seerr_sync.poll_interval_seconds", "10"),
        ({"dumb": {"metrics": {"network_interfaces": []}}}, "dumb.metrics.network_interfaces",
         "1 entry or more"),
        ({"dumb": {"metrics": {"filesystem_paths": ["/", "/a", "/"]}}},
         "dumb.metrics.filesystem_paths", "twice"),
        ({"dumb": {"metrics": {"network_interfaces": [f"e{at}" for at in range(33)]}}},
         "dumb.metrics.network_interfaces", "32 entries at most"),
        ({"dumb": {"log_size": 1.5}}, "dumb.log_size", "text or a whole number"),
        (
            {"dumb": {"auto_restart": {"backoff_seconds": [5, "x"]}}},
            "dumb.auto_restart.backoff_seconds.1",
            "must be a number",
        ),
        ({"sonarr": {"instances": {"a.b": {"use_neutarr": 1}}}}, "sonarr.instances.a.b.use_neutarr",
         "true or false"),
    ],
)  # fmt: skip
def test_sentences(value: Any, path: str, words: str) -> None:
    [(where, why)] = misfits(value, config_schema())
    assert ".".join(where) == path
    assert words in why


def test_null_is_missing_and_unknown_keys_are_free() -> None:
    tree: Any = {
        "tz": None,
        "plex": {"port": None, "mine": [{}]},
        "dumb": {"auto_restart": {"x": 1}, "frontend": {"origins": "http://nas.lan"}},
    }
    assert list(misfits(tree, config_schema())) == []
