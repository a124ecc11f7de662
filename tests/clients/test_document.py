"""What generators and readers rest on, for every operation of the OpenAPI document."""

import re
from typing import Any

import jsonschema
import pytest

from services.api.app import create_app
from services.api.auth.roles import EXEMPT
from services.api.openapi.document import operations
from services.api.openapi.errors import JSON, MEANING
from shared.bus.keys import Keys

DOCUMENT: dict[str, Any] = create_app("redis://127.0.0.1:1/0", Keys()).openapi()
ALL = list(operations(DOCUMENT))
IDS = [operation["operationId"] for *_, operation in ALL]
VERB = re.compile(r"[a-z]+(_[a-z]+)+")


def _check(value: Any, schema: dict[str, Any]) -> None:
    """Raises when `value` is not what `schema`, with the document's components, allows."""
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def test_operation_ids_are_unique_verbs() -> None:
    assert len(IDS) == len(set(IDS))
    assert [name for name in IDS if not VERB.fullmatch(name)] == []


def test_schema_names_are_plain_and_unique() -> None:
    names = list(DOCUMENT["components"]["schemas"])
    assert [name for name in names if not name.isalnum()] == []
    assert len({name.lower() for name in names}) == len(names)


def test_tags_are_described_and_servers_are_named() -> None:
    described = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    used = {tag for _, _, operation in operations(DOCUMENT) for tag in operation["tags"]}
    assert used == set(described)
    assert all(described.values())
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/", "/api"]


@pytest.mark.parametrize("operation", [one for *_, one in ALL], ids=IDS)
def test_parameters_are_simple(operation: dict[str, Any]) -> None:
    names = [(one["in"], one["name"].rstrip("[]")) for one in operation.get("parameters", ())]
    assert len(names) == len(set(names)), "two parameters would have one name"
    for one in operation.get("parameters", ()):
        if one["in"] == "header":
            assert one["schema"] == {"type": "string"}


@pytest.mark.parametrize(("method", "path", "operation"), ALL, ids=IDS)
def test_errors_come_from_the_table(method: str, path: str, operation: dict[str, Any]) -> None:
    errors = {int(code): r for code, r in operation["responses"].items() if int(code) >= 400}
    assert set(errors) <= set(MEANING)
    assert 403 in errors
    assert (401 in errors) or (method.upper(), path) in EXEMPT
    assert ("requestBody" not in operation) or {413, 422} <= set(errors)
    for status, response in errors.items():
        name = response["content"][JSON]["schema"]["$ref"].rsplit("/", 1)[1]
        if status == 422:
            assert name == "HTTPValidationError"
        elif path != "/readyz":
            delayed = {"DelayedBody"} if (status, path) == (429, "/auth/login") else set()
            assert name in {"Problem", "ActionFailed", "CoreFailed"} | delayed


@pytest.mark.parametrize(("path", "operation"), [(p, o) for _, p, o in ALL], ids=IDS)
def test_examples_fit_their_schemas(path: str, operation: dict[str, Any]) -> None:
    contents = [r.get("content", {}) for r in operation["responses"].values()]
    contents.append(operation.get("requestBody", {}).get("content", {}))
    shown = [content[JSON] for content in contents if JSON in content]
    assert shown or path == "/metrics/prometheus"
    for content in shown:
        _check(content["example"], content["schema"])


def test_states_are_enumerations() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["ServiceStatus"]["enum"][0] == "stopped"
    assert "succeeded" in schemas["CommandStatus"]["enum"]
    assert "degraded" in schemas["Phase"]["enum"]
    assert "scheduled" in schemas["JobStatus"]["enum"]
