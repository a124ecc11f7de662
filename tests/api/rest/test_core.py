"""`POST /process/start-core-service`: bodies, codes, forms (contract rest.md 3.7)."""

from typing import Any

import pytest

from shared.models.command import CommandStatus
from tests.api.rest.conftest import Api
from tests.support.fake_supervisor import ScriptedSupervisor

PATH = "/process/start-core-service"
PARTLY = {
    "results": [{"service": "a", "status": "started"}],
    "errors": [{"service": "b", "error": "why"}],
    "changes": ["b was enabled"],
}


@pytest.mark.parametrize(
    "body",
    [
        {"core_services": []},
        {"core_services": {"name": "sonarr"}},
        {"core_services": [{"name": "sonarr", "instance_name": None, "debrid_key": None}]},
        {"core_services": [{"name": "a", "debrid_service": "x", "debrid_key": ["k", None]}]},
        {"core_services": [{"name": "a", "service_options": None}], "optional_services": ["b"]},
        {"core_services": [], "optional_service_options": {"a": {"port": 1}, "b": None}},
    ],
)
async def test_bodies_that_the_original_takes(
    api: Api, supervisor: ScriptedSupervisor, body: dict[str, Any]
) -> None:
    answer = await api.http.post(PATH, json=body)
    assert (answer.status_code, answer.json()) == (200, {"results": [], "errors": []})
    assert [(seen.action, seen.process_name) for seen in supervisor.seen] == [("start-core", "")]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "missing"),
        ([], "model_attributes_type"),
        ({"core_services": "sonarr"}, "list_type"),
        ({"core_services": [], "extra": 1}, "extra_forbidden"),
        ({"core_services": [{"name": "a", "extra": 1}]}, "extra_forbidden"),
        ({"core_services": {"name": "a", "extra": 1}}, "extra_forbidden"),
        ({"core_services": [{}]}, "missing"),
        ({"core_services": [{"name": 1}]}, "string_type"),
        ({"core_services": [{"name": "a", "debrid_key": [1]}]}, "string_type"),
        ({"core_services": [{"name": "a", "service_options": {"a": 1}}]}, "dict_type"),
        ({"core_services": [{"name": "a"}] * 201}, "too_long"),
        ({"core_services": [], "optional_services": "zilean"}, "list_type"),
        ({"core_services": [], "optional_services": None}, "list_type"),
    ],
)
async def test_other_bodies_are_a_422(
    api: Api, supervisor: ScriptedSupervisor, body: Any, kind: str
) -> None:
    answer = await api.http.post(PATH, json=body)
    assert answer.status_code == 422
    assert kind in {problem["type"] for problem in answer.json()["detail"]}
    assert supervisor.seen == []


async def test_no_json_is_a_422(api: Api) -> None:
    assert (await api.http.post(PATH, content=b"{")).status_code == 422


async def test_a_secret_in_a_refused_body_is_not_echoed(api: Api) -> None:
    body = {"core_services": [{"name": 1, "debrid_key": ["sesame", 7]}]}
    answer = await api.http.post(PATH, json=body)
    assert answer.status_code == 422
    assert "sesame" not in answer.text


@pytest.mark.parametrize(
    ("outcome", "code", "detail"),
    [
        (
            (CommandStatus.FAILED, PARTLY),
            500,
            {"message": "m", **PARTLY},
        ),
        ((CommandStatus.REJECTED, {"code": "invalid"}), 400, "m"),
        ((CommandStatus.REJECTED, {"code": "conflict"}), 409, "m"),
        ((CommandStatus.FAILED, {"code": "unavailable"}), 500, "m"),
        ((CommandStatus.FAILED, None), 500, "m"),
        ((CommandStatus.EXPIRED, None), 503, "m"),
    ],
)
async def test_what_the_outcome_becomes(
    api: Api, supervisor: ScriptedSupervisor, outcome: Any, code: int, detail: Any
) -> None:
    supervisor.verdicts[""] = (outcome[0], "m")
    supervisor.results[""] = outcome[1]
    answer = await api.http.post(PATH, json={"core_services": []})
    assert (answer.status_code, answer.json()) == (code, {"detail": detail})


async def test_who_does_not_wait_gets_a_receipt(api: Api) -> None:
    answer = await api.http.post(
        PATH, json={"core_services": []}, headers={"prefer": "respond-async"}
    )
    assert (answer.status_code, answer.json()["action"]) == (202, "start-core")
    receipt = (await api.http.get(answer.headers["location"])).json()
    assert receipt["id"] == answer.json()["id"]


async def test_a_key_belongs_to_one_body(api: Api, supervisor: ScriptedSupervisor) -> None:
    headers = {"idempotency-key": "wizard-1"}
    for expected, name in ((200, "sonarr"), (200, "sonarr"), (409, "radarr")):
        body = {"core_services": [{"name": name}]}
        answer = await api.http.post(PATH, json=body, headers=headers)
        assert answer.status_code == expected
    assert len(supervisor.seen) == 1
