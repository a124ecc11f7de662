"""The documents keep up with the code: every setting, every Redis key, every version."""

import inspect
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import typer

from services.cli.app import build
from shared import settings
from shared.bus.keys import Keys
from shared.models.command import ID_PATTERN, Action, CommandStatus
from shared.states import ServiceStatus
from shared.version import VERSION

PROJECT = Path(__file__).resolve().parents[1]


def _text(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def _variables() -> list[str]:
    names = re.findall(r'"((?:DUMB|JWT|REDIS)_[A-Z_]+)"', inspect.getsource(settings))
    return sorted(set(names))


def _key_names() -> list[str]:
    keys = Keys("dumb:")
    names = []
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            names.append(str(getattr(keys, name)))
        elif inspect.isfunction(member) and not name.startswith("_"):
            blanks = ["<>"] * (len(inspect.signature(member).parameters) - 1)
            names.append(str(member(keys, *blanks)).split("<")[0])
    return names


def test_there_are_settings_and_keys() -> None:
    assert "DUMB_HOME" in _variables()
    assert {"dumb:commands", "dumb:service:"} <= set(_key_names())


@pytest.mark.parametrize("variable", _variables())
def test_every_setting_is_documented(variable: str) -> None:
    assert f"`{variable}`" in _text("docs/configuration.md")


@pytest.mark.parametrize("key", _key_names())
def test_every_redis_key_is_documented(key: str) -> None:
    assert f"`{key}" in _text("docs/protocol.md")


def test_the_protocol_names_actions_states_and_the_form_of_ids() -> None:
    text = _text("docs/protocol.md")
    missing = [word for word in (*Action, *CommandStatus, *ServiceStatus) if str(word) not in text]
    assert missing == []
    assert f"`{ID_PATTERN.pattern}`" in text


def _protocol_rows() -> list[tuple[str, bool, str, str]]:
    """Of the table of keys: an example of the name, whether it is a channel, writers, readers."""
    rows = []
    for line in _text("docs/protocol.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `dumb:") and len(cells) == 4:
            for name in re.findall(r"`(dumb:[^`*]+)`", cells[0]):
                example = re.sub(r"<[^>]+>", "x", name)
                rows.append((example, "channel" in cells[1], cells[2].lower(), cells[3].lower()))
    return rows


def _redis_rules() -> dict[str, list[str]]:
    """User to its rules, of deploy/redis/users.acl.in."""
    joined = re.sub(r"\n +", " ", _text("deploy/redis/users.acl.in"))
    found = re.findall(r"^user (\S+) (.*)$", joined, flags=re.MULTILINE)
    return {user: rules.split() for user, rules in found}


@pytest.mark.parametrize("user", ["supervisor", "api", "metrics", "jobs"])
def test_redis_users_may_do_what_the_protocol_says(user: str) -> None:
    """What fails here fails in a container: give the right in deploy/redis/users.acl.in."""
    rules = _redis_rules()[user]

    def may(prefixes: tuple[str, ...], name: str) -> bool:
        patterns = [rule.removeprefix(p) for p in prefixes for rule in rules if rule.startswith(p)]
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    rows = _protocol_rows()
    assert len(rows) > 20
    missing = []
    for name, channel, writers, readers in rows:
        if user in writers and not may(("&",) if channel else ("~",), name):
            missing.append(f"write {name}")
        if user in readers and not may(("&",) if channel else ("~", "%R~"), name):
            missing.append(f"read {name}")
    assert missing == []


def test_one_version() -> None:
    assert tomllib.loads(_text("pyproject.toml"))["project"]["version"] == VERSION
    assert "make run" in _text("README.md")
    assert "make test" in _text("README.md")


def _commands(group: typer.Typer, before: str = "dumb") -> Iterator[tuple[str, str]]:
    """Every command as it is typed: what it belongs to, and its own word."""
    for info in group.registered_commands:
        assert info.callback is not None
        yield before, info.name or info.callback.__name__
    for part in group.registered_groups:
        assert part.typer_instance is not None
        yield from _commands(part.typer_instance, f"{before} {part.name}")


@pytest.mark.parametrize(("group", "word"), list(_commands(build())))
def test_every_command_is_documented(group: str, word: str) -> None:
    rows = [line for line in _text("docs/cli.md").splitlines() if line.startswith("| `dumb ")]
    # In full, or as a word in the row of its group.
    full = any(f"`{group} {word}" in row for row in rows)
    assert full or any(row.startswith(f"| `{group} ") and f"`{word}" in row for row in rows)
