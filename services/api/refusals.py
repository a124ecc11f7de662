"""What the server itself refuses, before ASGI: with the security headers, and as JSON."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from websockets.http11 import Response
from websockets.server import ServerProtocol

from services.api.answers import Json
from services.api.headers import SECURITY


def raw_refusal(sentence: str) -> bytes:
    """A whole 400 as it goes over the wire."""
    body = Json({"detail": sentence}).body
    fields = {
        **SECURITY,
        "content-type": Json.media_type,
        "content-length": str(len(body)),
        "connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return STATUS_LINE[400] + head.encode() + b"\r\n" + bytes(body)


class Http(HttpToolsProtocol):
    """uvicorn's, whose answer to bytes that are no request is plain text without headers."""

    def send_400_response(self, msg: str) -> None:
        self.transport.write(raw_refusal(msg))
        self.transport.close()


class Handshake(ServerProtocol):
    """The opening of a WebSocket: refusals of every kind have the headers."""

    def send_response(self, response: Response) -> None:
        if response.status_code != 101:
            for name, value in SECURITY.items():
                if name not in response.headers:
                    response.headers[name] = value
        super().send_response(response)
