"""Clients that never stop asking, and one that never stops reading logs."""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import orjson
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

RETRY_S = 0.05

Ask = Callable[[httpx.Client], httpx.Response]


def read_processes(http: httpx.Client) -> httpx.Response:
    """The page that every client begins with."""
    return http.get("/process/processes")


def restart(name: str, *, key: bool) -> Ask:
    """A command; with `key` it carries an Idempotency-Key and may be repeated on its way."""

    def ask(http: httpx.Client) -> httpx.Response:
        headers = {"Idempotency-Key": uuid.uuid4().hex} if key else {}
        return http.post("/process/restart-service", json={"process_name": name}, headers=headers)

    return ask


class Load:
    """One thread per `ask`, each with connections of its own, until the end of the block."""

    def __init__(self, base: str, token: str, asks: list[Ask]) -> None:
        self.seconds: list[float] = []
        """How long each answer took."""
        self.failures: list[str] = []
        """Answers that were no 200, and requests without an answer."""
        self._base = base
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(ask,)) for ask in asks]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, ask: Ask) -> None:
        with httpx.Client(base_url=self._base, headers=self._headers, timeout=60) as http:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    answer = ask(http)
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    continue
                self.seconds.append(time.monotonic() - began)
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code} {answer.text[:200]}")


class Follower:
    """Reads one log over a socket that resumes (docs/protocol.md), whoever carries it."""

    def __init__(self, base: str, token: str, name: str) -> None:
        self.texts: list[str] = []
        self.dropped = 0
        self.codes: list[int] = []
        """With which each socket was closed."""
        query = urlencode({"process_name": name, "token": token})
        self._url = f"{base}/ws/logs?format=json&resume=1&{query}"
        # Of no generation: everything that is kept, from its beginning.
        self._cursors: dict[str, Any] = {name: ["none", 0]}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except ConnectionClosed as error:
                self.codes.append(error.rcvd.code if error.rcvd else 1006)
            except (OSError, InvalidStatus):  # nobody is there yet
                self._stop.wait(RETRY_S)

    def _follow(self) -> None:
        with connect(self._url, compression=None, open_timeout=5) as socket:
            socket.send(orjson.dumps({"type": "resume", "cursors": self._cursors}).decode())
            while not self._stop.is_set():
                try:
                    self._take(orjson.loads(socket.recv(timeout=0.2)))
                except TimeoutError:
                    continue

    def _take(self, frame: dict[str, Any]) -> None:
        if frame.get("type") != "lines":
            return
        self.dropped += frame["dropped"]
        self._cursors[frame["process_name"]] = [frame["file_id"], frame["cursor"]]
        self.texts += [line["text"] for line in frame["lines"]]
