"""Three replicas behind the proxy of deploy/proxy, on this machine's loopback."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import httpx

from tests.deploy.flow import Running
from tests.support.programs import PROJECT, Api
from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync

COUNT: Final = 3
DRAIN_S: Final = 1.0
WRITER: Final = "Writer"


def haproxy() -> str | None:
    """Path of HAProxy, which many machines do not have."""
    return shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def proxy_config(port: int, replicas: list[int]) -> str:
    """That of the container, with servers of ours in the place of those that Docker's DNS knows."""
    text = (PROJECT / "deploy" / "proxy" / "haproxy.cfg").read_text(encoding="utf-8")
    text = re.sub(r"^.*#@docker\n", "", text, flags=re.MULTILINE)
    text = text.replace("bind :8000 ", f"bind 127.0.0.1:{port} ")
    servers = [f"    server api{port} 127.0.0.1:{port}\n" for port in replicas]
    return text.rstrip("\n") + "\n" + "".join(servers)


class Cluster:
    """A supervisor, replicas and the proxy. Each replica keeps its port when it is restarted.

    `more` goes into the environment of every program. `upstreams`: networks of proxies in front of
    this one, with spaces between, as deploy/proxy/start.py hands them over.
    """

    def __init__(
        self,
        home: Path,
        redis_url: str,
        proxy: str | None,
        count: int = COUNT,
        *,
        upstreams: str = "",
        **more: str,
    ) -> None:
        environ = {"REDIS_URL": redis_url, "DUMB_API_DRAIN_S": f"{DRAIN_S}", **more}
        self.running = Running(home, environ, {"writer": writer()})
        self.supervisor = self.running.start("supervisor")
        self.apis = self.running.start_apis(count)
        self.port = free_port()
        self._proxy: subprocess.Popen[bytes] | None = None
        if proxy is not None:
            self._start_proxy(home, proxy, upstreams)

    @property
    def base(self) -> str:
        """Of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sockets(self) -> str:
        """Of the proxy, for WebSockets."""
        return f"ws://127.0.0.1:{self.port}"

    def clients(self, token: str = "") -> list[httpx.Client]:
        """One for each replica."""
        clients = [self.running.client(api) for api in self.apis]
        for client in clients:
            if token:
                client.headers["Authorization"] = f"Bearer {token}"
        return clients

    def replace(self, api: Api) -> Api:
        """Start a replica on the port of one that has ended; ready for the proxy too."""
        index = self.apis.index(api)
        new = Api(self.running.home, self.running.environ, api.port)
        self.running.also(new)
        self.apis[index] = new
        new.await_ready()
        if self._proxy is not None:
            wait_until_sync(lambda: f"api{new.port}" in self.up(), what="the proxy to see it")
        return new

    def up(self) -> list[str]:
        """Servers that the proxy sends requests to."""
        stats = httpx.get(f"{self.base}/test/stats;csv", timeout=10).text.splitlines()
        rows = [line.split(",") for line in stats if line.startswith("replicas,api")]
        return [row[1] for row in rows if row[17].startswith("UP")]

    def close(self) -> None:
        """End everything."""
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait(20)
        self.running.close()

    def _start_proxy(self, home: Path, binary: str, upstreams: str) -> None:
        more = {"DUMB_PROXY_UPSTREAMS": upstreams} if upstreams else {}
        config = home / "haproxy.cfg"
        text = proxy_config(self.port, [api.port for api in self.apis])
        last = "    default_backend replicas\n"
        config.write_text(
            text.replace(last, f"    stats enable\n    stats uri /test/stats\n{last}")
        )
        with (home / "haproxy.out").open("wb") as output:
            self._proxy = subprocess.Popen(
                [binary, "-db", "-f", str(config)],
                env=os.environ | more,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

        def all_up() -> bool:
            try:
                return len(self.up()) == len(self.apis)
            except httpx.TransportError:
                return False

        wait_until_sync(all_up, timeout=20, what="the proxy to see all replicas")


def writer() -> dict[str, Any]:
    """A service that counts, fast."""
    script = 'i=0; while :; do i=$((i+1)); echo "n $i"; sleep 0.01; done'
    return {"process_name": WRITER, "enabled": False, "command": ["/bin/sh", "-c", script]}
