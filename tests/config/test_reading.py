"""Schema, onboarding, pages of services, the environment and `dumb doctor`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.api.checks import check_disks, check_redis, check_supervisor
from services.cli.client import Client
from services.cli.doctor import run_checks
from shared.config.schema import config_schema, unknown_keys
from shared.version import VERSION
from tests.config.conftest import Desk
from tests.config.test_masks import ORIGINAL, SAMPLE

KINDS: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float),
    "integer": int, "null": type(None),
}  # fmt: skip


def faults(value: Any, schema: Any, at: str = "") -> Iterator[str]:
    """What is wrong by the part of JSON Schema that ours uses."""
    kinds = schema.get("type", list(KINDS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = any(isinstance(value, KINDS[kind]) for kind in kinds)
    if not fits or (isinstance(value, bool) and "boolean" not in kinds):
        yield f"{at}: {value!r} is not {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not in {schema['enum']}"
    counts = isinstance(value, int | float) and not isinstance(value, bool)
    if counts and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: {value!r} is out of range"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", {})
        for key in schema.get("required", []):
            if key not in value:
                yield f"{at}.{key} is missing"
        for key, item in value.items():
            yield from faults(item, known.get(key, other), f"{at}.{key}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from faults(item, schema.get("items", {}), f"{at}[{number}]")


@pytest.mark.parametrize("path", [ORIGINAL, SAMPLE], ids=["original", "sample"])
def test_the_defaults_fit_the_schema(path: Path) -> None:
    if not path.exists():
        pytest.skip("the original's default is not beside us")
    tree = json.loads(path.read_bytes())
    assert list(faults(tree, config_schema())) == []
    assert list(unknown_keys(tree)) == []


def test_the_schema_finds_faults_and_unknown_keys() -> None:
    schema = config_schema()
    assert list(faults({"plex": {"process_name": "P", "port": 0}}, schema))
    assert list(faults({"plex": {}}, schema))
    tree = {"plex": {"process_name": "P", "prot": 1}, "dumb": {"logs": 1}, "junk": 1}
    assert set(unknown_keys(tree)) == {("plex", "prot"), ("dumb", "logs"), ("junk",)}


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


async def test_the_environment_and_the_doctor(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = (await desk.two.get("/environment")).json()
    assert found["api"]["replicas"] == 2
    assert found["supervisor"]["config_path"] == str(desk.supervisor.config)
    assert found["supervisor"]["version"] == found["api"]["version"] == VERSION
    assert found["config"]["overridden"]["WEB_API_KEY"]["value"] == "***"
    assert found["services"]["stopped"] == 2
    names = [check["name"] for check in found["checks"]]
    assert {"redis", "supervisor", "configuration", "services"} <= set(names)

    def answer(_self: Client, _path: str) -> Any:
        return found

    monkeypatch.setattr(Client, "get", answer)
    found["checks"] = [c for c in found["checks"] if not c["name"].startswith("disk")]
    assert run_checks(Client("http://x")) == 0
    assert "Everything is well." in capsys.readouterr().out
    found["checks"].append(
        {"name": "disk /x", "ok": False, "detail": "full", "advice": "Make room."}
    )
    assert run_checks(Client("http://x")) == 1
    out = capsys.readouterr().out
    assert "PROBLEM  disk /x: full\n         Make room.\n" in out
    assert "1 problem found." in out


def test_the_doctor_without_an_api(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_checks(Client("http://127.0.0.1:1")) == 1
    assert "PROBLEM  api" in capsys.readouterr().out


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
