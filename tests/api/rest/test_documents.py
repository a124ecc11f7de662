"""The OpenAPI document, the pages that show it, and docs/api.md."""

import re
from pathlib import Path

from services.api.app import create_app
from services.api.routes import docs
from services.api.ws.router import ws_routes
from shared.bus.keys import Keys
from tests.api.rest.conftest import Api

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "api.md"


def _documented() -> set[tuple[str, str]]:
    """Method and path of every table row; sockets have no method."""
    found = set()
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or len(cells) < 2:
            continue
        methods = re.fullmatch(r"[A-Z]+(, [A-Z]+)*", cells[0])
        for path in re.findall(r"`(/[^`]*)`", cells[1] if methods else cells[0]):
            for method in cells[0].split(", ") if methods else ["WEBSOCKET"]:
                found.add((method, path))
    return found


def test_every_route_is_documented_and_every_documented_route_exists() -> None:
    app = create_app("redis://127.0.0.1:1/0", Keys())
    paths = app.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    routes |= {("WEBSOCKET", getattr(route, "path", "")) for route in ws_routes().routes}
    routes |= {("GET", getattr(route, "path", "")) for route in docs.router.routes}
    routes.add(("GET", "/openapi.json"))
    assert _documented() == routes


async def test_the_openapi_document(api: Api) -> None:
    found = (await api.http.get("/api/openapi.json")).json()
    assert found["info"]["title"] == "Distributed Unlimited Media Bridge"
    assert not any(path.startswith("/api") or path.endswith("/") for path in found["paths"])
    start = found["paths"]["/process/start-service"]["post"]
    assert {"200", "202", "404", "409", "422", "500", "503", "504"} <= start["responses"].keys()
    names = {parameter["name"].lower() for parameter in start["parameters"]}
    assert names == {"prefer", "idempotency-key", "wait"}
    assert "/docs" not in found["paths"]
    assert "/scalar" not in found["paths"]


async def test_pages_find_the_document_behind_any_prefix(api: Api) -> None:
    for page in ("/docs", "/scalar"):
        for spelled, url in ((page, "openapi.json"), (f"/api{page}/", "../openapi.json")):
            answer = await api.http.get(spelled)
            assert answer.headers["content-type"].startswith("text/html")
            assert re.search(rf"['\"]{re.escape(url)}['\"]", answer.text), spelled
    assert (await api.http.get("/redoc")).status_code == 404
