"""From a service block to a launch: resolved paths, environments, users, and plain sentences."""

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from services.supervisor import spawn
from services.supervisor.spawn import (
    LaunchError,
    build_spec,
    configured_ports,
    make_beside_others,
    probe_host,
)
from tests.supervisor.blocks import around, service, spec_of


def script(path: Path, mode: int = 0o755) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


# -- commands ------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [None, "", [], [""], "   "])
def test_no_command_is_said_plainly(tmp_path: Path, command: Any) -> None:
    with pytest.raises(LaunchError, match="'Web UI' has no command: set 'command' in its block"):
        spec_of(tmp_path, command=command)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-program-anywhere"], "was not found on PATH: no-such-program-anywhere"),
        (["/no/such/file"], "was not found: /no/such/file"),
        (["bin/tool"], "was not found: "),
        ("say 'hello", "is malformed: No closing quotation"),
        (["sh", "a\0b"], "contains a NUL character"),
        (["/"], "is not executable: /"),
    ],
)
def test_impossible_commands(tmp_path: Path, command: Any, words: str) -> None:
    with pytest.raises(LaunchError, match="command of 'Web UI'") as error:
        spec_of(tmp_path, command=command)
    assert words in str(error.value)
    assert str(error.value).endswith(".")


def test_a_file_without_the_x_bit_is_not_executable(tmp_path: Path) -> None:
    path = script(tmp_path / "tool", 0o644)
    with pytest.raises(LaunchError, match=f"is not executable: {path}"):
        spec_of(tmp_path, command=[str(path)])


def test_a_string_is_split_as_a_shell_does(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, command="""sh -c 'echo "a b"' x\\ y""")
    assert spec.argv[0].endswith("/sh")
    assert Path(spec.argv[0]).is_absolute()
    assert spec.argv[1:] == ("-c", 'echo "a b"', "x y")


def test_a_relative_program_lies_below_its_directory(tmp_path: Path) -> None:
    script(tmp_path / "tool")
    assert spec_of(tmp_path, command=["./tool"], config_dir=str(tmp_path)).argv == (
        str(tmp_path / "tool"),
    )


def test_the_path_of_the_service_counts(tmp_path: Path) -> None:
    tool = script(tmp_path / "tool")
    spec = spec_of(tmp_path, command=["tool"], env={"PATH": str(tmp_path)})
    assert spec.argv == (str(tool),)


# -- directories ---------------------------------------------------------------------------


def test_a_missing_directory_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"The config_dir /no/such does not exist or is no dir"):
        spec_of(tmp_path, config_dir="/no/such")


def test_a_relative_directory_is_made_below_home(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, config_dir="demo/files")
    assert spec.cwd == tmp_path / "demo/files"
    assert spec.cwd.is_dir()
    assert spec_of(tmp_path).cwd == tmp_path


def test_a_new_instance_gets_its_directory_beside_the_others(tmp_path: Path) -> None:
    others = tmp_path / "sonarr"
    block = {"config_dir": str(others / "anime")}
    make_beside_others(service(**block), around(tmp_path))
    assert not others.exists()
    others.mkdir()
    for _ in range(2):  # the second time it is there
        make_beside_others(service(**block), around(tmp_path))
        assert (others / "anime").is_dir()
    make_beside_others(service(config_dir="/dumb-no-such"), around(tmp_path))
    assert not Path("/dumb-no-such").exists()
    (others / "file").touch()
    make_beside_others(service(config_dir=str(others / "file")), around(tmp_path))
    assert (others / "file").is_file()


def test_a_relative_directory_that_is_a_file_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(LaunchError, match="taken"):
        spec_of(tmp_path, config_dir="taken")
    with pytest.raises(LaunchError, match="taken/below"):
        spec_of(tmp_path, config_dir="taken/below")


# -- environment and placeholders ----------------------------------------------------------


