"""The REST API as the command line uses it."""

import json
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import urlsplit

from shared.errors import DumbError
from shared.exits import Exit

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

QUICK_S: Final = 10.0
SOCKET_S: Final = 5.0
"""To open a WebSocket."""
LONG_S: Final = 900.0
"""What waits for an outcome answers when done; the supervisor's own deadlines are shorter."""


class AwayError(DumbError):
    """Nothing that is our API answers there."""

    code = "api_away"
    exit_code = Exit.UNAVAILABLE


class RefusedError(DumbError):
    """The API answered with an error of HTTP `status`; the message is its `detail`, and advice."""

    code = "api_refused"

    def __init__(self, status: int, detail: str, advice: str = "") -> None:
        super().__init__(f"{detail.rstrip('.')}. {advice}" if advice else detail)
        self.status = status
        self.detail = detail


class LockedOutError(RefusedError):
    """401 or 403."""

    code = "api_locked_out"
    exit_code = Exit.NO_PERMISSION


class DelayedError(RefusedError):
    """429: too many failed attempts. One with `ticket` is checked in `retry_after` seconds."""

    code = "api_delayed"

    def __init__(self, detail: str, ticket: str, retry_after: int) -> None:
        super().__init__(429, detail)
        self.ticket = ticket
        self.retry_after = retry_after


class UnavailableError(RefusedError):
    """503: something that the API needs is away."""

    code = "api_unavailable"
    exit_code = Exit.UNAVAILABLE


Trust = Callable[[], ssl.SSLContext]
"""Whose certificates are accepted. Asked only where TLS is spoken."""


