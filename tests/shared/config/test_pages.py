"""Page memory: cut out, put back where it stood, merged within its limits."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.config.document import MAX_BYTES as MAX_DOCUMENT
from shared.config.document import TooLargeError
from shared.config.pages import (
    MAX_BYTES,
    MAX_DEPTH,
    NO_PAGES,
    Pages,
    PagesError,
    PagesTooLargeError,
    cut,
    is_only_pages,
    join,
    load_config,
    shown,
)


def nested(depth: int) -> Any:
    """An object of so many levels."""
    tree: Any = {}
    for _ in range(depth - 1):
        tree = {"a": tree}
    return tree


def sized(size: int) -> dict[str, Any]:
    """An object of so many bytes of JSON."""
    return {"a": "x" * (size - len('{"a":""}'))}


@pytest.mark.parametrize(
    ("document", "config", "value"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"dumb": {"a": 1, "ui": {"x": 2}, "b": 3}}, {"dumb": {"a": 1, "b": 3}}, {"x": 2}),
        ({"dumb": {"ui": {}}, "z": 1}, {"z": 1}, {}),
        ({"dumb": {}}, {}, None),
        ({"dumb": {"a": 1, "ui": None}}, {"dumb": {"a": 1}}, None),
        ({"dumb": {"a": 1, "ui": [1]}}, {"dumb": {"a": 1}}, [1]),
        ({"dumb": [1]}, {"dumb": [1]}, None),
        ({"dumb": None, "ui": {"y": 1}}, {"dumb": None, "ui": {"y": 1}}, None),
        ({"x": {"ui": {"y": 1}}}, {"x": {"ui": {"y": 1}}}, None),
    ],
)
def test_only_the_one_place_is_cut_out(document: Any, config: Any, value: Any) -> None:
    before = orjson.dumps(document)
    found, pages = cut(document)
    assert (found, pages.value) == (config, value)
    assert orjson.dumps(document) == before
    if value is not None:
        back = join(found, pages)
        assert back == document
        if config.get("dumb"):
            assert orjson.dumps(back) == before  # also the order of keys


def test_what_is_shown_copies_the_bytes_of_page_memory() -> None:
    config, pages = cut({"dumb": {"ui": {"x": [1, "ü"]}, "b": 3}})
    text = orjson.dumps(shown(config, pages)).decode()
    assert text == '{"dumb":{"b":3,"ui":{"x":[1,"ü"]}}}'
    assert orjson.dumps(shown(config, NO_PAGES)) == b'{"dumb":{"b":3}}'


def test_objects_are_merged_and_null_forgets() -> None:
    pages = Pages({"a": {"b": 1, "c": [1]}, "d": 2})
    after = pages.merged(Pages({"a": {"c": [2]}, "e": None}))
    assert after.value == {"a": {"b": 1, "c": [2]}, "d": 2, "e": None}
    assert pages.value == {"a": {"b": 1, "c": [1]}, "d": 2}
    assert after.merged(Pages(None)).value is None
    assert NO_PAGES.merged(Pages({"a": 1})).value == {"a": 1}
    odd: Any
    for odd in (1, "x", [], True):
        with pytest.raises(PagesError, match="must be an object"):
            pages.merged(Pages(odd))


def test_the_limits_are_exact() -> None:
    assert NO_PAGES.merged(Pages(sized(MAX_BYTES))).excess == ""
    assert NO_PAGES.merged(Pages(nested(MAX_DEPTH))).excess == ""
    for posted in (sized(MAX_BYTES + 1), {"a": "ü" * (MAX_BYTES // 2)}):
        with pytest.raises(PagesTooLargeError, match="64 KiB"):
            NO_PAGES.merged(Pages(posted))
    for depth in (MAX_DEPTH + 1, 64, 65, 300):  # orjson itself ends at 254
        with pytest.raises(PagesTooLargeError, match="16 levels"):
            NO_PAGES.merged(Pages(nested(depth)))
    # What counts is what pages remember in the end, not what one of them posts.
    half = Pages({"a": "x" * (MAX_BYTES - 100)})
    with pytest.raises(PagesTooLargeError):
        half.merged(Pages({"b": "x" * 100}))
    assert half.merged(Pages({"a": "y"})).value == {"a": "y"}


def test_what_was_larger_before_may_shrink_and_not_grow() -> None:
    large = Pages({"a": "x" * 2 * MAX_BYTES, "b": nested(20)})
    assert large.excess
    assert large.problem == ""
    smaller = large.merged(Pages({"a": "x" * (2 * MAX_BYTES - 1)}))
    assert smaller.excess
    assert large.merged(Pages({"a": "y" * 2 * MAX_BYTES})).excess
    for worse in ({"a": "x" * (2 * MAX_BYTES + 1)}, {"c": 1}, {"b": nested(21), "a": ""}):
        with pytest.raises(PagesTooLargeError):
            large.merged(Pages(worse))
    assert large.merged(Pages({"a": "", "b": 0})).excess == ""


def test_what_cannot_be_shown_says_so() -> None:
    assert "must be an object" in Pages([1]).problem
    assert "64 levels" in Pages(nested(65)).problem
    assert Pages(nested(64)).problem == Pages(None).problem == ""


@pytest.mark.parametrize(
    ("updates", "only"),
    [
        ({"dumb": {"ui": {}}}, True),
        ({"dumb": {"ui": None}}, True),
        ({"dumb": {"ui": {}, "a": 1}}, False),
        ({"dumb": {"ui": {}}, "puid": 1}, False),
        ({"dumb": {}}, False),
        ({"dumb": {"UI": {}}}, False),
        ({"dumb": []}, False),
        ({}, False),
    ],
)
def test_what_is_only_about_page_memory(updates: Any, only: bool) -> None:
    assert is_only_pages(updates) is only


def test_a_file_that_is_too_large_says_how_to_make_it_smaller(tmp_path: Path) -> None:
    path = tmp_path / "dumb_config.json"
    path.write_text(json.dumps({"tz": "UTC", "dumb": {"ui": {"a": "x" * MAX_DOCUMENT}}}))
    with pytest.raises(TooLargeError, match="larger than 10 MiB") as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "'ui' in the object 'dumb'" in str(caught.value)
    guide = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text("utf-8")
    section = guide.split("### A configuration that is too large")[1]
    program = section.split("python3 -c '")[1].split("' /path")[0]
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert load_config(path) == ({"tz": "UTC"}, NO_PAGES)
