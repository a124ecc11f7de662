"""A real Chromium without network, driven over the DevTools protocol.

    async with Browser() as browser:
        page = await browser.open(f"http://127.0.0.1:{port}/docs")
        await page.wait_for("document.querySelectorAll('.opblock').length > 10")
        page.assert_clean()

Every name but 127.0.0.1 fails to resolve, so nothing leaves this machine; what a page tried all the
same is in `page.foreign`. https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.wait import wait_until

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # as root, and in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
START_S: Final = 30.0
ANSWER_S: Final = 20.0
WAIT_S: Final = 20.0
LOCAL: Final = frozenset({"127.0.0.1", ""})
"""Hosts of requests that stay here; data: and blob: URLs have none."""


def find_browser() -> str | None:
    """Path of a Chromium; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


needs_browser: Final = pytest.mark.skipif(
    find_browser() is None, reason=f"none of {', '.join(NAMES)} is on PATH"
)


class Page:
    """One tab. What it does is recorded from before its first request."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        """URLs of all requests, sockets included, in their order."""
        self.answers: dict[str, int] = {}
        """URL to the last status."""
        self.errors: list[str] = []
        """Errors and warnings of the console, uncaught exceptions, failed loads."""
        self.violations: list[str] = []
        """What a Content-Security-Policy forbade: directive and URL."""

    @property
    def foreign(self) -> list[str]:
        """Requests to other hosts than 127.0.0.1, whether they were let out or not."""
        return [url for url in self.requests if (urlsplit(url).hostname or "") not in LOCAL]

    def assert_clean(self) -> None:
        """Nothing foreign was asked for, nothing failed, nothing was forbidden."""
        assert self.foreign == []
        assert self.violations == []
        assert self.errors == []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A method of the protocol, for this tab."""
        return await self._browser.call(method, self._session, **parameters)

    async def go(self, url: str) -> None:
        """Load `url` and wait for its load event."""
        loaded = self._browser.next_event(self._session, "Page.loadEventFired")
        answer = await self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        async with asyncio.timeout(WAIT_S):
            await loaded

    async def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression; a promise is awaited."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(f"{expression}: {details.get('exception', details)}")
        return answer["result"].get("value")

    async def wait_for(self, expression: str, timeout: float = WAIT_S) -> Any:
        """Wait until an expression is true; its value."""
        found: list[Any] = []

        async def true() -> bool:
            found[:] = [await self.evaluate(expression)]
            return bool(found[0])

        try:
            await wait_until(true, timeout=timeout)
        except TimeoutError:
            told = f"errors: {self.errors}, forbidden: {self.violations}"
            raise AssertionError(f"{expression} is still {found}; {told}") from None
        return found[0]

    async def click(self, selector: str) -> None:
        """Wait for an element, and click it as a script would."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.wait_for(f"!!{found}")
        await self.evaluate(f"{found}.click()")

    async def fill(self, selector: str, text: str) -> None:
        """Wait for a field, and type into it."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.wait_for(f"!!{found}")
        await self.evaluate(f"({found}.focus(), {found}.select?.())")
        await self.call("Input.insertText", text=text)

    async def text(self) -> str:
        """What the page shows as text."""
        return str(await self.evaluate("document.body.innerText"))

    async def screenshot(self, path: Path) -> None:
        """A PNG, to look at while a test is written."""
        answer = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    def heard(self, method: str, event: dict[str, Any]) -> None:
        """Record an event."""
        record = _RECORD.get(method)
        if record is not None:
            record(self, event)


def _requested(page: Page, event: dict[str, Any]) -> None:
    page.requests.append(event["request"]["url"])


def _socket_opened(page: Page, event: dict[str, Any]) -> None:
    page.requests.append(event["url"])


def _answered(page: Page, event: dict[str, Any]) -> None:
    page.answers[event["response"]["url"]] = event["response"]["status"]


def _printed(page: Page, event: dict[str, Any]) -> None:
    if event["type"] in {"error", "warning", "assert"}:
        said = [str(a.get("value", a.get("description"))) for a in event["args"]]
        page.errors.append(" ".join(said))


