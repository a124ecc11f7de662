"""How a replica leaves: told to end, it goes on serving until the balancer has noticed."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Leaving:
    """Whether this replica is on its way out. `/readyz` is red from then on."""

    def __init__(self) -> None:
        self.begun = False


class LastAnswers:
    """While leaving, every answer closes its connection.

    A balancer keeps connections for its next requests, and one that meets our end is lost.
    """

    def __init__(self, app: ASGIApp, leaving: Leaving) -> None:
        self._app = app
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if self._leaving.begun and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing)
