"""An HTTP server on 127.0.0.1:<argv 1> that does what files in its working directory say.

`status`: the code of every answer (default 200); `deaf`: it closes its port and lives on;
`exit`: it ends with the code in it. Each start adds a line to `starts`.
"""

import os
import signal
import socket
import sys
from pathlib import Path


def text(name: str, default: str) -> str:
    path = Path(name)
    return path.read_text() if path.exists() else default


with Path("starts").open("a") as starts:
    starts.write(f"{os.getpid()}\n")
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
server.settimeout(0.01)
while True:
    if code := text("exit", ""):
        sys.exit(int(code))
    if Path("deaf").exists():
        server.close()
        Path("deaf-now").touch()
        signal.pause()
    try:
        client, _ = server.accept()
    except TimeoutError:
        continue
    with client:
        client.settimeout(1)
        try:
            client.recv(4096)
            body = text("body", "ok")
            head = f"HTTP/1.1 {text('status', '200')} x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall((head + body).encode())
        except OSError:
            continue
