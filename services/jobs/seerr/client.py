"""One Seerr over HTTP (contract seerr-sync.md 3): what is asked, and what can go wrong."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final

from services.jobs.seerr.requests import Request, parse_request
from shared.errors import DumbError
from shared.outbound import Answer, Outbound, OutboundError, RefusedTargetError
from shared.redaction import redact_text

PAGE: Final = 100
MAX_PAGES: Final = 10_000
READ_AGAIN: Final = 3
"""So often a list is begun anew that changed while it was read."""
READY_S: Final = 10.0
PROBE_S: Final = 5.0
PROBE_EVERY_S: Final = 2.0
LONGEST_WAIT_S: Final = 30.0
"""A longer `Retry-After` ends the round; the next one begins no sooner."""
DEFAULT_WAIT_S: Final = 5.0
MESSAGE_CHARS: Final = 300


class SeerrError(DumbError):
    """Something went wrong with one Seerr; one sentence, without its key."""

    code = "seerr"


class RefusedError(SeerrError):
    """It answered, and said no to this request."""

    code = "seerr_refused"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class TroubleError(SeerrError):
    """No answer, an unusable one, or a fault of the server: it may work the next time."""

    code = "seerr_trouble"


class UnusableError(SeerrError):
    """Nothing that is asked there would work: a wrong key, a refused address."""

    code = "seerr_unusable"


class LimitedError(SeerrError):
    """It wants to be left alone for `seconds`."""

    code = "seerr_limited"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it asks for no more requests for {seconds:.0f} s (HTTP 429)")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Seerr is and how it knows us."""

    label: str
    url: str
    api_key: str = field(repr=False)


