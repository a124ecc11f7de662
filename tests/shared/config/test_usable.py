"""What is left of a configuration without the services at fault."""

from typing import Any

import pytest

from shared.config.pages import config_of
from shared.config.usable import without_bad_services
from shared.config.validate import problems

GOOD = {"process_name": "Good", "port": 80}
BAD = {"process_name": "Bad", "port": 0}


def left(tree: dict[str, Any]) -> Any:
    config = config_of(tree)
    return without_bad_services(config, problems(config))


@pytest.mark.parametrize(
    ("tree", "rest"),
    [
        ({"a": GOOD, "b": BAD}, {"a": GOOD}),
        (
            {"s": {"instances": {"x": BAD, "y": GOOD, "z": {}, "n": 5}}},
            {"s": {"instances": {"y": GOOD}}},
        ),
        ({"a": GOOD, "b": {**GOOD}}, {"a": GOOD}),
        ({"a": GOOD, "b": {"command": ["x"]}, "c": {"instances": []}}, {"a": GOOD}),
        ({"a": {**BAD, "health": {"liveness": {"kind": "?"}}, "env": 5}}, {}),
    ],
)
def test_services_at_fault_are_left_out(tree: dict[str, Any], rest: dict[str, Any]) -> None:
    assert left(tree) == rest
    assert problems(config_of(rest)) == []


@pytest.mark.parametrize(
    "tree",
    [
        {"a": GOOD, "puid": "x"},
        {"dumb": {"api_service": {"process_name": "API", "port": 0}}},
        {"dumb": []},
    ],
)
def test_what_concerns_everything_cannot_be_left_out(tree: dict[str, Any]) -> None:
    assert left(tree) is None
