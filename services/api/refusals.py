"""What the server itself refuses, before ASGI: with the security headers, and as JSON."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from websockets.http11 import Response
from websockets.server import ServerProtocol

from services.api.answers import Json
from services.api.headers import SECURITY


def raw_refusal(status: int, sentence: str, more: dict[str, str] | None = None) -> bytes:
    """A whole error as it goes over the wire. `more`: headers of its own."""
    body = bytes(Json({"detail": sentence}).body)
    fields = {
        **SECURITY,
        **(more or {}),
        "content-type": Json.media_type,
        "content-length": str(len(body)),
        "connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return STATUS_LINE[status] + head.encode() + b"\r\n" + body


class Handshake(ServerProtocol):
    """The opening of a WebSocket: refusals of every kind have the headers."""

    def send_response(self, response: Response) -> None:
        if response.status_code != 101:
            for name, value in SECURITY.items():
                if name not in response.headers:
                    response.headers[name] = value
        super().send_response(response)
