"""What a service waits for: its fields, and what follows from other services."""

from typing import Any

import pytest

from services.supervisor.fleet.wanted import (
    PathWait,
    TcpWait,
    UrlWait,
    Wait,
    waits_of,
)
from shared.config.pages import config_of
from shared.config.services import walk_services

ARR = {"process_name": "Sonarr", "enabled": True, "port": 8989}


def waits(tree: dict[str, Any], name: str, **names: Any) -> list[Wait]:
    services = walk_services(config_of(tree))
    return waits_of(next(s for s in services if s.process_name == name), services, names)


def labels(tree: dict[str, Any], name: str) -> list[str]:
    return [wait.label for wait in waits(tree, name)]


def test_the_fields_in_the_contracts_order() -> None:
    block = {
        "process_name": "A",
        "port": 81,
        "wait_for_url": [
            {"url": "http://u:p@h:{port}/x?token=secret", "expected_json_path": "a.b"},
            {"url": "http://h/dav/files", "auth": {"user": "u", "password": "p"}, "timeout": 3},
        ],
        "wait_for_tcp": {"host": "", "port": 5432, "name": "db", "timeout": 1},
        "wait_for_mounts": ["/mnt/x/", "/mnt/../data", "/mnt/x"],
        "wait_for_dir": "{data_root}/d",
    }
    found = waits({"a": block}, "A", data_root="/data")
    assert found[:4] == [
        PathWait("/data/d"),
        PathWait("/mnt/x", mounted=True),
        PathWait("/data", mounted=True),
        TcpWait("127.0.0.1", 5432, "db", 1),
    ]
    web, dav = found[4:]
    assert isinstance(web, UrlWait)
    assert isinstance(dav, UrlWait)
    assert (web.label, web.target.port, web.json_path) == ("http://h:81/x", 81, "a.b")
    assert (web.target.method, web.target.auth) == ("GET", ("u", "p"))
    assert (dav.target.method, dict(dav.target.headers)) == ("PROPFIND", {"Depth": "0"})
    assert (dav.target.auth, dav.timeout_s) == (("u", "p"), 3)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/webdav", "PROPFIND"),
        ("/x/DAV/", "PROPFIND"),
        ("/dave", "GET"),
        ("/?next=/dav", "GET"),
    ],
)
def test_webdav_is_asked_in_its_own_way(path: str, method: str) -> None:
    (found,) = waits({"a": {"process_name": "A", "wait_for_url": {"url": f"http://h{path}"}}}, "A")
    assert isinstance(found, UrlWait)
    assert found.target.method == method


def test_method_and_headers_can_be_told() -> None:
    item = {"url": "http://h/dav", "probe_method": "options", "probe_headers": {"X": 1}}
    (found,) = waits({"a": {"process_name": "A", "wait_for_url": [item]}}, "A")
    assert isinstance(found, UrlWait)
    assert (found.target.method, found.target.headers) == ("OPTIONS", (("X", "1"),))


def test_nothing_is_waited_for_by_default() -> None:
    block: dict[str, Any] = {
        "process_name": "A",
        "wait_for_dir": "",
        "wait_for_url": None,
        "wait_for_mounts": [],
    }
    assert waits({"a": block}, "A") == []


@pytest.mark.parametrize("media", ["plex", "jellyfin", "emby"])
def test_media_servers_wait_for_the_mounts_of_others(media: str) -> None:
    on = {"enabled": True}
    tree: dict[str, Any] = {
        media: {"process_name": "Media", "enabled": True, "wait_for_mounts": ["/mnt/rd"]},
        "rclone": {
            "instances": {
                "RD": {"process_name": "r1", **on, "mount_dir": "/mnt", "mount_name": "rd"},
                "AD": {"process_name": "r2", **on, "mount_dir": "/mnt/", "mount_name": "ad"},
                "off": {"process_name": "r3", "mount_dir": "/mnt", "mount_name": "off"},
                "half": {"process_name": "r4", **on, "mount_dir": "/mnt"},
            }
        },
        "decypharr": {
            "process_name": "D", "enabled": True, "mount_type": "dfs", "mount_path": "/mnt/d/",
        },
    }  # fmt: skip
    assert labels(tree, "Media") == ["mount /mnt/rd", "mount /mnt/ad", "mount /mnt/d"]
    tree["decypharr"]["mount_type"] = "external_rclone"
    assert labels(tree, "Media") == ["mount /mnt/rd", "mount /mnt/ad"]
    assert waits(tree, "r1") == []


def test_applications_wait_for_the_answers_of_others() -> None:
    tree: dict[str, Any] = {
        "prowlarr": {"instances": {"D": {"process_name": "Prowlarr"}}},
        "sonarr": {"instances": {"D": ARR, "4K": {**ARR, "process_name": "S4", "enabled": False}}},
        "radarr": {"instances": {"D": {"process_name": "Radarr", "enabled": True, "port": 7878}}},
        "tautulli": {"process_name": "Tautulli"},
        "plex": {"process_name": "Plex", "enabled": True, "port": 32400, "host": "::1"},
        "jellyfin": {"process_name": "Jellyfin", "enabled": True, "port": 8096},
        "emby": {"process_name": "Emby", "enabled": False, "port": 8097},
        "seerr": {"instances": {"D": {"process_name": "Seerr"}}},
    }
    assert labels(tree, "Prowlarr") == ["http://127.0.0.1:8989/ping", "http://127.0.0.1:7878/ping"]
    assert labels(tree, "Tautulli") == ["http://[::1]:32400/identity"]
    info = "http://127.0.0.1:8096/System/Info/Public"
    assert labels(tree, "Seerr") == ["http://[::1]:32400/identity", info]
    tree["seerr"]["instances"]["D"]["core_service"] = "jellyfin"
    assert labels(tree, "Seerr") == [info]
    tree["seerr"]["instances"]["D"]["core_service"] = "sonarr"
    assert labels(tree, "Seerr") == ["http://[::1]:32400/identity", info]