def test_the_environment_is_merged_without_our_secrets(tmp_path: Path) -> None:
    inherited = {
        "LANG": "C",
        "KEEP": "old",
        "REDIS_URL": "redis://secret",
        "DUMB_REDIS_PREFIX": "x",
        "DUMB_JWT_SECRET": "s",
        "DUMB_SETUP_CODE": "c",
        "DUMB_SETUP_CODE_FILE": "/f",
        "DUMB_INSTANCE": "parent",
        "DUMB_HOME": "/h",
    }
    web = service(command=["sh"], env={"KEEP": "new", "N": 5, "ON": True, "NO": None, "F": 1.5})
    env = build_spec(web, around(tmp_path, inherited)).env
    assert (env["LANG"], env["KEEP"], env["DUMB_HOME"]) == ("C", "new", "/h")
    assert (env["N"], env["ON"], env["NO"], env["F"]) == ("5", "true", "", "1.5")
    kept = {"LANG", "KEEP", "DUMB_HOME"}
    assert not (inherited.keys() - kept) & env.keys()


@pytest.mark.parametrize("env", [{"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "x\0"}])
def test_an_impossible_variable_is_said_plainly(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(LaunchError, match="'Web UI' has an impossible env entry"):
        spec_of(tmp_path, env=env)


def test_placeholders_are_filled_in_a_copy(tmp_path: Path) -> None:
    block: dict[str, Any] = {
        "command": ["{python}", "{port}", "{unknown}", "{tz}", "{project}", "{dumb_home}/x"],
        "config_dir": "sub-{port}",
        "env": {"URL": "http://127.0.0.1:{port}", "DB": "{postgres_port}"},
        "port": 8080,
    }
    web = service(**block)
    spec = build_spec(web, around(tmp_path, tz="UTC", postgres={"port": 5432}))
    filled = ("8080", "{unknown}", "UTC", "/project", f"{tmp_path}/x")
    assert spec.argv == (sys.executable, *filled)
    assert spec.cwd == tmp_path / "sub-8080"
    assert (spec.env["URL"], spec.env["DB"]) == ("http://127.0.0.1:8080", "5432")
    assert {key: web.block[key] for key in block} == block


def test_a_value_with_spaces_stays_one_argument(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, command="sh -c {title}", title="two words")
    assert spec.argv[1:] == ("-c", "two words")


# -- ports and windows ---------------------------------------------------------------------


def test_ports_in_the_order_of_the_contract() -> None:
    block = {"webdav_port": 4, "backend_port": 3, "frontend_port": 2, "port": 1, "other_port": 9}
    assert configured_ports(block) == (1, 2, 3, 4)
    assert configured_ports({"port": True, "frontend_port": "80", "backend_port": 0}) == ()
    assert configured_ports({"port": None}) == ()


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        (None, "127.0.0.1"),
        ("", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104
        ("::", "127.0.0.1"),
        ("10.0.0.5", "10.0.0.5"),
        (5, "127.0.0.1"),
    ],
)
def test_where_a_port_is_asked(host: Any, asked: str) -> None:
    assert probe_host(host) == asked


@pytest.mark.parametrize(
    ("block", "window", "timeout"),
    [
        ({}, 1.0, 120.0),
        ({"port": 80}, 0.0, 120.0),
        ({"port": 80, "start_window": 2, "start_timeout": 5}, 2.0, 5.0),
        ({"start_window": 0}, 0.0, 120.0),
        ({"start_window": True, "start_timeout": "9"}, 1.0, 120.0),
        ({"start_window": -1, "start_timeout": 0}, 0.0, 0.1),
    ],
)
def test_windows(tmp_path: Path, block: dict[str, Any], window: float, timeout: float) -> None:
    spec = spec_of(tmp_path, **block)
    assert (spec.start_window_s, spec.start_timeout_s) == (window, timeout)


# -- spawning ------------------------------------------------------------------------------


def test_a_program_that_the_kernel_refuses(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    spec = spec_of(tmp_path, command=[str(path)])
    null = os.open(os.devnull, os.O_RDWR)
    try:
        with pytest.raises(LaunchError, match=f"Cannot start {path}: No such file or directory."):
            spawn.start_process(spec, "token", null, null)
    finally:
        os.close(null)
