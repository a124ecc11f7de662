"""The tracked sample and the original's default, as they are."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.config.document import load_document, save_document
from shared.config.pages import config_of
from shared.config.placeholders import fill, fill_command, fill_env, global_fields
from shared.config.services import ServiceBlock, walk_services
from shared.config.validate import problems

PROJECT = Path(__file__).resolve().parents[3]
ORIGINAL = PROJECT / ".." / "shared" / "reference" / "original-dumb_config.json"

# The keys of the original's services (contract config.md 2): a fact, not its file.
SINGLETONS = [
    *("traefik", "traefik_proxy_admin", "authelia", "cloudflared", "cli_debrid", "cli_battery"),
    *("decypharr", "infinidysk", "emby", "jellyfin", "phalanx_db", "plex", "tautulli", "bazarr"),
    *("pulsarr", "maintainerr", "aiostreams", "mediastorm", "altmount", "postgres", "pgadmin"),
    *("riven_backend", "riven_frontend", "zilean"),
]
WITH_INSTANCES = [
    *("sonarr", "radarr", "lidarr", "prowlarr", "whisparr", "neutarr", "profilarr", "seerr"),
    *("rclone", "zurg"),
]


def sample() -> dict[str, Any]:
    return load_document(PROJECT / "dumb_config.json")


def by_key(key: str) -> ServiceBlock:
    return next(
        service for service in walk_services(config_of(sample())) if service.config_key == key
    )


def fields() -> dict[str, str | int | float | bool]:
    return global_fields(
        sample(), python=sys.executable, project=str(PROJECT), dumb_home="/nowhere"
    )


def test_a_tree_of_all_the_original_keys_is_walked_and_valid() -> None:
    tree: dict[str, Any] = {key: {"process_name": key, "x": {"y": 1}} for key in SINGLETONS}
    for key in WITH_INSTANCES:
        tree[key] = {"instances": {"Default": {"process_name": key, "command": []}}}
    assert problems(config_of(tree)) == []
    assert [s.config_key for s in walk_services(config_of(tree))] == [*SINGLETONS, *WITH_INSTANCES]
    assert [s.instance for s in walk_services(config_of(tree))] == [""] * 24 + ["Default"] * 10


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original's default is not beside us")
def test_the_original_default_loads_and_saves_unchanged(tmp_path: Path) -> None:
    tree = load_document(ORIGINAL)
    assert problems(config_of(tree)) == []
    keys = {service.config_key for service in walk_services(config_of(tree))}
    assert keys == {"dumb_api_service", "dumb_frontend", *SINGLETONS, *WITH_INSTANCES}
    copy = tmp_path / "dumb_config.json"
    save_document(copy, tree)
    assert list(load_document(copy).items()) == list(tree.items())


def test_the_sample_is_valid() -> None:
    assert problems(config_of(sample())) == []


def test_the_sample_enables_only_what_every_machine_has() -> None:
    enabled = [
        service.process_name for service in walk_services(config_of(sample())) if service.enabled
    ]
    assert enabled == ["DUMB API", "Demo File Server", "Demo Redis", "Demo Log Writer"]


def test_no_two_enabled_services_of_the_sample_share_a_port() -> None:
    ports = [
        s.block["port"]
        for s in walk_services(config_of(sample()))
        if s.enabled and "port" in s.block
    ]
    assert len(ports) == len(set(ports)) == 3


def test_the_file_server_never_serves_the_data_directory_itself() -> None:
    assert by_key("demo_files").block["config_dir"] == "demo/files"


def test_every_placeholder_of_the_sample_is_known() -> None:
    for service in walk_services(config_of(sample())):
        block = service.block
        argv = fill_command(block.get("command"), block, fields())
        env = fill_env(block.get("env", {}), block, fields())
        directory = fill(block.get("config_dir", ""), block, fields())
        assert "{" not in "".join([*argv, *env.values(), directory]), service.process_name


def test_the_failing_job_says_why_and_exits_with_3() -> None:
    job = by_key("demo_job")
    argv = fill_command(job.block["command"], job.block, fields())
    done = subprocess.run(argv, capture_output=True, timeout=30, check=False)
    assert done.returncode == 3
    assert done.stdout.startswith(b"ERROR ")
    assert done.stderr == b""


def test_the_log_writer_writes_a_line_at_once_and_goes_on() -> None:
    service = by_key("demo_logger")
    argv = fill_command(service.block["command"], service.block, fields())
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as writer:
        assert writer.stdout is not None
        try:
            lines = [writer.stdout.readline() for _ in range(2)]
        finally:
            writer.kill()
    assert lines == [b"DEBUG demo line 1\n", b"INFO demo line 2\n"]
