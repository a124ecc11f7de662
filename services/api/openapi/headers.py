"""Headers in the OpenAPI document, as one string each: that is what generators can send."""

from typing import Any, Final

Tree = dict[str, Any]

_COMMAND: Final[Tree] = {
    "X-Command-Id": {
        "schema": {"type": "string"},
        "description": "The command's id: its receipt is at `/process/commands/{id}`",
    }
}
_LOCATION: Final[Tree] = {
    "Location": {"schema": {"type": "string"}, "description": "Where to follow it"}
}
_ETAG: Final[Tree] = {
    "ETag": {
        "schema": {"type": "string"},
        "description": "Of this state: send it back as `If-Match` with a change",
    }
}


def plain_headers(parameters: list[Tree]) -> list[Tree]:
    """The parameters, with every header an optional string."""
    return [_plain(one) if one["in"] == "header" else one for one in parameters]


def _plain(parameter: Tree) -> Tree:
    name = parameter["name"].title()  # as HTTP documents write it; case does not matter
    return {**parameter, "name": name, "required": False, "schema": {"type": "string"}}


def success_headers(operation: Tree) -> None:
    """Name the headers that the answers of an operation carry."""
    commands = any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ()))
    for code, response in operation["responses"].items():
        headers: Tree = {}
        if code == "202":
            headers |= _LOCATION
        if commands and code in {"200", "202"}:
            headers |= _COMMAND
        if code == "200" and "config" in operation.get("tags", ()):
            headers |= _ETAG
        if headers:
            response["headers"] = {**response.get("headers", {}), **headers}
