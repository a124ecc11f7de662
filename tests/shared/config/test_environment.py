"""Where overrides come from, and which of them is the strongest (contract config.md 5)."""

from pathlib import Path

import pytest

from shared.config.environment import MAX_FILE_BYTES, parse_env_file, read_variables
from shared.config.pages import config_of

TREE = {"plex": {"port": 32400}, "dumb": {"github_token": "", "log_level": "INFO"}}


def _texts(tmp_path: Path, environ: dict[str, str], *env_files: Path) -> dict[str, str]:
    found = read_variables(config_of(TREE), environ, env_files, tmp_path / "secrets")
    return {name: variable.text for name, variable in found.items()}


def test_from_the_weakest_source_to_the_strongest(tmp_path: Path) -> None:
    name = "DUMB_GITHUB_TOKEN"
    second, first = tmp_path / "second.env", tmp_path / "first.env"
    named, secrets = tmp_path / "named", tmp_path / "secrets"
    second.write_text(f"{name}=second\n")
    assert _texts(tmp_path, {}, first, second)[name] == "second"
    first.write_text(f"{name}=first\n")
    assert _texts(tmp_path, {}, first, second)[name] == "first"
    named.write_text("named\n")
    environ = {f"{name}_FILE": str(named)}
    assert _texts(tmp_path, environ, first, second)[name] == "named"
    environ[name] = "direct"
    assert _texts(tmp_path, environ, first, second)[name] == "direct"
    secrets.mkdir()
    (secrets / name).write_text("docker secret\n")
    assert _texts(tmp_path, environ, first, second)[name] == "docker secret"
    (secrets / name).write_text("\n")
    assert _texts(tmp_path, environ, first, second)[name] == ""


def test_only_secrets_are_read_from_named_files(tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text("1")
    assert "PLEX_PORT" not in _texts(tmp_path, {"PLEX_PORT_FILE": str(named)})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (MAX_FILE_BYTES + 1)])
def test_a_file_that_cannot_be_read_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    named = tmp_path / "named"
    named.write_bytes(content)
    for path in (named, tmp_path, tmp_path / "absent"):
        assert "DUMB_GITHUB_TOKEN" not in _texts(tmp_path, {"DUMB_GITHUB_TOKEN_FILE": str(path)})


def test_blank_values_of_the_environment_and_own_names_are_no_overrides(tmp_path: Path) -> None:
    assert _texts(tmp_path, {"PLEX_PORT": "  ", "DUMB_HOME": "/x", "REDIS_URL": "y"}) == {}


def test_values_do_not_show_in_a_repr(tmp_path: Path) -> None:
    found = read_variables(config_of(TREE), {"DUMB_GITHUB_TOKEN": "s3cret"}, (), tmp_path)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("A=1", {"A": "1"}),
        ("export A = 1 # one", {"A": "1"}),
        ("A='x # y'", {"A": "x # y"}),
        ('A="x y" # z', {"A": "x y"}),
        ("A=#", {"A": ""}),
        ("# A=1", {}),
        ("nonsense", {}),
        ("1A=2", {}),
    ],
)
def test_lines_of_an_env_file(line: str, found: dict[str, str]) -> None:
    assert parse_env_file(line) == found
