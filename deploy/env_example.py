"""`python -m deploy.env_example`: prints .env.example, from docker-compose.yml and the settings.

What the variables of the programs mean is said once, in docs/configuration.md.
"""

import inspect
import re
import sys
from pathlib import Path
from typing import Final

from shared import settings

PROJECT: Final = Path(__file__).resolve().parents[1]

HEAD: Final = """\
# Copy to .env, and change what you need; what is commented out has the value shown.
# Made by `python -m deploy.env_example`. Passwords are files: see deploy/make-secrets.
"""

COMPOSE: Final = {
    "DUMB_BIND": "address on which the proxy's port is published; 0.0.0.0 for every network",
    "DUMB_PORT": "port on which it is published",
    "DUMB_CONFIG_DIR": "directory with dumb_config.json: a path with a / in it, or a volume",
    "DUMB_SUPERVISOR_USER": "user of the supervisor; 1000:1000: without root (docs/deployment.md)",
    "DUMB_SUPERVISOR_MEMORY": "most memory of the supervisor and all services together",
    "DUMB_REDIS_MAXMEMORY": "most memory of the data in Redis",
    "DUMB_TLS_DIR": "directory with the certificate, mounted at /tls: a path with a / in it",
    "DUMB_PROXY_USER": "user of the proxy, who must be able to read the key; 0:0 for root's",
    "DUMB_FRONT_SUBNET": "network of the proxy and the replicas; they believe its addresses",
    "DUMB_TRUSTED_UPSTREAMS": "proxies in front of the proxy, whose X-Forwarded-For it believes",
    "DUMB_PROMETHEUS_BIND": "address on which Prometheus is published (profile monitoring)",
    "DUMB_PROMETHEUS_PORT": "port on which it is published",
    "DUMB_IMAGE": "image of the programs",
    "DUMB_PROXY_IMAGE": "image of the proxy",
    "REDIS_IMAGE": "image of Redis, 6.2 or later",
    "PROMETHEUS_IMAGE": "image of Prometheus",
    "PYTHON_IMAGE": "what the images are built on",
    "PIP_INDEX_URL": "package index of the build",
    "PIP_EXTRA_INDEX_URL": "a further one",
    "PIP_TRUSTED_HOST": "see pip's documentation",
    "TZ": "time zone",
}
"""What only docker-compose.yml reads."""


def compose_variables() -> dict[str, str]:
    """Of docker-compose.yml: name to default; "" for those that are passed on as they are."""
    text = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
    found = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", text))
    passed = re.findall(r"^ +- (TZ|[A-Z]+_[A-Z_]+)$", text, flags=re.MULTILINE)
    return found | {name: "" for name in passed if name not in found}


def program_settings() -> list[str]:
    """Of shared/settings.py, in its order."""
    names = re.findall(r'"((?:DUMB|JWT|REDIS)_[A-Z_]+)"', inspect.getsource(settings))
    return list(dict.fromkeys(names))


def meanings() -> dict[str, tuple[str, str]]:
    """Variable to default and meaning, of the table in docs/configuration.md."""
    text = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 3:
            for name in re.findall(r"`([A-Z_]+)`", cells[0]):
                found[name] = (cells[1].replace("`", ""), cells[2].replace("`", ""))
    return found


def render() -> str:
    """The whole file."""
    compose, explained = compose_variables(), meanings()
    files = (PROJECT / "docker-compose.yml", PROJECT / "Dockerfile")
    fixed = "".join(file.read_text(encoding="utf-8") for file in files)
    parts = [HEAD, "# -- docker-compose.yml " + "-" * 70, ""]
    for name, meaning in COMPOSE.items():
        parts += [f"# {meaning}", f"#{name}={compose[name]}", ""]
    parts += ["# -- the programs " + "-" * 76, ""]
    for name in program_settings():
        default, meaning = explained[name]
        if name not in compose:
            meaning += (
                " (containers: it is set)" if f" {name}=" in fixed else " (not in containers)"
            )
        plain = default if re.fullmatch(r"[\w./:,-]+", default) and default != "none" else ""
        more = "" if plain or default in {"none", ""} else f"; default: {default}"
        parts += [f"# {meaning}{more}", f"#{name}={plain}", ""]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(render())
