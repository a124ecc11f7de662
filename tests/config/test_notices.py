"""Options that do nothing here are named, and so are keys that nothing uses."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from shared.config.built import SERVICE, TOP, WORKS_SERVICE, WORKS_TOP, NotBuilt, known_row
from shared.config.notices import OLD_MAIN, Notice, notices, summary_of
from shared.config.pages import Config, config_of
from shared.config.schema import known_keys_at
from shared.config.services import walk_services

PROJECT: Final = Path(__file__).resolve().parents[2]
ORIGINAL: Final = PROJECT.parent / "shared" / "reference" / "original-dumb_config.json"
SAMPLE: Final = PROJECT / "dumb_config.json"


def original() -> Config:
    if not ORIGINAL.exists():
        pytest.skip("the original's default file is not beside the project")
    return config_of(json.loads(ORIGINAL.read_bytes()))


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of a file, service blocks left out."""
    if not isinstance(tree, dict) or not tree:
        yield path
    elif "process_name" not in tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, key))


def test_every_key_of_the_original_has_a_row() -> None:
    tree = original()
    missing = [p for p in leaves(tree) if known_row(p, in_service=False) is None]
    for service in walk_services(tree):
        missing += [
            (*service.path, key)
            for key in service.block
            if known_row((key,), in_service=True) is None
        ]
    assert missing == []


def test_no_key_both_works_and_does_not() -> None:
    assert not set(TOP) & WORKS_TOP
    assert not set(SERVICE) & WORKS_SERVICE
    for table in (TOP, SERVICE):
        for row in table.values():
            assert bool(row.means) is not bool(row.gate)
            assert not row.gate or row.gate in table or row.gate in WORKS_SERVICE


def test_the_document_names_what_is_not_built() -> None:
    text = (PROJECT / "docs" / "migrating.md").read_text(encoding="utf-8")
    section = text.partition("## Options that are not built\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, flags=re.MULTILINE)
    expected = {
        **{name: row.means for name, row in TOP.items() if row.means},
        **{f"<service>.{name}": row.means for name, row in SERVICE.items() if row.means},
    }
    assert dict(rows) == expected


def test_the_original_s_defaults_are_no_flood() -> None:
    found = notices(original())
    assert all(not notice.built for notice in found)
    names = {notice.name for notice in found}
    assert {"dumb.media_protection.enabled", "dumb.ffprobe_monitor.enabled"} <= names
    assert len(found) <= 5, names
    assert "\n" not in summary_of(found)


def test_the_sample_is_silent() -> None:
    assert notices(config_of(json.loads(SAMPLE.read_bytes()))) == []


def block(**keys: Any) -> dict[str, Any]:
    return {"enabled": True, "process_name": "Mine", "command": ["mine"], **keys}


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ({"dumb": {"media_protection": {"enabled": True}}}, ["dumb.media_protection.enabled"]),
        ({"dumb": {"media_protection": {"enabled": False, "monitor_interval_seconds": 9}}}, []),
        ({"dumb": {"metrics": {"plex_status": {"enabled": True}}}},
         ["dumb.metrics.plex_status.enabled"]),
        ({"plex": block(auto_update=True, auto_update_interval=5)}, ["plex.auto_update"]),
        ({"plex": block(auto_update=True, enabled=False)}, []),
        ({"plex": block(dbrepair={"enabled": True})}, ["plex.dbrepair.enabled"]),
        ({"plex": block(dbrepair={"enabled": False})}, []),
        ({"sonarr": {"instances": {"A": block(commit_sha="abc")}}},
         ["sonarr.instances.A.commit_sha"]),
        ({"cloudflared": block(tunnel_token="t")}, ["cloudflared.tunnel_token"]),
        ({"cloudflared": block(tunnel_token="t", env={"TOKEN": "{tunnel_token}"})}, []),
        ({"dumb": {"frontend": block(log_level="DEBUG")}}, ["dumb.frontend.log_level"]),
        ({"dumb": {"api_service": {"process_name": "A", "enabled": True, "log_level": "x"}}}, []),
    ],
)  # fmt: skip
def test_what_is_on_and_not_built(tree: dict[str, Any], names: list[str]) -> None:
    found = notices(config_of(tree))
    assert [notice.name for notice in found] == names
    assert all("not built here: " in notice.message for notice in found)


