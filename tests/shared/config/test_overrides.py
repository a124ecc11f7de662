"""Environment over file: contract config.md 5."""

import copy
from typing import Any

import pytest

from shared.config.overrides import apply_overrides
from shared.config.pages import config_of

TREE: dict[str, Any] = {
    "puid": 1000,
    "tz": "",
    "dumb": {
        "home": "x",
        "log_level": "INFO",
        "api_service": {"process_name": "DUMB API", "host": "127.0.0.1", "port": 8000},
    },
    "sonarr": {"instances": {"Default": {"enabled": False, "port": 8989, "platforms": []}}},
    "infinidysk": {"frontend_port": 3000, "backend_port": 8080},
    "ratio": 1.5,
    "plex": {"env": {"A": "1"}},
}


def effective(**environ: str) -> dict[str, Any]:
    before = copy.deepcopy(TREE)
    result = apply_overrides(config_of(TREE), environ)
    assert before == TREE
    return result


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("DUMB_API_SERVICE_PORT", "9000", "dumb.api_service.port", 9000),
        ("DUMB_API_SERVICE_HOST", " 0.0.0.0 ", "dumb.api_service.host", "0.0.0.0"),  # noqa: S104
        ("PUID", "7", "puid", 7),
        ("PUID", "seven", "puid", 1000),
        ("PUID", "1.5", "puid", 1000),
        ("PUID", "true", "puid", 1000),
        ("PUID", "9" * 30, "puid", 1000),
        ("TZ", "Europe/Berlin", "tz", "Europe/Berlin"),
        ("TZ", "\udcff", "tz", ""),
        ("DUMB_LOG_LEVEL", "debug", "dumb.log_level", "DEBUG"),
        ("SONARR_INSTANCES_DEFAULT_PORT", "1", "sonarr.instances.Default.port", 1),
        ("SONARR_INSTANCES_DEFAULT_PORT", "  ", "sonarr.instances.Default.port", 8989),
        ("SONARR_INSTANCES_DEFAULT_ENABLED", "Yes", "sonarr.instances.Default.enabled", True),
        ("SONARR_INSTANCES_DEFAULT_ENABLED", "on", "sonarr.instances.Default.enabled", False),
        (
            "SONARR_INSTANCES_DEFAULT_PLATFORMS",
            '["a"]',
            "sonarr.instances.Default.platforms",
            ["a"],
        ),
        ("SONARR_INSTANCES_DEFAULT_PLATFORMS", '{"a":1}', "sonarr.instances.Default.platforms", []),
        ("SONARR_INSTANCES_DEFAULT_PLATFORMS", "[", "sonarr.instances.Default.platforms", []),
        ("NZBDAV_FRONTEND_PORT", "3333", "infinidysk.frontend_port", 3333),
        ("RATIO", "2", "ratio", 2.0),
        ("RATIO", "nan", "ratio", 1.5),
        ("PLEX_ENV", '{"B": "2"}', "plex.env", {"B": "2"}),
        ("PLEX_ENV_A", "3", "plex.env.A", "3"),
        ("DUMB_HOME", "/var", "dumb.home", "x"),
    ],
)
def test_one_variable(name: str, text: str, path: str, value: object) -> None:
    found: Any = effective(**{name: text})
    for key in path.split("."):
        found = found[key]
    assert found == value
    assert type(found) is type(value)


def test_only_keys_of_the_file_are_overridden() -> None:
    assert effective(DUMB_COLOR="1", SONARR_PORT="1", NEW="1", dumb_log_level="x") == TREE


def test_the_new_name_wins_over_the_old_one() -> None:
    both = effective(NZBDAV_BACKEND_PORT="1", INFINIDYSK_BACKEND_PORT="2")
    assert both["infinidysk"]["backend_port"] == 2


def test_the_api_address_needs_no_key_in_the_file() -> None:
    environ = {"DUMB_API_SERVICE_HOST": "::1", "DUMB_API_SERVICE_PORT": "9000"}
    assert apply_overrides(config_of({}), environ) == {
        "dumb": {"api_service": {"host": "::1", "port": 9000}}
    }
