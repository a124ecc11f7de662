"""A client that openapi-python-client makes of the document does the usual things."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.clients.conftest import PASSWORD, Stack
from tests.deploy.flow import WEB

NAME = "dumb_client_under_test"
GENERATOR = Path(sys.prefix) / "generator" / "bin" / "openapi-python-client"


@pytest.fixture
def package(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The generated package can be imported; the generator left nothing out."""
    if not GENERATOR.exists():
        pytest.skip("the generator is not installed: `make test` does that")
    config = tmp_path / "config.yml"
    config.write_text(f"package_name_override: {NAME}\npost_hooks: []\n")
    made = subprocess.run(
        [
            GENERATOR, "generate",
            "--path", stack.document, "--config", config, "--meta", "none",
            "--output-path", tmp_path / NAME,
        ],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    output = made.stdout + made.stderr
    assert made.returncode == 0, output
    assert "Warning" not in output, output
    monkeypatch.syspath_prepend(tmp_path)
    yield stack
    for module in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[module]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{NAME}.{name}")


def _call(name: str, client: Any, **arguments: Any) -> Any:
    return _module(f"api.{name}").sync_detailed(client=client, **arguments)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_generated_client_works(package: Stack) -> None:
    client, models = _module("client"), _module("models")
    with client.Client(base_url=package.base) as stranger:
        refused = _call("process.list_processes", stranger)
        assert refused.status_code == HTTPStatus.UNAUTHORIZED
        assert isinstance(refused.parsed, models.Problem)
        assert refused.parsed.detail
        credentials = models.Credentials(username="alice", password=PASSWORD)
        pair = _call("auth.log_in", stranger, body=credentials).parsed
        assert isinstance(pair, models.TokenPairBody)
    with client.AuthenticatedClient(base_url=package.base, token=pair.access_token) as known:
        web = models.ServiceRequest(process_name=WEB)
        started = _call("process.start_service", known, body=web, idempotency_key="once").parsed
        assert isinstance(started, models.Started)
        assert started.process_name == WEB

        listed = _call("process.list_service_states", known).parsed
        states = {one.process_name: one.status for one in listed.services}
        assert states[WEB] == models.ServiceStatus.RUNNING
        assert WEB in _call("logs.read_logs", known, process_name=WEB).parsed.chunk

        updates = models.ConfigUpdateUpdates()
        updates["enabled"] = True
        change = models.ConfigUpdate(process_name=WEB, updates=updates, persist=True)
        changed = _call("config.update_config", known, body=change).parsed
        assert isinstance(changed, models.ConfigUpdated)
        assert changed.persisted is True
        block = _call("config.get_config", known, process_name=WEB).parsed
        assert block.enabled is True

        unknown = models.ServiceRequest(process_name="Web Serve")
        missing = _call("process.start_service", known, body=unknown)
        assert missing.status_code == HTTPStatus.NOT_FOUND
        assert WEB in missing.parsed.detail
