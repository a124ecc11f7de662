"""What the wizard is offered (contract rest.md 3.10)."""

from typing import Any

import pytest

from shared.config.labels import CORE_LABELS, OPTIONAL_LABELS
from tests.api.rest.conftest import Api

CORE = {
    "name", "key", "dependencies", "description", "debrid_providers", "service_options",
    "service_option_descriptions", "supports_instances", "instance_options",
    "instance_option_descriptions",
}  # fmt: skip


async def _core(api: Api) -> dict[str, Any]:
    found = (await api.http.get("/process/core-services")).json()["core_services"]
    return {entry["key"]: entry for entry in found}


async def test_core_services(api: Api) -> None:
    core = await _core(api)
    assert list(core) == list(CORE_LABELS)
    assert all(entry.keys() == CORE for entry in core.values())
    riven = core["riven_backend"]
    assert (riven["name"], riven["dependencies"]) == ("Riven", ["zurg", "rclone", "postgres"])
    assert list(riven["service_options"]) == ["riven_backend", "zurg", "rclone", "postgres"]
    assert riven["service_options"]["riven_backend"]["port"] == 8080
    assert riven["debrid_providers"] == ["RealDebrid"]
    assert (riven["supports_instances"], riven["instance_options"]) == (False, {})
    decypharr = core["decypharr"]
    assert (decypharr["dependencies"], "rclone" in decypharr["service_options"]) == ([], True)
    assert len(decypharr["debrid_providers"]) == 5
    sonarr = core["sonarr"]
    assert (sonarr["supports_instances"], list(sonarr["instance_options"])) == (True, ["Default"])
    assert sonarr["service_options"]["sonarr"]["use_neutarr"] is False
    assert "core_service" in sonarr["service_options"]["sonarr"]
    assert "core_service" not in core["seerr"]["service_options"]["seerr"]
    assert not {"command", "config_dir", "env", "enabled"} & set(
        sonarr["service_options"]["sonarr"]
    )


async def test_every_option_is_described(api: Api) -> None:
    for entry in (await _core(api)).values():
        for name, options in entry["service_options"].items():
            assert entry["service_option_descriptions"][name].keys() == options.keys()


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ({}, set()),
        ({"core_service": "riven_backend"}, {"postgres"}),
        ({"core_service": "riven"}, {"postgres"}),
        ({"core_service": "sonarr"}, set()),
        ({"core_service": "nobody"}, set()),
        ({"optional_services": ["tautulli", "zilean"]}, {"postgres"}),
        ({"optional_services[]": ["zilean"]}, {"postgres"}),
        ({"optional_services[]": ["tautulli"]}, set()),
        ({"optional_services": "tautulli", "optional_services[]": "pgadmin"}, {"postgres"}),
    ],
)
async def test_optional_services(api: Api, query: dict[str, Any], hidden: set[str]) -> None:
    answer = await api.http.get("/process/optional-services", params=query)
    keys = [entry["key"] for entry in answer.json()["optional_services"]]
    assert keys == [key for key in OPTIONAL_LABELS if key not in hidden]
    first = answer.json()["optional_services"][0]
    assert first.keys() == CORE - {"dependencies", "debrid_providers"}
