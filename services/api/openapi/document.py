"""The OpenAPI document: FastAPI's, completed so that generators make whole clients of it."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from services.api.auth.roles import EXEMPT
from services.api.openapi.errors import JSON, error_response, implied_errors
from services.api.openapi.examples import add_examples
from services.api.openapi.headers import plain_headers, success_headers

Tree = dict[str, Any]

TAGS: Final = {
    "auth": "Accounts, logins and API tokens",
    "process": "Start, stop, restart and watch services; receipts of commands",
    "updates": "Updates of services: not built, the answers say so",
    "logs": "Lines of services by byte cursor",
    "config": "The configuration: read, change, versions, schemas, application files",
    "metrics": "Measurements of the host and the services, now and in the past",
    "jobs": "Background jobs: what runs, what will, stop and repeat",
    "seerr-sync": "Requests of one Seerr copied to others",
    "health": "Whether all is well, for people and for load balancers; who did what",
}
"""What each group of operations is for, in the order of the document."""

SERVERS: Final = [
    {"url": "/", "description": "Every path"},
    {"url": "/api", "description": "The same paths, as the frontend writes them"},
]


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: a verb and what it is about, unique in the API."""
    return route.name


def complete_document(app: FastAPI) -> None:
    """Make `app.openapi` return the completed document, built once."""
    build = app.openapi

    def openapi() -> Tree:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(build())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: Tree) -> Tree:
    document["servers"] = SERVERS
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    for method, path, operation in operations(document):
        exempt = (method.upper(), path) in EXEMPT
        if exempt:
            operation.pop("security", None)
        operation["parameters"] = plain_headers(operation.get("parameters", []))
        if not operation["parameters"]:
            del operation["parameters"]
        _complete_errors(method, path, operation, exempt=exempt)
        success_headers(operation)
    add_examples(document)
    return document


def operations(document: Tree) -> Iterator[tuple[str, str, Tree]]:
    """Method (lower case), path and object of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _complete_errors(method: str, path: str, operation: Tree, *, exempt: bool) -> None:
    responses: Tree = operation["responses"]
    declared = {int(code) for code in responses if int(code) >= 400}
    implied = implied_errors(operation, exempt=exempt, method=method, path=path)
    for status in sorted(declared | implied):
        known = responses.pop(str(status), None)
        if path == "/readyz" and status == 503:  # its own shape: what is missing
            responses[str(status)] = known
            continue
        responses[str(status)] = error_response(status, known)


__all__ = ["JSON", "TAGS", "complete_document", "operation_id", "operations"]