class SeerrClient:
    """Raises only `SeerrError`s. Of a 429 every request of this client takes notice."""

    def __init__(self, place: Place, http: Outbound) -> None:
        self.label = place.label
        self.calls = 0
        self._url = f"{place.url}/api/v1"
        self._key = place.api_key
        self._http = http
        self._resume_at = 0.0

    async def wait_ready(self) -> bool:
        """Whether it answers, within 10 s."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                await self._ask("GET", "/status", seconds=PROBE_S)
            except (TroubleError, RefusedError):
                if time.monotonic() + PROBE_EVERY_S > deadline:
                    return False
                await asyncio.sleep(PROBE_EVERY_S)
            else:
                return True

    async def check_key(self) -> None:
        """Raises `UnusableError` when it does not take our key: `/status` would not tell."""
        try:
            await self._ask("GET", "/request?take=1&skip=0&sort=modified")
        except RefusedError as error:
            if error.status == 403:
                raise UnusableError("it refuses the API key (HTTP 403)") from None
            raise

    async def list_requests(
        self, progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> list[Request]:
        """All requests, the latest change first.

        A list from which something was missed would look as if that had been deleted. So it is
        complete, or there is none: every page said the same total, and that many were found.
        """
        for _ in range(READ_AGAIN):
            found = await self._list_once(progress)
            if found is not None:
                return found
        raise TroubleError("its list of requests changes faster than it can be read")

    async def _list_once(self, progress: Callable[[int, int], None]) -> list[Request] | None:
        """None: it changed meanwhile."""
        found: dict[int, Request] = {}
        totals: set[int] = set()
        skip = 0
        for _ in range(MAX_PAGES):
            path = f"/request?take={PAGE}&skip={skip}&sort=modified"
            total, page = _page(await self._json("GET", path))
            totals.add(total)
            found.update((request.id, request) for request in page if request.id not in found)
            skip += len(page)
            progress(min(skip, total), total)
            if skip >= total or not page:
                break
        return list(found.values()) if totals == {len(found)} else None

    async def has_request(self, request_id: int) -> bool:
        """Whether it still has this request."""
        try:
            await self._ask("GET", f"/request/{request_id}")
        except RefusedError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def create(self, body: dict[str, Any]) -> Request:
        """Make a request. A title that is requested already: `RefusedError` with status 409.

        A 2xx without an id (no season is left to request) is one with status 202.
        """
        answer = await self._ask("POST", "/request", body)
        tree = _tree(answer)
        if tree is None:
            raise RefusedError(answer.status, "empty response")
        try:
            return parse_request(tree)
        except ValueError:
            text = answer.body[:200].decode("utf-8", "replace")
            raise RefusedError(202, self._clean(f"response missing id: {text}")) from None

    async def set_status(self, request_id: int, verb: str) -> int:
        """`approve` or `decline`; the status that it has now."""
        tree = await self._json("POST", f"/request/{request_id}/{verb}")
        try:
            return parse_request(tree).status
        except ValueError:
            return {"approve": 2, "decline": 3}[verb]

    async def delete(self, request_id: int) -> None:
        """Delete a request; one that is not there is deleted."""
        try:
            await self._ask("DELETE", f"/request/{request_id}")
        except RefusedError as error:
            if error.status != 404:
                raise

    async def users_by_email(self) -> dict[str, int]:
        """Ids of its users by their address, in lower case."""
        found: dict[str, int] = {}
        skip = 0
        for _ in range(MAX_PAGES):
            tree = await self._json("GET", f"/user?take={PAGE}&skip={skip}")
            users = tree.get("results") if isinstance(tree, dict) else None
            if not isinstance(users, list) or not users:
                break
            for user in users:
                email, number = (user or {}).get("email"), (user or {}).get("id")
                if isinstance(email, str) and isinstance(number, int):
                    found.setdefault(email.strip().lower(), number)
            skip += len(users)
        return found

    async def _json(self, method: str, path: str) -> Any:
        return _tree(await self._ask(method, path))

    async def _ask(
        self, method: str, path: str, body: Any = None, *, seconds: float = 30.0
    ) -> Answer:
        """An answer with a 2xx."""
        headers = {"X-Api-Key": self._key, "Accept": "application/json"}
        waited = 0.0
        while True:
            pause = self._resume_at - time.monotonic()
            if pause > 0:
                waited += pause
                await asyncio.sleep(pause)
            self.calls += 1
            try:
                answer = await self._http.ask(
                    method, f"{self._url}{path}", headers=headers, body=body, seconds=seconds
                )
            except RefusedTargetError as error:
                raise UnusableError(self._clean(str(error))) from None
            except OutboundError as error:
                raise TroubleError(self._clean(str(error))) from None
            if answer.status != 429:
                return self._judged(answer)
            pause = retry_after(answer.retry_after, time.time())
            if waited + pause > LONGEST_WAIT_S:
                raise LimitedError(pause)
            self._resume_at = max(self._resume_at, time.monotonic() + pause)

    def _judged(self, answer: Answer) -> Answer:
        if answer.ok:
            return answer
        message = self._clean(_message(answer))
        if answer.status == 401:
            raise UnusableError("it refuses the API key (HTTP 401)")
        if answer.status >= 500 or answer.status in {408, 425}:
            raise TroubleError(message)
        raise RefusedError(answer.status, message)

    def _clean(self, text: str) -> str:
        """What a server says may repeat what we sent it."""
        if self._key:
            text = text.replace(self._key, "***")
        return redact_text(text)[:MESSAGE_CHARS]


def retry_after(header: str, now: float) -> float:
    """Seconds of a `Retry-After`, which is a number or a date; `now` in epoch seconds."""
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, TypeError):
        return DEFAULT_WAIT_S


def _tree(answer: Answer) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise TroubleError("its answer is no JSON") from None


def _page(tree: Any) -> tuple[int, list[Request]]:
    """The total, and the requests of one page."""
    try:
        total, results = tree["pageInfo"]["results"], tree["results"]
        return int(total), [parse_request(item) for item in results]
    except (ValueError, TypeError, KeyError):
        raise TroubleError("its list of requests cannot be read") from None


def _message(answer: Answer) -> str:
    """What the server says about it, else the code alone (contract 7, A21)."""
    try:
        tree = answer.json()
    except ValueError:
        tree = None
    said = (tree.get("message") or tree.get("error")) if isinstance(tree, dict) else None
    return said if isinstance(said, str) and said.strip() else f"HTTP {answer.status}"
