"""Listens on 127.0.0.1:<argv 1> after <argv 2> seconds."""

import socket
import sys
import time

time.sleep(float(sys.argv[2]))
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        server.accept()[0].close()
