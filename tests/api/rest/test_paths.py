"""Both prefixes, both spellings; nothing else."""

from itertools import product

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from services.api.paths import Spelling, normalize
from tests.api.rest.conftest import Api
from tests.support.rawhttp import get, raw_exchange, status_of

GET_PATHS = [
    "/process/processes", "/process?process_name=Sonarr", "/process/capabilities",
    "/process/update-notices", "/process/service-status?process_name=Sonarr", "/config",
    "/config/onboarding-status", "/health", "/livez", "/readyz", "/logs?process_name=Sonarr",
    "/docs", "/scalar", "/openapi.json",
]  # fmt: skip
OTHER_PATHS = [
    "/nothing", "/api", "/", "/redoc", "/api/api/health", "/health//", "//health", "/api//health",
    "/%2Fhealth", "/api%2Fhealth", "/process%2Fprocesses", "/API/health", "/apihealth",
    "/api/../health", "/process/./processes", "/health%00", "/health;x",
]  # fmt: skip


async def test_every_route_under_both_prefixes_with_and_without_a_slash(api: Api) -> None:
    for path, prefix, slash in product(GET_PATHS, ("", "/api"), ("", "/")):
        bare, question, query = path.partition("?")
        spelled = f"{prefix}{bare}{slash}{question}{query}"
        assert (await api.http.get(spelled)).status_code == 200, spelled


async def test_head_is_get_without_the_body(api: Api) -> None:
    for path in ("/health", "/api/readyz/", "/process/processes", "/docs", "/config"):
        shown, head = await api.http.get(path), await api.http.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == shown.headers["content-type"]
        wire = await raw_exchange(api.port, get(path.encode(), method=b"HEAD"))
        assert wire.endswith(b"\r\n\r\n"), path
    assert (await api.http.head("/process/start-service")).status_code == 405
    assert (await api.http.head("/nothing")).status_code == 404


async def test_posts_and_receipts_too(api: Api) -> None:
    for path in ("/process/start-service", "/api/process/start-service/"):
        answer = await api.http.post(path, json={"process_name": "Sonarr"})
        assert answer.status_code == 200
        receipt = f"{path.split('/process')[0]}/process/commands/{answer.headers['x-command-id']}"
        for slash in ("", "/"):
            assert (await api.http.get(receipt + slash)).status_code == 200


async def test_sockets_too(api: Api) -> None:
    for path in ("/ws/status", "/api/ws/status", "/api/ws/status/", "/ws/logs/"):
        async with connect(f"ws://127.0.0.1:{api.port}{path}") as socket:
            assert socket.state.name == "OPEN", path


async def test_other_spellings_are_404(api: Api) -> None:
    for path in OTHER_PATHS:
        answer = await raw_exchange(api.port, get(path.encode()))
        assert status_of(answer) == 404, path
        assert answer.endswith(b'{"detail":"Not Found"}')


async def test_an_unknown_socket_is_refused(api: Api) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(f"ws://127.0.0.1:{api.port}/ws/nothing"):
            pass


async def test_the_wrong_verb_is_405(api: Api) -> None:
    for method, path in (("GET", "/process/start-service"), ("POST", "/api/health/"),
                         ("DELETE", "/config"), ("POST", "/config/schema")):  # fmt: skip
        answer = await api.http.request(method, path)
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
        assert "allow" in answer.headers


@pytest.mark.parametrize(
    ("path", "raw", "found"),
    [
        ("/health", b"", ("/health", Spelling())),
        ("/api/process/", b"", ("/process", Spelling("/api", slash=True))),
        ("/api", b"/api", ("/", Spelling("/api"))),
        ("/api/", b"/api/", ("/", Spelling("/api"))),
        ("/", b"/", ("/", Spelling())),
        ("//", b"//", ("//", Spelling())),
        ("/a//", b"/a//", ("/a//", Spelling())),
        ("/api/api/x", b"", ("/api/x", Spelling("/api"))),
        ("/apix", b"/apix", ("/apix", Spelling())),
        ("/api/x", b"/api%2fx", ("/api%2fx", Spelling())),
        ("/x/", b"/x%2F", ("/x%2F", Spelling())),
        ("/api/c/a/b", b"/api/c/a%2Fb", ("/c/a%2Fb", Spelling("/api"))),
    ],
)
def test_normalize(path: str, raw: bytes, found: tuple[str, Spelling]) -> None:
    assert normalize(path, raw) == found


async def test_options_and_allow_name_every_method_of_a_path(api: Api) -> None:
    both = "GET, HEAD, OPTIONS, POST"
    for path in ("/config", "/api/config/", "/auth/tokens"):
        asked = await api.http.options(path)
        assert (asked.status_code, asked.headers["allow"], asked.content) == (204, both, b"")
        wrong = await api.http.put(path)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, both)
    assert (await api.http.options("/nothing/here")).status_code == 404