def _thrown(page: Page, event: dict[str, Any]) -> None:
    details = event["exceptionDetails"]
    page.errors.append(str(details.get("exception", {}).get("description", details["text"])))


def _logged(page: Page, event: dict[str, Any]) -> None:
    entry = event["entry"]
    if entry["level"] in {"error", "warning"}:
        page.errors.append(f"{entry['text']} ({entry.get('url', '')})")


def _issue(page: Page, event: dict[str, Any]) -> None:
    details = event["issue"]["details"].get("contentSecurityPolicyIssueDetails")
    if details is not None:
        place = details.get("sourceCodeLocation", {})
        at = f" at {place.get('url')}:{place.get('lineNumber')}" if place else ""
        what = details.get("blockedURL") or details["contentSecurityPolicyViolationType"]
        page.violations.append(f"{details['violatedDirective']}: {what}{at}")


_RECORD: Final[dict[str, Callable[[Page, dict[str, Any]], None]]] = {
    "Network.requestWillBeSent": _requested,
    "Network.webSocketCreated": _socket_opened,
    "Network.responseReceived": _answered,
    "Runtime.consoleAPICalled": _printed,
    "Runtime.exceptionThrown": _thrown,
    "Log.entryAdded": _logged,
    "Audits.issueAdded": _issue,
}


class Browser:
    """A Chromium with a new, empty profile, ended and removed with its context."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self._profile = Path(tempfile.mkdtemp(prefix="dumb-chromium-"))
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: dict[tuple[str, str], list[asyncio.Future[dict[str, Any]]]] = {}
        self._pages: dict[str, Page] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        binary = find_browser()
        assert binary is not None
        try:
            self._process = await asyncio.create_subprocess_exec(
                binary,
                *FLAGS,
                *self._flags,
                f"--user-data-dir={self._profile}",
                "about:blank",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            self._socket = await connect(await self._address(), max_size=None)
            self._reading = asyncio.create_task(self._read(self._socket))
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End it and remove its profile."""
        if self._socket is not None:
            with suppress(Exception):  # it is ended below if this does not do it
                await self.call("Browser.close")
            await self._socket.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        if self._process is not None:
            try:
                async with asyncio.timeout(10):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await asyncio.to_thread(shutil.rmtree, self._profile, ignore_errors=True)

    async def open(self, url: str = "about:blank") -> Page:
        """A new tab; with a URL, loaded."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        session = attached["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            await page.call(f"{domain}.enable")
        if url != "about:blank":
            await page.go(url)
        return page

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """A method of the protocol; its result."""
        assert self._socket is not None
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer = self._waiting[number] = _future()
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(ANSWER_S):
            return await answer

    def next_event(self, session: str, method: str) -> asyncio.Future[dict[str, Any]]:
        """The next event of this name."""
        future = _future()
        self._events.setdefault((session, method), []).append(future)
        return future

    async def _address(self) -> str:
        """Of its socket: Chromium writes port and path into its profile."""
        file = self._profile / "DevToolsActivePort"

        def written() -> bool:
            assert self._process is not None
            assert self._process.returncode is None, "Chromium ended at its start"
            return file.exists() and file.read_text().count("\n") == 1

        await wait_until(written, timeout=START_S, what="Chromium listens")
        port, path = file.read_text().split("\n")
        return f"ws://127.0.0.1:{port}{path}"

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            answer = self._waiting.pop(message.get("id"), None)
            if answer is not None and not answer.done():
                if "error" in message:
                    answer.set_exception(AssertionError(f"{message['error']}"))
                else:
                    answer.set_result(message["result"])
            if "method" in message:
                self._heard(message)

    def _heard(self, message: dict[str, Any]) -> None:
        session, method = message.get("sessionId", ""), message["method"]
        if session in self._pages:
            self._pages[session].heard(method, message["params"])
        for future in self._events.pop((session, method), []):
            if not future.done():
                future.set_result(message["params"])


def _future() -> asyncio.Future[dict[str, Any]]:
    return asyncio.get_running_loop().create_future()
