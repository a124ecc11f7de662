"""`/docs` and `/scalar` in a real browser that reaches nothing but 127.0.0.1."""

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from services.api.policy import DEFAULT
from services.api.routes import docs
from tests.api.rest.conftest import CONFIG, Api
from tests.support.browser import Browser, Page, needs_browser
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.wait import wait_until

pytestmark = needs_browser


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser("--window-size=1400,1000") as found:
        yield found


def base(api: Api) -> str:
    return f"http://127.0.0.1:{api.port}"


async def click_button(page: Page, words: str) -> None:
    """The first button whose text begins so."""
    found = f"[...document.querySelectorAll('button')].find(b => b.innerText.startsWith('{words}'))"
    await page.wait_for(f"!!{found}")
    await page.evaluate(f"{found}.click()")


@pytest.mark.parametrize("spelled", ["/docs", "/api/docs/"])
async def test_swagger_ui(api: Api, browser: Browser, spelled: str) -> None:
    page = await browser.open(base(api) + spelled)
    paths = (await api.http.get("/openapi.json")).json()["paths"]
    operations = sum(len(methods) for methods in paths.values())
    await page.wait_for(f"document.querySelectorAll('.opblock').length === {operations}")
    # One with a body and responses, and one that is asked.
    await page.click("#operations-process-start_service button")
    await page.wait_for("document.querySelectorAll('.opblock.is-open .response').length > 3")
    livez = "#operations-health-get_liveness"
    await page.click(f"{livez} button")
    await page.click(f"{livez} .try-out__btn")
    await page.click(f"{livez} .execute")
    shown = f"document.querySelector('{livez} .live-responses-table')?.innerText ?? ''"
    await page.wait_for(f"({shown}).includes('alive')")
    assert page.answers[f"{base(api)}/livez"] == 200
    page.assert_clean()


@pytest.mark.parametrize("spelled", ["/scalar", "/api/scalar/"])
async def test_scalar(api: Api, browser: Browser, spelled: str) -> None:
    page = await browser.open(f"{base(api)}{spelled}#tag/health/GET/livez")
    await page.wait_for("document.querySelectorAll('section[id*=\"GET/livez\"]').length === 1")
    await click_button(page, "Test Request\\n(get /livez)")
    await click_button(page, "Send\\n")
    await page.wait_for("document.body.innerText.includes('200 OK')")
    prefix = "/api" if spelled.startswith("/api") else ""
    assert page.answers[f"{base(api)}{prefix}/livez"] == 200
    page.assert_clean()


@pytest.mark.parametrize(
    ("name", "setting", "forbidden"),
    [("docs", "SWAGGER", "img-src"), ("scalar", "scalar_policy", "style-src")],
)
async def test_what_a_page_may_more_is_what_it_needs(
    api: Api, browser: Browser, name: str, setting: str, forbidden: str
) -> None:
    """Under the policy of all other answers exactly the directives that it has are violated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docs, setting, DEFAULT if setting.isupper() else lambda *_: DEFAULT)
        page = await browser.open(f"{base(api)}/{name}")
    await wait_until(lambda: page.violations, what="the exception to be needed")
    await page.wait_for("document.querySelectorAll('a, button').length > 30")
    assert all(violation.startswith(forbidden) for violation in page.violations)


@asynccontextmanager
async def frontend(target: str) -> AsyncIterator[int]:
    """A page of another origin that embeds `target`; its port."""
    text = f"<!doctype html><title>f</title><iframe src='{target}'></iframe>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(text)}\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"{head}Connection: close\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def embedded(browser: Browser, port: int) -> bool:
    """Whether the frame of the page at `port` shows what it was told to."""
    page = await browser.open(f"http://127.0.0.1:{port}/")
    tree = (await page.call("Page.getFrameTree"))["frameTree"]
    (child,) = tree["childFrames"]
    return "unreachableUrl" not in child["frame"]


async def test_a_configured_frontend_embeds_scalar_and_nothing_else(
    api: Api, supervisor: ScriptedSupervisor, browser: Browser
) -> None:
    async with frontend(f"{base(api)}/scalar") as neighbor, frontend(f"{base(api)}/docs") as other:
        assert not await embedded(browser, neighbor)
        config = copy.deepcopy(CONFIG)
        origins = [f"http://0.0.0.0:{neighbor}", f"http://127.0.0.1:{other}"]
        config["dumb"]["frontend"]["origins"] = origins
        await supervisor.publish_config(config, version=2)
        assert await embedded(browser, neighbor)
        assert not await embedded(browser, other)
