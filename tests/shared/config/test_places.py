"""Lines of values in a JSON text."""

import json

import pytest

from shared.config.places import line_of

TEXT = """{
    "a": 1, "b,}": {
        "c": [
            {"d\\n": null},
            "]", [[]], {
            }
        ],
        "d":
            false
    },

    "e": {}
}
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ((), 1),
        (("a",), 2),
        (("b,}",), 2),
        (("b,}", "c"), 3),
        (("b,}", "c", "0"), 4),
        (("b,}", "c", "0", "d\n"), 4),
        (("b,}", "c", "1"), 5),
        (("b,}", "c", "3"), 5),
        (("b,}", "d"), 9),
        (("e",), 12),
        (("e", "missing", "more"), 12),
        (("missing",), 1),
    ],
)
def test_lines(keys: tuple[str, ...], line: int) -> None:
    json.loads(TEXT)
    assert line_of(TEXT, keys) == line


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a" 1', '{"b": ]', '{"b": 1', "[" * 9])
def test_what_is_no_json_has_no_lines(text: str) -> None:
    assert line_of(text, ("a", "b")) in {None, 1}
