"""The REST API as the command line uses it: the standard library is enough."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from shared.errors import DumbError

QUICK_S: Final = 10.0
LONG_S: Final = 900.0
"""Start, stop and restart answer when done; the supervisor's own deadlines are shorter."""


class AwayError(DumbError):
    """Nothing that is our API answers there."""

    code = "api_away"


class RefusedError(DumbError):
    """The API answered with an error; the message is its `detail`."""

    code = "api_refused"


class Client:
    """Requests to one API. `base` is `http://host:port`; `token` "" while authentication is off."""

    def __init__(self, base: str, token: str = "") -> None:
        self.base = base
        self._token = token
        # The API is on this machine or the next: a proxy for the web is not asked.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET a JSON object.

        Raises:
            AwayError: nobody answers.
            RefusedError: an answer of 4xx or 5xx.
        """
        tail = f"?{urllib.parse.urlencode(query)}" if query else ""
        return self._send(urllib.request.Request(f"{self.base}{path}{tail}"), QUICK_S)  # noqa: S310

    def post(self, path: str, body: Mapping[str, str]) -> dict[str, Any]:
        """POST a JSON object and wait for the outcome. Raises as `get` does."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            f"{self.base}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        return self._send(request, LONG_S)

    def _send(self, request: urllib.request.Request, timeout: float) -> dict[str, Any]:
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                data = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(_detail(error.read(), error.code)) from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise AwayError(
                f"The API does not answer at {self.base} ({_words(reason)}): start it with "
                "`make run` or `dumb up`, or set DUMB_HOME or DUMB_API_SERVICE_PORT to the one "
                "that runs."
            ) from error
        tree = _json(data)
        if not isinstance(tree, dict):
            raise AwayError(f"What answers at {self.base} is not this project's API.")
        return tree


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


def _words(reason: object) -> str:
    return (isinstance(reason, OSError) and reason.strerror) or str(reason)
