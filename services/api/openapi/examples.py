"""An example for every body and every answer, made from its schema and a table of values.

A model's own `examples` come first. A field is known by its name: `process_name` looks alike in
every example, so that a reader can follow one service through the document.
"""

from collections.abc import Mapping
from typing import Any, Final

Tree = dict[str, Any]
JSON: Final = "application/json"
DEPTH: Final = 12
"""Schemas that refer to themselves end here."""

SERVICE: Final = "Demo File Server"
COMMAND: Final = "5f1d7e84c0a94f2b9f0e1f6a2d3c4b5a"
THEN: Final = 1767225600.0
"""2026-01-01 00:00 UTC. In answers only: an example of a request holds no absolute time."""

VALUES: Final[Mapping[str, Any]] = {
    "process_name": SERVICE,
    "name": SERVICE,
    "service": "sonarr",
    "id": COMMAND,
    "command": COMMAND,
    "job_id": COMMAND,
    "last_id": COMMAND,
    "username": "admin",
    "owner": "admin",
    "actor": "admin@192.168.1.20",
    "password": "correct horse battery",
    "current_password": "the password of today",
    "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
    "refresh_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
    "token": "dumb_example",
    "action": "restart",
    "key": "sonarr",
    "config_key": "sonarr",
    "url": "http://192.168.1.20:5055",
    "api_key": "the key of that Seerr",
    "chunk": "2026-01-01 00:00:00 INFO ready\n",
    "log": "2026-01-01 00:00:00 INFO ready\n",
    "file_id": "1-0",
    "cursor": 4096,
    "size": 4096,
    "pid": 4711,
    "status": "done",
    "message": "Done.",
    "error": "It ended with exit code 1.",
    "reason": "waiting for port 8989",
    "health_reason": "The port answers",
    "restart_required": SERVICE,
    "expected_service": SERVICE,
    "version": "0.1.0",
    "phase": "ready",
    "detail": "Ready after 0.4 s",
    "file_name": "config.xml",
    "fingerprint": "movie:603:False",
    "tmdb_id": 603,
    "media_type": "movie",
    "path": "/data",
    "updated_at": "2026-01-01T00:00:00+00:00",
}
"""Values of fields by name, where they fit the field's type."""

ERRORS: Final[Mapping[str, str]] = {
    "400": "process_name is empty.",
    "401": "Authentication required.",
    "403": "This needs the role operator; you are viewer.",
    "404": f"No service is named 'Demo File Serve'. Did you mean '{SERVICE}'?",
    "409": "Cancelled by a later request.",
    "412": "The configuration was changed in the meantime.",
    "413": "The body is too large.",
    "429": "Too many failed logins.",
    "500": "The program ended with exit code 1 before it was ready.",
    "502": "The primary Seerr does not answer.",
    "503": "Redis does not answer. The services go on running; try again in a moment.",
    "504": "Not finished after 60 s. The command goes on.",
}
"""A sentence of each error status."""

INVALID: Final[Tree] = {
    "detail": [
        {
            "type": "missing",
            "loc": ["body", "process_name"],
            "msg": "Field required",
            "input": {},
        }
    ]
}


def add_examples(document: Tree) -> None:
    """Give every body and every answer in JSON an `example`."""
    maker = _Maker(document.get("components", {}).get("schemas", {}))
    for methods in document["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody", {}).get("content", {}).get(JSON)
            if body is not None:
                body.setdefault("example", maker.make(body["schema"], request=True))
            for code, response in operation["responses"].items():
                content = response.get("content", {}).get(JSON)
                if content is not None and "example" not in content:
                    content["example"] = _answer(code, content["schema"], maker)


def _answer(code: str, schema: Tree, maker: "_Maker") -> Any:
    if schema.get("$ref", "").endswith("/HTTPValidationError"):
        return INVALID
    if schema.get("$ref", "").endswith("/Problem"):
        return {"detail": ERRORS[code]}
    return maker.make(schema, request=False)


class _Maker:
    """Makes values that a schema accepts."""

    def __init__(self, schemas: Tree) -> None:
        self._schemas = schemas

    def make(self, schema: Tree, *, request: bool) -> Any:
        """An example; of a `request` only what it must have, and what its model shows."""
        return self._value(schema, "", request, DEPTH)

    def _value(self, schema: Tree, name: str, request: bool, depth: int) -> Any:
        schema = self._resolved(schema)
        if "examples" in schema:
            return schema["examples"][0]
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                options = [self._resolved(one) for one in schema[choice]]
                full = [one for one in options if one.get("type") != "null"]
                return self._value(full[0], name, request, depth)
        kind = schema.get("type", "object" if "properties" in schema else "any")
        if kind == "object":
            return self._object(schema, request, depth)
        if kind == "array":
            item = schema.get("items", {})
            return [] if depth <= 0 else [self._value(item, _one_of(name), request, depth - 1)]
        return _plain(kind, name, schema)

    def _object(self, schema: Tree, request: bool, depth: int) -> Tree:
        if depth <= 0:
            return {}
        needed = set(schema.get("required", ()))
        found: Tree = {}
        for name, field in schema.get("properties", {}).items():
            field = self._resolved(field)  # noqa: PLW2901 - the same field, followed
            if not request or name in needed or "examples" in field:
                found[name] = self._value(field, name, request, depth - 1)
        further = schema.get("additionalProperties")
        if not found and isinstance(further, dict) and further:
            found[SERVICE] = self._value(further, "", request, depth - 1)
        return found

    def _resolved(self, schema: Tree) -> Tree:
        while "$ref" in schema:
            target = self._schemas[schema["$ref"].rsplit("/", 1)[1]]
            schema = {**target, **{key: v for key, v in schema.items() if key != "$ref"}}
        if len(schema.get("allOf", ())) == 1:
            schema = {**self._resolved(schema["allOf"][0]), **schema}
        return schema


def _one_of(name: str) -> str:
    """`process_names` → `process_name`."""
    return name.removesuffix("s")


def _plain(kind: str, name: str, schema: Tree) -> Any:
    known = VALUES.get(name)
    if kind == "string":
        return known if isinstance(known, str) else schema.get("default") or "text"
    if kind == "boolean":
        return True
    if kind == "integer":
        low = schema.get("minimum", 1)
        return known if isinstance(known, int) else max(1, low)
    if kind == "number":
        timely = name.endswith(("_at", "_since", "_time", "timestamp")) or name in {"at", "since"}
        return THEN if timely else 1.5
    return None
