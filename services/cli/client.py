"""The REST API as the command line uses it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from shared.errors import DumbError
from shared.exits import Exit

QUICK_S: Final = 10.0
LONG_S: Final = 900.0
"""Start, stop and restart answer when done; the supervisor's own deadlines are shorter."""


class AwayError(DumbError):
    """Nothing that is our API answers there."""

    code = "api_away"
    exit_code = Exit.UNAVAILABLE


class RefusedError(DumbError):
    """The API answered with an error of HTTP `status`; the message is its `detail`."""

    code = "api_refused"

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class LockedOutError(RefusedError):
    """401 or 403."""

    code = "api_locked_out"
    exit_code = Exit.NO_PERMISSION


class UnavailableError(RefusedError):
    """503: something that the API needs is away."""

    code = "api_unavailable"
    exit_code = Exit.UNAVAILABLE


class Client:
    """Requests to one API. `base` is `http://host:port`; `token` "" while authentication is off."""

    def __init__(self, base: str, token: str = "") -> None:
        import httpx

        self.base = base
        self._httpx = httpx
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The API is on this machine or the next: a proxy for the web is not asked.
        self._http = httpx.Client(
            base_url=base, headers=headers, trust_env=False, follow_redirects=False
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET a JSON object.

        Raises:
            AwayError: nobody answers.
            RefusedError: an answer of 4xx or 5xx.
        """
        return self._send("GET", path, QUICK_S, params=query)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object and wait for the outcome. Raises as `get` does."""
        return self._send("POST", path, LONG_S, json=body)

    def _send(self, method: str, path: str, timeout: float, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, timeout=timeout, **request)
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            raise AwayError(
                f"The API does not answer at {self.base} ({_words(error)}): start it with "
                "`make run` or `dumb up`, or set DUMB_API_URL, DUMB_HOME or "
                "DUMB_API_SERVICE_PORT to the one that runs."
            ) from error
        if answer.status_code >= 400:
            raise _refused(answer.status_code, answer.content)
        tree = _json(answer.content)
        if not isinstance(tree, dict):
            raise AwayError(f"What answers at {self.base} is not this project's API.")
        return tree


def _refused(status: int, body: bytes) -> RefusedError:
    kinds = {401: LockedOutError, 403: LockedOutError, 503: UnavailableError}
    return kinds.get(status, RefusedError)(status, _detail(body, status))


def _detail(body: bytes, status: int) -> str:
    """The sentence in an error answer: `detail`, a validation list, or the plain text."""
    tree = _json(body)
    detail = tree.get("detail") if isinstance(tree, dict) else None
    if isinstance(detail, str) and detail:
        return detail
    if detail:
        return json.dumps(detail, ensure_ascii=False)
    return body.decode("utf-8", "replace").strip()[:500] or f"HTTP status {status}"


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _words(error: BaseException) -> str:
    """What the system said at the root of it: "Connection refused"."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
