"""Where the API listens, for those who must reach it before or without reading the whole file."""

import ipaddress
import json
from pathlib import Path
from typing import Any

from shared.settings import Settings

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


def api_address(settings: Settings) -> tuple[str, int]:
    """Host and port that the API binds: environment, then the live config, then the default.

    A config that cannot be read or holds a wrong type counts as absent: saying so is the
    supervisor's part.
    """
    return address_in(_tree(settings.config_path), settings)


def address_in(tree: Any, settings: Settings) -> tuple[str, int]:
    """The same for a configuration tree that is at hand; the environment comes first."""
    block = _api_block(tree)
    host, port = block.get("host"), block.get("port")
    host_known = isinstance(host, str) and host.strip()
    port_known = isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536
    return (
        settings.api_host or (str(host).strip() if host_known else DEFAULT_HOST),
        settings.api_port or (int(str(port)) if port_known else DEFAULT_PORT),
    )


def reachable_host(host: str) -> str:
    """The address to connect to for a bind address: a wildcard is reached by the loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def is_loopback(host: str) -> bool:
    """Whether a bind address or host name can only mean this machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def http_base(host: str, port: int, *, tls: bool = False) -> str:
    """`http://host:port`, or `https:`, as a client on this machine uses it."""
    name = reachable_host(host)
    place = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return f"https://{place}" if tls else f"http://{place}"


def local_base(settings: Settings) -> str:
    """Of this data directory's API."""
    return http_base(*api_address(settings), tls=api_certificate(settings) is not None)


def api_certificate(settings: Settings) -> Path | None:
    """The certificate file of this data directory's API; None when it speaks plain HTTP.

    The environment says it, or the `dumb up` that runs: other shells do not have its environment.
    """
    if settings.tls_cert is not None:
        return settings.tls_cert
    try:
        text = settings.api_tls_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(text) if text else None


def _tree(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}


def _api_block(tree: Any) -> dict[str, Any]:
    dumb = tree.get("dumb") if isinstance(tree, dict) else None
    block = dumb.get("api_service") if isinstance(dumb, dict) else None
    return block if isinstance(block, dict) else {}
