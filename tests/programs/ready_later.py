"""A media service: HTTP on 127.0.0.1:<argv 1> after <argv 2> seconds, or once that file is there.

Whatever is asked, the answer satisfies the probes of the services that it stands in for.
"""

import socket
import sys
import time
from pathlib import Path

ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n<MediaContainer/>"

try:
    time.sleep(float(sys.argv[2]))
except ValueError:
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        client, _ = server.accept()
        with client:
            if client.recv(4096):
                client.sendall(ANSWER)
