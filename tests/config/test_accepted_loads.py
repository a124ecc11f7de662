"""Whatever update is accepted, the next supervisor loads it; what is refused changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.supervisor.config_change import RefusedError
from services.supervisor.configuration import Author, Configuration
from shared.config.document import MAX_BYTES
from shared.config.trees import same
from shared.models.config_change import Refusal
from tests.config.test_page_memory import PAGES, SCALARS, TREES

AUTHOR = Author("somebody", "redis")
START: dict[str, Any] = {
    "dumb": {"log_level": "INFO", "ui": {"a": {"b": 1}}},
    "web": {"process_name": "Web", "enabled": False, "note": 0, "env": {"A": "1"}},
    "sonarr": {"instances": {"Default": {"process_name": "Sonarr", "port": 8989}}},
    "extra": {"anything": 1},
}
# What a sender of JSON may write and a file may not hold: `orjson` reads both.
NUMBERS = st.sampled_from([2**63, 2**64 - 1, -(2**63), 1e308])
VALUES = TREES | SCALARS | NUMBERS


def _deep(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = {"x": value}
    return value


ANY = VALUES | st.builds(_deep, VALUES, st.integers(50, 70))
SERVICE = st.fixed_dictionaries(
    {
        "op": st.just("service"),
        "process_name": st.sampled_from(["Web", "Sonarr"]),
        "updates": st.dictionaries(
            st.sampled_from(
                ["note", "env", "command", "port", "enabled", "process_name", "health"]
            ),
            ANY,
            max_size=3,
        ),
        "persist": st.booleans(),
    }
)
GLOBAL = st.fixed_dictionaries(
    {
        "op": st.just("global"),
        "updates": st.dictionaries(
            st.sampled_from(["extra", "web", "sonarr", "plex", "tz", "puid", "dumb"]),
            ANY,
            max_size=3,
        )
        | st.builds(lambda ui: {"dumb": {"ui": ui}}, PAGES | ANY)
        | st.builds(lambda ui, x: {"dumb": {"ui": ui}, "extra": x}, PAGES, ANY),
    }
)
RESTORE = st.fixed_dictionaries({"op": st.just("restore"), "version": st.integers(0, 6)})


def attempt(config: Configuration, args: Any) -> RefusedError | None:
    """Make a change and put it in force, or say why not."""
    try:
        config.adopt(config.change(args, AUTHOR, frozenset()))
    except RefusedError as error:
        return error
    return None


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(updates=st.lists(SERVICE | GLOBAL | RESTORE, max_size=4))
def test_any_accepted_update_loads(tmp_path: Path, updates: Any) -> None:
    path, run = tmp_path / "dumb_config.json", tmp_path / "run"
    for old in (run / "config.versions").glob("*"):
        old.unlink()
    path.write_text(json.dumps(START))
    config = Configuration(path, run, {}, tmp_path)
    config.load()
    for args in updates:
        before = (path.read_bytes(), config.state, config.pages, config.version)
        refusal = attempt(config, args)
        if refusal is not None:
            assert refusal.refusal is not Refusal.UNAVAILABLE, refusal
            assert (path.read_bytes(), config.state, config.pages, config.version) == before
            continue
        successor = Configuration(path, tmp_path / "other", {}, tmp_path)
        successor.load()
        assert successor.problem == ""
        assert same(successor.file, config.file)
        assert same(successor.pages.value, config.pages.value)
        # Its versions, those in memory included, can be restored by a successor.
        known = Configuration(path, run, {}, tmp_path)
        known.load()
        newest = {record.version: record.tree for record in known.history.records}
        assert all(same(newest[r.version], r.tree) for r in config.history.records)


@pytest.mark.parametrize("persist", [True, False])
def test_a_file_that_nobody_could_read_is_never_written(tmp_path: Path, persist: bool) -> None:
    """Five posts of 4 MiB each were a file of 21 MB."""
    path = tmp_path / "dumb_config.json"
    path.write_text(
        json.dumps({**START, "web": {**START["web"], **{f"n{i}": 0 for i in range(5)}}})
    )
    config = Configuration(path, tmp_path / "run", {}, tmp_path)
    config.load()
    refused = 0
    for number in range(4):
        value = "x" * (4 << 20) if number < 3 else ["1"] * 150_000  # longer with its indentation
        updates = {f"n{number}": value}
        args = {"op": "service", "process_name": "Web", "persist": persist, "updates": updates}
        before = (path.read_bytes(), config.state, config.version)
        refusal = attempt(config, args)
        if refusal is not None:
            refused += 1
            assert refusal.refusal is Refusal.TOO_LARGE
            assert "10 MiB is the limit" in str(refusal)
            assert (path.read_bytes(), config.state, config.version) == before
    assert refused == 2
    assert path.stat().st_size <= MAX_BYTES
    successor = Configuration(path, tmp_path / "run", {}, tmp_path)
    successor.load()
    assert successor.problem == ""


def test_a_file_that_an_older_version_wrote_too_large_says_how_to_repair_it(tmp_path: Path) -> None:
    path = tmp_path / "dumb_config.json"
    path.write_text(json.dumps(START))
    first = Configuration(path, tmp_path / "run", {}, tmp_path)
    first.load()
    tree = {**START, "dumb": {"ui": {str(n): "x" * (4 << 20) for n in range(5)}}}
    path.write_text(json.dumps(tree))
    second = Configuration(path, tmp_path / "run", {}, tmp_path)
    second.load()  # the last good version goes on
    assert "larger than 10 MiB" in second.problem
    assert "'ui' in the object 'dumb'" in second.problem
    assert second.file["web"] == START["web"]
    with pytest.raises(RefusedError, match="repair it first") as caught:
        second.change({"op": "global", "updates": {"tz": "UTC"}}, AUTHOR, frozenset())
    assert caught.value.refusal is Refusal.CONFLICT
