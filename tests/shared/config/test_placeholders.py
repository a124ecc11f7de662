"""`{field}` in commands and environment values: contract config.md 4."""

import copy

import pytest

from shared.config.placeholders import fill, fill_command, fill_env, global_fields

TREE = {
    "puid": 1000,
    "pgid": 0,
    "tz": "UTC",
    "data_root": "/data",
    "dumb": {"api_service": {}},
    "postgres": {"host": "127.0.0.1", "port": 5432, "user": "DUMB", "password": "p w"},
}
GLOBALS = global_fields(TREE, python="/bin/python3", project="/p", dumb_home="/home/d")
BLOCK = {
    "port": 8080,
    "config_dir": "{dumb_home}/x",
    "enabled": True,
    "loop": "{loop}",
    "none": None,
    "tree": {},
    "puid": 7,
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("--port={port}", "--port=8080"),
        ("{python} {project} {dumb_home}", "/bin/python3 /p /home/d"),
        ("{puid}:{pgid}:{tz}", "7:0:UTC"),
        ("{config_dir}/y", "/home/d/x/y"),
        ("{enabled}", "true"),
        ("{loop}", "{loop}"),
        ("{unknown} {none} {tree} {dumb}", "{unknown} {none} {tree} {dumb}"),
        ('{"port": 1} {} {0} { port }', '{"port": 1} {} {0} { port }'),
        ("{{port}}", "{8080}"),
    ],
)
def test_text(text: str, filled: str) -> None:
    assert fill(text, BLOCK, GLOBALS) == filled


def test_trees_are_copied_and_the_original_stays() -> None:
    value = {"a": ["{port}", 1, None, True], "{port}": {"b": "{port}"}}
    before = copy.deepcopy(value)
    assert fill(value, BLOCK, GLOBALS) == {"a": ["8080", 1, None, True], "{port}": {"b": "8080"}}
    assert value == before


def test_environment_values_become_text_and_a_dollar_leaves_one_alone() -> None:
    env = {"PORT": "{port}", "N": 5, "B": False, "NONE": None, "PATH": "/x/{port}:${PATH}"}
    assert fill_env(env, BLOCK, GLOBALS) == {
        "PORT": "8080",
        "N": "5",
        "B": "false",
        "NONE": "",
        "PATH": "/x/{port}:${PATH}",
    }


def test_commands_are_split_before_they_are_filled() -> None:
    text = "psql --pw={postgres_password} 'a b' {port}"
    assert fill_command(text, BLOCK, GLOBALS) == ["psql", "--pw=p w", "a b", "8080"]
    assert fill_command(["x", "$HOME {port}"], BLOCK, GLOBALS) == ["x", "$HOME 8080"]
    assert fill_command(None, BLOCK, GLOBALS) == []
    with pytest.raises(ValueError, match="quotation"):
        fill_command("'open", BLOCK, GLOBALS)
