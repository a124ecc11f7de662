"""Every error status of the API: its shape and its meaning, in one table.

A route names in `responses=` only what is special about its own errors. The rest follows from what
the route is: whether it needs a token, has a body, takes an `Idempotency-Key`.
"""

from collections.abc import Mapping
from typing import Any, Final

JSON: Final = "application/json"
_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_INVALID: Final = {"$ref": "#/components/schemas/HTTPValidationError"}

MEANING: Final[Mapping[int, str]] = {
    400: "The request makes no sense as a whole; nothing was changed",
    401: "A valid token is needed",
    403: "The caller is known and may not do this, or the page that asks is not allowed to",
    404: "There is no such thing; the detail names the nearest one where it can",
    409: "It contradicts the present state, or the `Idempotency-Key` belongs to another request",
    412: "`If-Match` names another state: read again, then repeat the change",
    413: "The body is too large",
    422: "A part of the request is missing or has the wrong form",
    429: "Too many failed attempts; `Retry-After` says when the next one counts",
    500: "It was tried and failed; the detail is the cause",
    502: "Another server, which this request needs, failed",
    503: "It cannot be known or done now (Redis or the supervisor is away); try again",
    504: "There is no outcome yet; the command goes on, and `Location` shows its receipt",
}
"""What a status means wherever it occurs."""

_RETRY: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
_HEADERS: Final[Mapping[int, dict[str, Any]]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`"}},
    429: _RETRY,
    503: _RETRY,
}


def error_response(status: int, declared: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The response object of `status`, keeping what the route declared about it.

    Args:
        status: one of `MEANING`.
        declared: the route's own response object, with its model or its description.
    """
    declared = declared or {}
    schema = _INVALID if status == 422 else _PROBLEM
    own = declared.get("content", {}).get(JSON, {}).get("schema")
    found: dict[str, Any] = {
        "description": _own_words(status, declared.get("description", "")),
        "content": {JSON: {"schema": own or schema}},
    }
    if status in _HEADERS:
        found["headers"] = _HEADERS[status]
    return found


def implied_errors(
    operation: Mapping[str, Any], *, exempt: bool, method: str, path: str
) -> set[int]:
    """The error statuses that follow from what an operation is.

    Args:
        operation: the operation object as FastAPI made it.
        exempt: whether it needs no token.
        method: in lower case.
        path: as its route has it.
    """
    found = {403}
    parameters = operation.get("parameters", ())
    names = {(one["in"], one["name"].lower()) for one in parameters}
    if not exempt:
        found |= {401, 503}
    if "requestBody" in operation:
        found |= {413, 422}
    if any(place in {"query", "path"} for place, _ in names):
        found.add(422)
    if ("header", "idempotency-key") in names:
        found |= {400, 409, 503, 504}
    if "requestBody" in operation and path.startswith("/config"):
        found.add(400)  # a number or a key that the configuration cannot hold
    if ("header", "if-match") in names:
        found |= {400, 412}
    if path.startswith("/auth/") and method != "get":
        found |= {400, 429, 503}
    return found


def _own_words(status: int, declared: str) -> str:
    """The route's own description; the table's where FastAPI wrote only the phrase of HTTP."""
    return declared if declared and not _is_phrase(declared) else MEANING[status]


def _is_phrase(text: str) -> bool:
    words = text.split()
    return len(words) <= 3 and all(word[:1].isupper() for word in words)