@pytest.mark.parametrize(
    ("tree", "name", "near"),
    [
        ({"mine": block(prot=1)}, "mine.prot", "port"),
        ({"mine": block(statr_timeout=1)}, "mine.statr_timeout", "start_timeout"),
        ({"plex": block(comand="x")}, "plex.comand", "command"),
        ({"dumb": {"auto_restrat": {}}}, "dumb.auto_restrat", "auto_restart"),
        ({"dumb": {"auto_restart": {"max_restart": 1}}}, "dumb.auto_restart.max_restart",
         "max_restarts"),
        ({"dumb": {"startup": {"readiness_timeout": 1}}}, "dumb.startup.readiness_timeout",
         "readiness_timeout_seconds"),
        ({"dumb": {"metrics": {"storage": {"migrate_json": True}}}},
         "dumb.metrics.storage.migrate_json", "migrate_jsonl"),
        ({"seerr_sync": {"poll_interval": 9}}, "seerr_sync.poll_interval", "poll_interval_seconds"),
        ({"sonar": {"x": 1}}, "sonar", "sonarr"),
        ({"mine": block(zzzzzz=1)}, "mine.zzzzzz", ""),
    ],
)  # fmt: skip
def test_unknown_keys_are_named_with_the_nearest_one(
    tree: dict[str, Any], name: str, near: str
) -> None:
    (found,) = notices(config_of(tree))
    assert (found.name, found.built) == (name, True)
    assert found.message.endswith(f"Did you mean '{near}'?" if near else "uses it.")


def test_a_key_of_one_s_own_that_the_command_uses_is_known() -> None:
    tree = {"mine": block(color="red", command=["mine", "--color={color}"])}
    assert notices(config_of(tree)) == []


def test_a_value_of_the_root_that_a_service_names_is_known() -> None:
    command = ["mine", "{media_root}/films"]
    tree = {"media_root": "/mnt", "media_rot": "/mnt", "mine": block(command=command)}
    assert [n.name for n in notices(config_of(tree))] == ["media_rot"]


def test_every_documented_field_is_known_in_any_block() -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    table = text.partition("### Fields of a service\n")[2].partition("\n| Config key")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    names = [name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)]
    assert len(names) > 20
    assert set(names) <= set(known_keys_at(("mine",)))


def test_an_old_file_of_dmb_is_told_so() -> None:
    tree = {"dmb": {"api_service": block(), "log_level": "INFO"}}
    assert [(n.name, n.message) for n in notices(config_of(tree))] == [("dmb", OLD_MAIN)]


def test_old_names_are_told_so() -> None:
    found = notices(config_of({"dmb": {}, "nzbdav": block(zzz=1), "huntarr": {}}))
    assert [n.name for n in found] == ["dmb", "nzbdav", "huntarr"]
    assert found[1].message == "the old name of 'infinidysk': rename it to that"
    assert summary_of(found).startswith(f"'dmb' is {OLD_MAIN}; 'nzbdav' is the old name of")


def test_one_line_sums_up() -> None:
    many = [Notice((f"s{n}", "auto_update"), "x", built=False) for n in range(30)]
    typos = [Notice((f"k{n}",), "x") for n in range(7)]
    assert summary_of([]) == ""
    assert summary_of(many) == "options that are on and not built here: auto_update"
    assert summary_of(typos) == "keys that nothing uses: k0, k1, k2, k3, k4 and 2 more"


@pytest.mark.parametrize("value", [None, "", 0, False, [], {}, 5])
def test_values_that_ask_for_nothing(value: Any) -> None:
    assert not NotBuilt("x", off=(5,)).is_on(value)


def test_values_that_ask_for_something() -> None:
    assert NotBuilt("x", off=(True,)).is_on(False)
    assert not NotBuilt("x", off=(True,)).is_on(True)
    assert not NotBuilt("x", off=(True,)).is_on(None)
    assert NotBuilt("x", off=(1,)).is_on(True)
    assert not NotBuilt(gate="y").is_on("on")
