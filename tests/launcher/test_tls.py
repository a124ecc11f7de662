"""`dumb up` with a certificate, the command line beside it, and the warning without one."""

import io
import ssl
import sys
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest

from services.cli.app import build
from services.cli.desk import Desk
from services.launcher.exposure import exposure
from services.launcher.programs import Program
from shared.exits import Exit
from shared.settings import load_settings
from tests.launcher.running import Running
from tests.support.tls import Authority
from tests.support.wait import wait_until_sync


def real_api() -> Program:
    return Program("api", (sys.executable, "-m", "services.api"), stop_rank=1, stop_s=20)


def dumb(running: Running, *arguments: str, **environ: str) -> str:
    """What the command line prints in another shell: it has none of the launcher's variables."""
    output = io.StringIO()
    desk = Desk({"DUMB_HOME": str(running.home)} | environ)
    with redirect_stdout(output), redirect_stderr(output), pytest.raises(SystemExit):
        build()(args=list(arguments), prog_name="dumb", obj=desk)
    return output.getvalue()


def test_up_with_a_certificate(running: Running, redis_url: str, tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").issue("nas", "nas.lan")
    running.sample.write_text(f'{{"dumb": {{"api_service": {{"port": {running.api_port}}}}}}}')
    del running.environ["DUMB_API_SERVICE_PORT"]
    tls = {"DUMB_TLS_CERT": str(pair.cert), "DUMB_TLS_KEY": str(pair.key)}
    launcher = running.up(real_api(), REDIS_URL=redis_url, **tls)
    wait_until_sync(lambda: "Ctrl-C stops" in running.printed(), timeout=40)
    base = f"https://127.0.0.1:{running.api_port}"
    for said in (f"API    {base} ", f"curl --insecure {base}/process/processes"):
        assert said in running.printed()
    assert "Warning" not in running.printed()

    assert f"answers at {base}" in dumb(running, "doctor")  # the address and its trust are found
    assert f"answers at {base}" in dumb(running, "--url", base, "doctor")
    elsewhere = {"DUMB_HOME": str(tmp_path / "elsewhere"), "DUMB_API_URL": base}
    assert "is not trusted" in dumb(running, "doctor", **elsewhere)
    trusted = elsewhere | {"DUMB_TLS_CA": str(tmp_path / "ca.crt")}
    assert "is not trusted (IP address mismatch" in dumb(running, "doctor", **trusted)
    unreadable = elsewhere | {"DUMB_TLS_CA": str(tmp_path / "none")}
    assert "DUMB_TLS_CA" in dumb(running, "doctor", **unreadable)

    for desk in (
        Desk({"DUMB_HOME": str(running.home)}),
        Desk({"DUMB_TLS_CA": str(tmp_path / "ca.crt")}, f"https://localhost:{running.api_port}"),
    ):
        with nullcontext() if desk.url == "" else pytest.raises(ssl.SSLError, match="mismatch"):
            with desk.client.open_socket("/ws/metrics?interval=1") as socket:  # as `dumb top` does
                assert socket.response is not None
                assert socket.response.status_code == 101
            desk.close()

    assert running.stop(launcher) == 0
    assert not (running.home / "api.tls").exists()


def test_a_bad_pair_stops_the_start_before_anything_runs(running: Running, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    one, two = authority.issue("one"), authority.issue("two")
    tls = {"DUMB_TLS_CERT": str(one.cert), "DUMB_TLS_KEY": str(two.key)}
    printed = running.refused(running.supervisor(), running.api(), code=Exit.CONFIG, **tls)
    assert "is not the key of the certificate" in printed
    assert running.noted("started") == []


def test_what_a_killed_run_left_is_no_answer(running: Running, redis_url: str) -> None:
    running.home.mkdir()
    (running.home / "api.tls").write_text("/gone.crt\n")
    launcher = running.up(running.api(), REDIS_URL=redis_url)
    running.until_ready()
    assert not (running.home / "api.tls").exists()
    assert running.stop(launcher) == 0


def test_bound_to_the_network_in_the_clear_is_said_once(running: Running, redis_url: str) -> None:
    environ = {"REDIS_URL": redis_url, "DUMB_API_SERVICE_HOST": "0.0.0.0"}  # noqa: S104 - to be warned
    launcher = running.up(running.api(), **environ)
    running.until_ready()
    assert running.printed().count("listens on 0.0.0.0 without TLS") == 1
    assert running.stop(launcher) == 0


def test_what_is_exposed(tmp_path: Path) -> None:
    plain = load_settings({})
    proxy = load_settings({"DUMB_TRUSTED_PROXIES": "10.0.0.1"})
    anyone = load_settings({"DUMB_TRUSTED_PROXIES": " * "})
    tls = replace(plain, tls_cert=tmp_path, tls_key=tmp_path)
    for host in ("0.0.0.0", "::", "192.168.1.5", "nas.lan", ""):  # noqa: S104 - never bound
        assert exposure(host, plain) == exposure(host, anyone) != "", host
        assert exposure(host, proxy) == exposure(host, tls) == ""
    for host in ("127.0.0.1", "::1", "localhost", "127.8.0.1"):
        assert exposure(host, plain) == "", host
