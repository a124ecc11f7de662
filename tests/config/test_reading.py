"""Schema, onboarding, pages of services, the environment."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from services.api.checks import check_disks, check_redis, check_supervisor
from shared.config.pages import config_of
from shared.config.schema import config_schema, unknown_keys
from shared.config.validate import problems
from shared.version import VERSION
from tests.config.conftest import Desk
from tests.config.test_masks import ORIGINAL, SAMPLE


@pytest.mark.parametrize("path", [ORIGINAL, SAMPLE], ids=["original", "sample"])
def test_the_defaults_fit_the_schema(path: Path) -> None:
    if not path.exists():
        pytest.skip("the original's default is not beside us")
    tree = json.loads(path.read_bytes())
    Draft7Validator(config_schema()).validate(tree)
    assert problems(tree) == []
    assert list(unknown_keys(tree)) == []


def test_unknown_keys_are_found() -> None:
    tree = {"plex": {"process_name": "P", "prot": 1}, "dumb": {"logs": 1}, "junk": 1}
    assert set(unknown_keys(config_of(tree))) == {("plex", "prot"), ("dumb", "logs"), ("junk",)}


def test_every_field_has_a_title_and_words() -> None:
    for name, block in config_schema()["properties"].items():
        fields = block.get("properties", {})
        inner = fields.get("instances", {}).get("additionalProperties", {}).get("properties", {})
        for key, field in {**fields, **inner}.items():
            assert field["title"], (name, key)


async def test_schemas_over_http(desk: Desk) -> None:
    whole = (await desk.two.get("/config/schema")).json()
    assert "enabled" in whole["properties"]["dumb"]["properties"]["auto_restart"]["properties"]
    body = {"process_name": "Sonarr"}
    block = (await desk.two.post("/config/process-config/schema", json=body)).json()
    assert block["properties"]["use_neutarr"]["type"] == "boolean"
    missing = await desk.two.post("/config/process-config/schema", json={"process_name": "sonarr"})
    assert missing.status_code == 404


async def test_onboarding(desk: Desk) -> None:
    for path, due in (("onboarding-completed", False), ("reset-onboarding", True)):
        assert (await desk.one.post(f"/config/{path}")).status_code == 200
        status = (await desk.two.get("/config/onboarding-status")).json()
        assert status == {"needs_onboarding": due}
        assert desk.file()["dumb"]["onboarding_completed"] is not due


async def test_pages_of_services(desk: Desk) -> None:
    assert (await desk.two.get("/config/service-ui")).status_code == 404
    traefik = {"process_name": "Traefik", "enabled": False, "port": 18080, "start_timeout": 0.2}
    tree = desk.file() | {"traefik": traefik | {"command": ["sleep", "1000"]}}
    tree["sonarr"]["instances"]["De.fault"] |= {"enabled": True, "process_name": "Sonarr 4K/x"}
    desk.supervisor.config.write_text(json.dumps(tree))
    assert desk.supervisor.run("reload-config", "")["status"] == "succeeded"
    before = desk.supervisor.config.read_bytes()
    found = (await desk.two.get("/config/service-ui")).json()
    assert desk.supervisor.config.read_bytes() == before
    assert found["enabled"] is False
    shown = {s["name"]: (s["port"], s["path"]) for s in found["services"]}
    assert shown == {
        "dumb_api_service": (8000, "/scalar"),
        "Sonarr 4K/x": (8989, "/"),
        "traefik": (18081, "/"),
    }
    names = (await desk.two.get("/config/service-ui-map")).json()
    assert names["sonarr_4k_x"] == "sonarr"
    on = (await desk.one.post("/config/service-ui", json={"enabled": True})).json()
    assert on["enabled"] is True
    assert "18080" in on["problem"]  # nothing listens there
    assert desk.file()["traefik"]["enabled"] is True
    off = (await desk.one.post("/config/service-ui", json={"enabled": False})).json()
    assert off["enabled"] is False
    assert desk.supervisor.service("Traefik")["status"] == "stopped"


async def test_the_environment(desk: Desk) -> None:
    found = (await desk.two.get("/environment")).json()
    assert found["api"]["replicas"] == 2
    assert found["supervisor"]["config_path"] == str(desk.supervisor.config)
    assert found["supervisor"]["version"] == found["api"]["version"] == VERSION
    assert found["config"]["overridden"]["WEB_API_KEY"]["value"] == "***"
    assert found["services"]["stopped"] == 2
    names = [check["name"] for check in found["checks"]]
    assert {"redis", "supervisor", "configuration", "services"} <= set(names)


def test_checks_give_advice() -> None:
    assert check_redis("6.2.9").ok
    assert not check_redis("6.0.1").ok
    assert not check_supervisor({}, 0).ok
    assert not check_supervisor({"version": "0", "heartbeat_at": "1"}, 1).ok
    low, gone = check_disks(
        [{"path": "/a", "total": 100, "free": 1}, {"path": "/b", "problem": "x"}]
    )
    assert low.advice
    assert gone.advice
