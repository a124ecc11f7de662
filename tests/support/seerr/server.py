"""A Seerr over real HTTP: `SeerrWorld` behind a socket, its answers held against the schema.

A server of a few lines and not a framework's, because it has to cut connections, answer nonsense
and answer late, and because 100 pages of 100 requests must not cost the test its time.
"""

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson
from jsonschema import Draft202012Validator

from tests.support.connections import listening
from tests.support.seerr.world import APPROVED, DECLINED, Refusal, SeerrWorld

KEY: Final = "seerr-key-0123456789abcdef"
_SCHEMA: Final = orjson.loads((Path(__file__).parent / "schema.json").read_bytes())


def validator(name: str) -> Draft202012Validator:
    """Of one schema of Seerr's API."""
    return Draft202012Validator({**_SCHEMA, "$ref": f"#/$defs/{name}"})


@dataclass(frozen=True)
class Fault:
    """What happens in the place of an answer.

    `status` with `headers` and `body`; or `cut`: the connection is closed, `after` True once the
    request took effect; or `delay` seconds before the true answer.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"message":"made to fail"}'
    cut: bool = False
    after: bool = False
    delay: float = 0.0


Chooser = Callable[[str, str], Fault | None]
"""From method and path (without `/api/v1`) to a fault, or None."""


@dataclass
class FakeSeerr:
    """One server. `calls` counts requests by method and kind of path."""

    world: SeerrWorld
    key: str = KEY
    check_schema: bool = True
    choose: Chooser = lambda _method, _path: None
    next_faults: deque[Fault] = field(default_factory=deque)
    """For the next requests, whichever they are."""
    calls: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Answers or bodies that the schema does not allow."""
    port: int = 0
    under_way: int = 0
    most_at_once: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def as_subordinate(self) -> dict[str, str]:
        """Its entry in `external_subordinates`."""
        return {"url": self.url, "api_key": self.key}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while (request := await _read(reader)) is not None:
                self.under_way += 1
                self.most_at_once = max(self.most_at_once, self.under_way)
                try:
                    answer = await self._answer(*request)
                finally:
                    self.under_way -= 1
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return

    async def _answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> bytes | None:
        split = urlsplit(target)
        path = split.path.removeprefix("/api/v1")
        self.calls[f"{method} {re.sub(r'[0-9]+', '#', path)}"] += 1
        fault = self.next_faults.popleft() if self.next_faults else self.choose(method, path)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.status:
            return _render(fault.status, fault.body, fault.headers)
        if fault is not None and fault.cut and not fault.after:
            return None
        try:
            status, tree = self._act(method, path, parse_qs(split.query), headers, body)
        except Refusal as refusal:
            status, tree = refusal.status, {"message": str(refusal)}
        if fault is not None and fault.cut:
            return None
        return _render(status, b"" if tree is None else orjson.dumps(tree), {})

    def _act(
        self,
        method: str,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: bytes,
    ) -> tuple[int, Any]:
        if (method, path) == ("GET", "/status"):
            return 200, self._checked("Status", {"version": "2.7.0", "commitTag": "fake"})
        if headers.get("x-api-key") != self.key:
            raise Refusal(403, "You do not have permission to access this endpoint")
        take, skip = int(query.get("take", ["10"])[0]), int(query.get("skip", ["0"])[0])
        match method, path.strip("/").split("/"):
            case "GET", ["auth", "me"]:
                return 200, self._checked("User", self.world.show_user(1))
            case "GET", ["user"]:
                numbers = sorted(self.world.users)
                page = {
                    "pageInfo": {"page": 1, "pages": 1, "results": len(numbers)},
                    "results": [self.world.show_user(n) for n in numbers[skip : skip + take]],
                }
                return 200, self._checked("UserPage", page)
            case "GET", ["request"]:
                return 200, self._checked("RequestPage", self.world.page(take, skip))
            case "POST", ["request"]:
                return 201, self._create(orjson.loads(body))
            case "GET", ["request", number]:
                return 200, self._shown(int(number))
            case "DELETE", ["request", number]:
                self.world.delete(int(number))
                return 204, None
            case "POST", ["request", number, ("approve" | "decline") as verb]:
                status = APPROVED if verb == "approve" else DECLINED
                return 200, self._shown(self.world.set_status(int(number), status).id)
        raise Refusal(404, "not found")

    def _create(self, tree: dict[str, Any]) -> dict[str, Any]:
        self._checked("NewRequest", tree)
        self.bodies.append(tree)
        item = self.world.create(
            tree["mediaType"],
            tree["mediaId"],
            is4k=tree.get("is4k", False),
            seasons=frozenset(tree.get("seasons", [])),
            user=tree.get("userId") or 1,
        )
        return self._shown(item.id)

    def _shown(self, number: int) -> dict[str, Any]:
        shown = self.world.show(self.world.get(number))
        self._checked("MediaRequest", shown)
        return shown

    def _checked(self, name: str, tree: Any) -> Any:
        if self.check_schema:
            self.problems += [e.message for e in validator(name).iter_errors(tree)]
        return tree


@asynccontextmanager
async def serving(*fakes: FakeSeerr) -> AsyncIterator[None]:
    """Each on a free port of the loopback, in this loop."""
    async with AsyncExitStack() as stack:
        for fake in fakes:
            fake.port = await stack.enter_async_context(listening(fake.serve))
        yield


async def _read(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str], bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
    return method, target, headers, await reader.readexactly(int(headers.get("content-length", 0)))


def _render(status: int, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X"]
    if status != 204:
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + (body if status != 204 else b"")
