"""Loading and saving the file: what is refused, and with which place."""

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from shared.config.document import MAX_BYTES, load_document, save_document
from shared.errors import ConfigError


def write(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "dumb_config.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_an_object_is_loaded_in_key_order_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    text = '{"z": 1, "a": {"ü": [1.5, null, true, "😀"]}}'
    expected = {"z": 1, "a": {"ü": [1.5, None, True, "😀"]}}
    assert load_document(write(tmp_path, text)) == expected
    loaded = load_document(write(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert loaded == expected
    assert list(loaded) == ["z", "a"]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('{\n  "a": 1,\n  b: 2\n}', 3, "column 3"),
        ("", 1, "column 1"),
        ('{"a": 1} x', 1, "column 10"),
        ('{\n "a": 1,\n "b": {"a": 2},\n "c": 3,\n "c": 4}', 5, "'c' stands twice"),
        ('{"a": {"b": 1}, "b": 1, "a": 1, "c": {"a": 0}}', None, "'a' stands twice"),
        ('{"a": NaN}', None, "NaN is not JSON"),
        ('{"a": -Infinity}', None, "-Infinity is not JSON"),
        ('{"a": 1e999}', None, "too large"),
        ('{"a": 99999999999999999999}', None, "64 bits"),
        ('{"a": ' + "9" * 100_000 + "}", None, "64 bits"),
        ('{"a": "\\ud800"}', None, "surrogate"),
        (b'{\n"a": "\xff"}', 2, "not UTF-8 (column 7)"),
        ("[1]", None, "one JSON object"),
        ('"x"', None, "one JSON object"),
        ("[" * 200_000, None, "nested too deeply"),
        (b" " * (MAX_BYTES + 1), None, "larger than 10 MiB"),
    ],
)
def test_bad_files_are_refused_with_file_and_place(
    tmp_path: Path, content: bytes | str, line: int | None, words: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        load_document(path)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")


def test_a_missing_file_and_a_directory_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_document(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="directory"):
        load_document(tmp_path)


def test_saving_and_loading_gives_the_same_tree_in_the_same_order(tmp_path: Path) -> None:
    tree: dict[str, Any] = {"z": 1, "a": {"ü": [1.5, None, True, "😀"]}}
    path = tmp_path / "dumb_config.json"
    save_document(path, tree)
    assert list(load_document(path).items()) == list(tree.items())
    assert path.read_text().startswith('{\n    "z": 1,\n    "a"')
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["dumb_config.json"]  # noqa: PTH208


def test_saving_keeps_mode_owner_and_a_symbolic_link(tmp_path: Path) -> None:
    path = write(tmp_path, "{}")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    before = path.stat()
    link = tmp_path / "link.json"
    link.symlink_to(path)
    save_document(link, {"a": 1})
    after = path.stat()
    assert link.is_symlink()
    assert load_document(path) == {"a": 1}
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800"])
def test_what_is_no_json_is_not_written(tmp_path: Path, value: object) -> None:
    path = write(tmp_path, '{"old": 1}')
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        save_document(path, {"a": value})
    assert json.loads(path.read_text()) == {"old": 1}


def test_a_file_that_is_a_mount_point_says_to_mount_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_source: str, _target: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    path = write(tmp_path, '{"old": 1}')
    monkeypatch.setattr(os, "replace", busy)
    with pytest.raises(ConfigError, match="mount its directory"):
        save_document(path, {"a": 1})
    assert os.listdir(tmp_path) == ["dumb_config.json"]  # noqa: PTH208
    assert load_document(path) == {"old": 1}


def test_a_missing_directory_is_an_error_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none/c\.json: cannot be saved: No such file"):
        save_document(tmp_path / "none" / "c.json", {})
