"""A frontend fills its forms with defaults and posts them: that changes nothing."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from services.supervisor.config_state import restart_required
from services.supervisor.configuration import Author, Configuration, Step
from shared.config.pages import config_of
from shared.config.schema import block_schema, config_rules, config_schema, service_rules
from shared.config.services import walk_services
from tests.config.conftest import DUMB, SERVICES
from tests.config.forms import filled
from tests.config.test_masks import ORIGINAL, SAMPLE

AUTHOR = Author("me", "api")
OURS: dict[str, Any] = {**SERVICES, "dumb": DUMB}
FILES = {
    "ours": OURS,
    **{
        name: json.loads(path.read_bytes())
        for name, path in (("original", ORIGINAL), ("sample", SAMPLE))
        if path.exists()
    },
}


class Posted:
    """A configuration over a file of its own, all services of which run."""

    def __init__(self, tmp_path: Path, tree: Any) -> None:
        self.path = tmp_path / "dumb_config.json"
        self.path.write_text(json.dumps(tree))
        self.config = Configuration(self.path, tmp_path / "run", {}, tmp_path)
        self.config.load()

    @property
    def file(self) -> Any:
        return json.loads(self.path.read_bytes())

    def post(self, name: str | None, updates: Any, *, persist: bool = True) -> list[str]:
        """Make a change and put it in force; who has to be restarted."""
        before = self.config.services()
        running = frozenset(service.process_name for service in before)
        args: dict[str, Any] = {"op": "global", "updates": updates}
        if name is not None:
            args |= {"op": "service", "process_name": name, "persist": persist}
        step: Step = self.config.change(args, AUTHOR, running)
        self.config.adopt(step)
        return restart_required(before, step.state, running, False)


def _no_defaults(schema: Any, at: str = "") -> list[str]:
    """Paths of schemas with a `default`; a property may be called so."""
    if not isinstance(schema, dict):
        return []
    found = [at] if "default" in schema else []
    for key, item in schema.items():
        inner = item.items() if key == "properties" else [("", item)]
        parts = item if isinstance(item, list) else None
        for name, part in inner if parts is None else enumerate(parts):
            found += _no_defaults(part, f"{at}/{key}/{name}")
    return found


def test_schemas_for_forms_have_no_default() -> None:
    assert _no_defaults(config_rules()) != []
    assert _no_defaults(config_schema()) == []
    level = config_schema()["properties"]["dumb"]["properties"]["log_level"]
    assert level["description"] == "Level of the main log (default: INFO)"
    wait = block_schema(("web",), "web")["properties"]["start_timeout"]
    assert wait["description"].endswith("(seconds; default: 120)")


# Ajv 8 as it comes, in its strict mode: what else a schema holds, it refuses to compile.
KNOWN = {
    "$schema", "title", "description", "type", "properties", "additionalProperties", "items",
    "required", "enum", "oneOf", "minimum", "maximum", "minItems", "maxItems", "uniqueItems",
    "minLength", "maxLength", "pattern", "examples", "writeOnly",
}  # fmt: skip


def _keywords(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_keywords, schema))
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for key in ("items", "additionalProperties", "oneOf"):
        found |= _keywords(schema.get(key))
    return found.union(*map(_keywords, schema.get("properties", {}).values()))


def test_schemas_hold_what_a_strict_validator_knows() -> None:
    assert _keywords(config_schema()) <= KNOWN
    assert config_schema()["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert block_schema(("web",), "web")["$schema"] == config_schema()["$schema"]


@pytest.mark.parametrize("persist", [True, False])
@pytest.mark.parametrize("tree", FILES.values(), ids=FILES)
def test_a_block_with_its_defaults_is_no_change(tmp_path: Path, tree: Any, persist: bool) -> None:
    desk = Posted(tmp_path, tree)
    bytes_before, version = desk.path.read_bytes(), desk.config.version
    added = 0
    for service in walk_services(config_of(tree)):
        for schema in (
            block_schema(service.path, service.config_key),
            service_rules(service.config_key),  # what a page that is still open was given before
        ):
            whole = filled(service.block, schema)
            added += len(whole) - len(service.block)
            assert desk.post(service.process_name, whole, persist=persist) == []
    assert added > 20
    assert (desk.path.read_bytes(), desk.config.version) == (bytes_before, version)


@pytest.mark.parametrize("tree", FILES.values(), ids=FILES)
def test_a_document_with_its_defaults_is_no_change(tmp_path: Path, tree: Any) -> None:
    desk = Posted(tmp_path, tree)
    before, version = desk.path.read_bytes(), desk.config.version
    for schema in (config_schema(), config_rules()):
        posted = filled(tree, schema)
        # Entries of auto_restart inherit: what is absent there has no default of its own.
        assert desk.post(None, posted) == []
    assert (desk.path.read_bytes(), desk.config.version) == (before, version)


@pytest.mark.parametrize("tree", FILES.values(), ids=FILES)
def test_one_edited_key_writes_one_key(tmp_path: Path, tree: Any) -> None:
    desk = Posted(tmp_path, tree)
    for service in walk_services(config_of(tree)):
        if "command" not in service.block:
            continue
        whole = filled(service.block, service_rules(service.config_key))
        edited = {**whole, "command": ["another", "program"]}
        expected = copy.deepcopy(desk.file)
        block = expected
        for key in service.path:
            block = block[key]
        block["command"] = ["another", "program"]
        assert desk.post(service.process_name, edited) == [service.process_name]
        assert desk.file == expected


WEB: dict[str, Any] = {
    "web": {
        "process_name": "Web",
        "enabled": False,
        "command": ["x"],
        "log_level": "DEBUG",
        "auto_update": None,
        "note": 1,
        "health": {"readiness": {"kind": "http", "port": 80}},
        "wait_for_tcp": [{"host": "a", "port": 1}, {"host": "b", "port": 2, "timeout": 2}],
    },
    "named": {"process_name": "Named", "command": ["x", "--level={log_level}"]},
    "base": {"process_name": "Base", "env": {"H": "{postgres_host}"}},
    "postgres": {"process_name": "PostgreSQL", "command": []},
    "dumb": {"auto_restart": {"max_restarts": 9, "services": [{"process_name": "Web"}]}},
}
HTTP = {"kind": "http", "port": 80}


@pytest.mark.parametrize(
    ("name", "updates"),
    [
        ("Web", {"suppress_logging": False, "env": {}, "host": "127.0.0.1", "config_file": ""}),
        ("Web", {"port": None, "start_timeout": 120, "depends_on": {}, "restart": "auto"}),
        ("Web", {"start_timeout": 120.0}),
        ("Web", {"auto_update": False}),  # null stands there, which is missing
        ("Web", {"health": {"readiness": {**HTTP, "path": "/", "method": "GET"}}}),
        ("Web", {"health": {"start_period": 0, "readiness": {**HTTP, "failure_threshold": 1}}}),
        (
            "Web",
            {
                "wait_for_tcp": [
                    {"host": "a", "port": 1, "timeout": 2},
                    {"host": "b", "port": 2, "timeout": 2},
                ]
            },
        ),
        (None, {"dumb": {"startup": {"stabilization_seconds": 15}}}),
        (None, {"dumb": {"auto_restart": {"enabled": False, "window_seconds": 300}}}),
        (None, {"puid": 0, "tz": "", "seerr_sync": {"enabled": False}}),
        (None, {"web": {"suppress_logging": False, "env": {}}}),
    ],
)
def test_what_is_in_force_anyway_is_no_change(
    tmp_path: Path, name: str | None, updates: Any
) -> None:
    desk = Posted(tmp_path, WEB)
    before, version = desk.path.read_bytes(), desk.config.version
    for persist in (True, False):
        assert desk.post(name, updates, persist=persist) == []
    assert (desk.path.read_bytes(), desk.config.version) == (before, version)
    assert desk.config.state.patches == {}


@pytest.mark.parametrize(
    ("name", "updates", "place"),
    [
        # A key that stands in the file is written, to its default as well.
        ("Web", {"log_level": "INFO"}, "web.log_level"),
        ("Web", {"log_level": None}, "web.log_level"),
        ("Web", {"note": None}, "web.note"),
        # Another value than the one in force.
        ("Web", {"suppress_logging": True}, "web.suppress_logging"),
        ("Web", {"suppress_logging": True, "host": "127.0.0.1"}, "web.suppress_logging"),
        ("Web", {"env": {"A": None}}, "web.env"),
        ("Web", {"start_timeout": 121}, "web.start_timeout"),
        ("Web", {"stop_signal": "SIGTERM"}, "web.stop_signal"),  # PostgreSQL's is another
        ("Web", {"health": {"readiness": HTTP | {"path": "/x"}}}, "web.health"),
        ("Web", {"health": {"readiness": {"kind": "tcp", "port": 80}}}, "web.health"),
        ("Web", {"wait_for_tcp": [{"host": "b", "port": 2, "timeout": 2}]}, "web.wait_for_tcp"),
        # A placeholder that nothing fills would be filled.
        ("Named", {"log_level": "INFO"}, "named.log_level"),
        ("PostgreSQL", {"host": "127.0.0.1"}, "postgres.host"),
        # An entry of auto_restart inherits from the block above it: 3 is not in force, 9 is.
        (
            None,
            {"dumb": {"auto_restart": {"services": [{"process_name": "Web", "max_restarts": 3}]}}},
            "dumb.auto_restart.services",
        ),
        (None, {"dumb": {"api_service": {"log_level": "INFO"}}}, "dumb.api_service.log_level"),
        (None, {"altmount": {"process_name": "A", "enabled": False}}, "altmount"),
        (None, {"puid": 1000}, "puid"),
        (None, {"data_root": "/data"}, "data_root"),
    ],
)
def test_a_real_change_is_written_as_it_was_posted(
    tmp_path: Path, name: str | None, updates: Any, place: str
) -> None:
    desk = Posted(tmp_path, WEB)
    version = desk.config.version
    desk.post(name, updates)
    keys = place.split(".")
    posted, found = updates, desk.file
    for key in keys:
        found = found[key]
    for key in keys[-1:] if name else keys:
        posted = posted[key]
    assert found == posted
    assert desk.config.version == version + 1
    assert len(desk.config.history.records[-1].changes) == 1


def test_a_file_edited_to_its_defaults_asks_for_no_restart(tmp_path: Path) -> None:
    desk = Posted(tmp_path, WEB)
    before = desk.config.services()
    running = frozenset(service.process_name for service in before)
    for extra, expected in (
        ({"suppress_logging": False, "env": {}, "branch": "main"}, []),
        ({"env": {"A": "1"}}, ["Web"]),
    ):
        desk.path.write_text(json.dumps({**WEB, "web": {**WEB["web"], **extra}}))
        step = desk.config.reload(AUTHOR)
        assert restart_required(before, step.state, running, False) == expected


def test_a_default_in_memory_goes_back_to_the_file(tmp_path: Path) -> None:
    desk = Posted(tmp_path, WEB)
    desk.post("Web", {"suppress_logging": True}, persist=False)
    assert desk.post("Web", {"suppress_logging": False}, persist=False) == ["Web"]
    assert desk.config.effective["web"]["suppress_logging"] is False
    assert "suppress_logging" not in desk.file["web"]
