"""`dumb config` against a real supervisor: nothing is lost, whatever goes wrong."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from services.cli.config.keys import locate, parse_value
from shared.errors import DumbError
from tests.cli.conftest import Rig
from tests.cli.terminal import OnTerminal

LOG_COUNT = 'sed -i \'s/"log_count": [0-9]*/"log_count": {}/\' "$1"'
SAVED = r"Changed in the file; version \d+\.\n"


def file_of(rig: Rig) -> Any:
    return json.loads(rig.supervisor.config.read_text())


def editor(tmp_path: Path, *steps: str) -> dict[str, str]:
    """An editor that carries out these lines of shell with the file as `$1`."""
    script = tmp_path / "my editor"
    script.write_text("#!/bin/sh\n" + "\n".join(steps) + "\n")
    script.chmod(0o755)
    return {"VISUAL": f"'{script}'", "TMPDIR": str(tmp_path)}


def kept_in(text: str) -> Path:
    found = re.search(r"Your text is kept in (\S+)\. ", " ".join(text.split()))
    assert found is not None, text
    return Path(found[1])


def test_get(rig: Rig) -> None:
    assert rig.says("config", "get", "web.process_name") == "Web Server\n"
    assert rig.says("config", "get", "web.process_name", "--json") == '"Web Server"\n'
    assert json.loads(rig.says("config", "get", "-s", "webserver"))["env"] == {"PLAIN": "shown"}
    assert json.loads(rig.says("config", "get"))["web"]["api_key"] == "***"
    assert rig.says("config", "get", "-s", "Web Server", "api_key", "--reveal") == "k-12345\n"
    masked = rig.dumb("config", "get", "web.api_key")
    assert (masked.stdout, "--reveal" in masked.stderr) == ("***\n", True)
    wrong = rig.refused("config", "get", "web.api_kye")
    assert wrong == "There is no key 'web.api_kye'. Did you mean 'web.api_key'?\n"
    assert "Did you mean 'Web Server'?" in rig.refused("config", "get", "-s", "Wep Server")
    port = rig.dumb("config", "get", "dumb.api_service.port")
    assert "decided by DUMB_API_SERVICE_PORT" in port.stderr or port.stderr == ""


def test_set(rig: Rig) -> None:
    assert re.fullmatch(SAVED, rig.says("config", "set", "dumb.log_size", "12M"))
    assert re.fullmatch(SAVED, rig.says("config", "set", "dumb.log_count", "4"))
    assert rig.says("config", "set", "dumb.log_count", "4") == "It is so already.\n"
    done = rig.dumb("config", "set", "-s", "Web Server", "env", '{"NEW": "-1"}')
    assert re.fullmatch(SAVED, done.stdout)
    assert done.stderr == "Running with old values until: dumb restart 'Web Server'\n"
    tree = file_of(rig)
    assert (tree["dumb"]["log_size"], tree["dumb"]["log_count"]) == ("12M", 4)
    assert tree["web"]["env"] == {"NEW": "-1"}
    assert tree["web"]["api_key"] == "k-12345"
    applied = rig.says("config", "set", "web.env.NEW", "7", "--text", "--apply")
    assert applied.endswith("Web Server: restarted\n")
    memory = rig.dumb("config", "set", "web.env.NEW", "8", "--text", "--memory")
    assert memory.stdout.startswith("Changed in memory; version ")
    assert file_of(rig)["web"]["env"] == {"NEW": "7"}
    assert "in memory only" in rig.dumb("config", "get", "web.env.NEW").stderr


def test_what_set_refuses(rig: Rig) -> None:
    before = rig.supervisor.config.read_bytes()
    broken = rig.refused("config", "set", "web.env", '{"a": ')
    assert "begins like JSON and is none (line 1, column" in broken
    assert "must be a whole number" in rig.refused("config", "set", "dumb.log_count", "many")
    assert "Invalid configuration key" in rig.refused("config", "set", "-s", "Off", "odd", "1")
    assert "in memory alone" in rig.refused("config", "set", "tz", "x", "--memory")
    assert "is no key" in rig.refused("config", "set", "web..x", "1")
    assert rig.dumb("config", "set", "tz").returncode == 2
    assert rig.supervisor.config.read_bytes() == before


def test_edit_keeps_secrets_that_are_masked(rig: Rig, tmp_path: Path) -> None:
    env = editor(tmp_path, 'cp "$1" "$TMPDIR/seen"', 'sed -i \'s/"PLAIN"\\|"NEW"/"X"/\' "$1"')
    done = rig.dumb("config", "edit", "-s", "Web Server", env=env)
    assert re.fullmatch(SAVED, done.stdout), done
    assert json.loads((tmp_path / "seen").read_text())["api_key"] == "***"
    web = file_of(rig)["web"]
    assert (web["api_key"], list(web["env"])) == ("k-12345", ["X"])
    clear = editor(tmp_path, "sed -i 's/k-12345/k-67890/' \"$1\"")
    assert re.fullmatch(SAVED, rig.dumb("config", "edit", "--reveal", env=clear).stdout)
    assert file_of(rig)["web"]["api_key"] == "k-67890"
    assert rig.says("config", "edit", env=editor(tmp_path, "true")) == "Nothing was changed.\n"
    assert list(tmp_path.glob("dumb-config-*")) == []


def test_a_conflict_keeps_the_text(rig: Rig, tmp_path: Path) -> None:
    faster = tmp_path / "faster.py"
    body = {"updates": {"web": {"env": {"FAST": "1"}}}}
    faster.write_text(f"import httpx\nhttpx.post({f'{rig.base}/config'!r}, json={body!r})\n")
    env = editor(tmp_path, f"'{sys.executable}' '{faster}'", LOG_COUNT.format(21))
    refused = rig.refused("config", "edit", env=env)
    assert "It was changed in the meantime" in refused
    kept = kept_in(refused)
    assert json.loads(kept.read_text())["dumb"]["log_count"] == 21
    assert kept.stat().st_mode & 0o777 == 0o600
    assert file_of(rig)["dumb"]["log_count"] != 21


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (["echo '{' > \"$1\""], "This is no JSON, line 2, column 1"),
        (['echo \'{"a": 1, "a": 2}\' > "$1"'], "the key 'a' stands twice"),
        (["echo '[]' > \"$1\""], "This is no JSON object."),
        (["echo '{}' > \"$1\""], "Keys cannot be removed this way: "),
        (['sed -i \'s/"enabled": true/"enabled": 5/\' "$1"'], "must be true or false"),
        (['echo x >> "$1"', "exit 3"], "ended with exit code 3."),
    ],
)
def test_what_is_typed_is_never_lost(
    rig: Rig, tmp_path: Path, steps: list[str], words: str
) -> None:
    before = rig.supervisor.config.read_bytes()
    refused = rig.refused("config", "edit", env=editor(tmp_path, *steps))
    assert words in refused
    assert kept_in(refused).exists()
    assert rig.supervisor.config.read_bytes() == before


def test_editors_that_are_none(rig: Rig, tmp_path: Path) -> None:
    gone = rig.refused("config", "edit", env={"EDITOR": "/nowhere/ed", "TMPDIR": str(tmp_path)})
    assert "The editor '/nowhere/ed' cannot be started" in gone
    assert "ended with exit code 1" in rig.refused(
        "config", "edit", env={"EDITOR": "false", "TMPDIR": str(tmp_path)}
    )
    assert "quotes do not match" in rig.refused("config", "edit", env={"EDITOR": "vi 'x"})
    assert list(tmp_path.glob("dumb-config-*")) == []


def test_a_mistake_is_edited_again(rig: Rig, tmp_path: Path) -> None:
    once = 'if [ -e "$TMPDIR/once" ]; then sed -i "s/ oops//" "$1"; exit; fi; touch "$TMPDIR/once"'
    env = editor(tmp_path, once, LOG_COUNT.format("22 oops"))
    with OnTerminal(rig, "config", "edit", env=env) as screen:
        screen.until("This is no JSON, line .*")
        screen.type("\n")
        assert screen.end() == 0
    assert file_of(rig)["dumb"]["log_count"] == 22


def test_an_interrupted_editor_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    steps = ("trap 'exit 1' INT", 'echo typed >> "$1"', "echo ready", "while :; do sleep 0.1; done")
    with OnTerminal(rig, "config", "edit", env=editor(tmp_path, *steps)) as screen:
        screen.until("ready")
        screen.type("\x03")
        assert screen.end() == 1
    assert kept_in(screen.text).read_text().endswith("typed\n")


def test_versions_and_the_way_back(rig: Rig) -> None:
    rig.says("config", "set", "dumb.log_count", "11")
    rig.says("config", "set", "dumb.log_count", "12")
    listed = json.loads(rig.says("config", "versions", "--json"))
    newest, older = (entry["version"] for entry in listed["versions"][:2])
    assert rig.says("config", "versions").splitlines()[1].split()[-1] == "dumb.log_count"
    assert rig.says("config", "diff") == "dumb.log_count\n  - 11\n  + 12\n"
    assert rig.says("config", "diff", str(newest)) == rig.says("config", "diff")
    assert "say --yes" in rig.refused("config", "restore", str(older))
    text = rig.says("config", "restore", str(older), "--yes")
    assert text == f"The file is as it was in version {older}; this is version {newest + 1}.\n"
    assert file_of(rig)["dumb"]["log_count"] == 11
    with OnTerminal(rig, "config", "restore", str(newest)) as screen:
        screen.until(r"\[y/N\]")
        screen.type("\n")
        screen.until("Nothing was changed.")
        assert screen.end() == 1
    assert "999 is not kept" in rig.refused("config", "diff", "999")


def test_keys_may_hold_dots() -> None:
    tree = {"sonarr": {"instances": {"4K.v2": {"port": 1}, "4K": {}}}}
    assert locate(tree, "sonarr.instances.4K.v2.port") == ("sonarr", "instances", "4K.v2", "port")
    assert locate(tree, "sonarr.instances.4K.new.a") == ("sonarr", "instances", "4K", "new", "a")
    assert locate({}, "a.b") == ("a", "b")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8989", 8989), ("-1.5", -1.5), ("true", True), ("null", None), ('["a"]', ["a"]),
        ('"5"', "5"), ("Europe/Berlin", "Europe/Berlin"), ("", ""), ("NaN", "NaN"), ("-x", "-x"),
    ],
)  # fmt: skip
def test_what_a_value_means(text: str, value: Any) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ['{"a"', "[1,]", '"x', '{"a": NaN}', '{"a": 1, "a": 1}'])
def test_a_value_that_is_half_json(text: str) -> None:
    with pytest.raises(DumbError, match="--text"):
        parse_value(text)