class Credentials(Protocol):
    """What a client sends along, and how it gets a new one."""

    def token(self) -> str:
        """The bearer token, "" for none. Raises `DumbError` when it cannot be read."""

    def renew(self, refused: str) -> bool:
        """After a 401 for the token `refused`: whether there is another one now."""

    def advice(self) -> str:
        """What somebody can do whose token is refused."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A success. `tree` is a JSON object."""

    tree: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Requests to one API.

    Args:
        base: `http://host:port`, or `https:`.
        trust: whose certificates are accepted.
        setup_code: what the API wants while there is no account, "" for nothing.
        host: sent in `Host`, unless "": the one of `base`.
    """

    def __init__(
        self,
        base: str,
        credentials: Credentials,
        trust: Trust = ssl.create_default_context,
        *,
        setup_code: str = "",
        host: str = "",
    ) -> None:
        self.base = base
        self.credentials = credentials
        self.setup_code = setup_code
        self._host = host
        self._httpx = httpx = _load_httpx()
        self._tls = trust() if base.startswith("https:") else None
        # The API is on this machine or the next: a proxy for the web is not asked.
        self._http = httpx.Client(trust_env=False, verify=self._tls or False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET a JSON object.

        Raises:
            AwayError: nobody answers.
            RefusedError: an answer of 4xx or 5xx.
        """
        return self.send("GET", path, params=query).tree

    def post(self, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """POST a JSON object. Raises as `get` does."""
        return self.send("POST", path, json=body or {}, **more).tree

    def send(self, method: str, path: str, **request: Any) -> Answer:
        """One request; `request` goes to httpx, `timeout` is `QUICK_S`. Raises as `get` does."""
        token = self.credentials.token()
        answer = self._exchange(method, path, token, request)
        if answer.status_code == 401 and self.credentials.renew(token):
            answer = self._exchange(method, path, self.credentials.token(), request)
        if answer.status_code >= 400:
            raise self._refused(answer.status_code, answer.content)
        tree = _json(answer.content)
        if not isinstance(tree, dict):
            raise AwayError(
                f"What answers at {self.base} is not this project's API: set DUMB_API_URL to it."
            )
        return Answer(tree, answer.headers)

    def headers(self, token: str) -> dict[str, str]:
        """The headers that identify the caller; `token` "" for none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if self.setup_code:
            headers["X-Setup-Code"] = self.setup_code
        return headers

    def open_socket(self, path: str) -> "ClientConnection":
        """An open WebSocket, with what identifies the caller.

        Raises:
            OSError, websockets.exceptions.WebSocketException: it cannot be opened.
            DumbError: the login cannot be renewed now.
        """
        from websockets.sync.client import connect

        headers = self.headers(self.credentials.token())
        options: dict[str, Any] = {"ssl": self._tls} if self._tls is not None else {}
        base = urlsplit(self.base)
        scheme, place = ("wss" if self._tls else "ws"), base.netloc
        with ExitStack() as opening:
            if self._host:  # `Host` follows from the URL, the connection from the address
                place = self._host
                at = base.hostname or "", base.port or (443 if self._tls else 80)
                options["sock"] = connection = socket.create_connection(at, SOCKET_S)
                opening.callback(connection.close)  # unless it is opened
            opened: ClientConnection = connect(
                f"{scheme}://{place}{base.path}{path}",
                additional_headers=headers,
                proxy=None,
                open_timeout=SOCKET_S,
                **options,
            )
            opening.pop_all()
        return opened

    def _exchange(self, method: str, path: str, token: str, request: dict[str, Any]) -> Any:
        headers = {**request.get("headers", {}), **self.headers(token)}
        if self._host:
            headers["Host"] = self._host
        more = {"timeout": QUICK_S, **request, "headers": headers}
        try:
            return self._http.request(method, f"{self.base}{path}", **more)
        except UnicodeEncodeError as error:
            raise DumbError("What was typed holds bytes that are no text.") from error
        except (self._httpx.ReadError, self._httpx.RemoteProtocolError) as error:
            if method == "GET":
                raise self._away(error) from error
            raise AwayError(
                f"The API at {self.base} was lost before it answered ({_words(error)}). Whether "
                "it was done is not known: `dumb commands list` shows it."
            ) from error
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> AwayError:
        root = _root(error)
        if isinstance(root, ssl.SSLCertVerificationError):
            return AwayError(
                f"The certificate of {self.base} is not trusted ({root.verify_message}): set "
                "DUMB_TLS_CA to a file with the authority that signed it, or with the certificate "
                "itself if it signed itself."
            )
        return AwayError(
            f"The API does not answer at {self.base} ({_words(error)}): start it with `make run` "
            "or `dumb up`, or set DUMB_API_URL, DUMB_HOME or DUMB_API_SERVICE_PORT to the one "
            "that runs."
        )

    def _refused(self, status: int, body: bytes) -> RefusedError:
        detail = _detail(body, status)
        if status == 401:
            return LockedOutError(status, detail, self.credentials.advice())
        if status == 429 and (delayed := _delayed(detail, body)) is not None:
            return delayed
        kinds = {403: LockedOutError, 503: UnavailableError}
        return kinds.get(status, RefusedError)(status, detail)


def _load_httpx() -> Any:
    """httpx without its own command line, which costs 25 ms of rich and pygments."""
    # None is what makes an import fail, and httpx has an answer to that.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    import httpx

    return httpx


def _detail(body: bytes, status: int) -> str:
    """The sentence in an error answer: `detail`, a validation list, or the plain text."""
    tree = _json(body)
    detail = tree.get("detail") if isinstance(tree, dict) else None
    if isinstance(detail, str) and detail:
        return detail
    if isinstance(detail, list):
        return "; ".join(map(_fault, detail))
    return body.decode("utf-8", "replace").strip()[:500] or f"HTTP status {status}"


def _delayed(detail: str, body: bytes) -> DelayedError | None:
    """None for a 429 without a ticket, as another program on the way may send it."""
    match _json(body):
        case {"ticket": str(ticket), "retry_after": int(wait)} if 0 < wait <= LONG_S:
            return DelayedError(detail, ticket, wait)
    return None


def _fault(entry: Any) -> str:
    """One entry of a 422: `{type, loc, msg, input}`."""
    if not isinstance(entry, dict):
        return str(entry)
    where = ".".join(str(part) for part in entry.get("loc", []) if part not in {"body", "query"})
    return f"{where}: {entry.get('msg')}" if where else str(entry.get("msg"))


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _root(error: BaseException) -> BaseException:
    """The error that began it."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return error


def _words(error: BaseException) -> str:
    """What the system said at the root of it: "Connection refused"."""
    error = _root(error)
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
