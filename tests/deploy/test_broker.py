"""Ways to a Redis: TLS with an authority of its own, a socket, a user, a database, a prefix."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis

from shared.exits import Exit
from tests.deploy.broker import AclRedis
from tests.deploy.flow import WEB, Running, ok, set_up, start_and_read
from tests.support.programs import Program
from tests.support.redis_server import PASSWORD, PrivateRedis, find_redis_server, free_port
from tests.support.tls import Authority, Certificate, handshakes, tls_front
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.redis
PROGRAMS = ("supervisor", "api", "launcher")


@contextmanager
def stack(place: Path, **environ: str) -> Iterator[Running]:
    """Every program, and one replica."""
    running = Running(place / "home", environ)
    try:
        for name in ("supervisor", "metrics", "jobs"):
            running.start(name)
        running.start_api()
        yield running
    finally:
        running.close()


def tls_environ(port: int, authority: Authority, client: Certificate) -> dict[str, str]:
    return {
        "REDIS_URL": f"rediss://default:{PASSWORD}@127.0.0.1:{port}/0",
        "DUMB_REDIS_CA_FILE": str(authority.own.cert),
        "DUMB_REDIS_CERT_FILE": str(client.cert),
        "DUMB_REDIS_KEY_FILE": str(client.key),
    }


def reconnects(running: Running, cut: object) -> None:
    """After `cut`, the same programs serve again."""
    http = running.client()
    set_up(http)
    start_and_read(http)
    assert callable(cut)
    cut()
    since = time.time()
    wait_until_sync(lambda: http.get("/readyz").status_code == 200, what="they are ready again")
    start_and_read(http, "restart")
    wait_until_sync(lambda: measured_at(http) > since, timeout=20, what="a sample after it")
    wait_until_sync(lambda: ok(http.get("/jobs"))["programs"], what="a jobs program")


def measured_at(http: httpx.Client) -> float:
    """When the snapshot was made that `/metrics` gives; 0 without one."""
    answer = http.get("/metrics")
    return float(answer.json()["timestamp"]) if answer.status_code == 200 else 0.0


def test_tls_with_client_certificates(fresh_redis: PrivateRedis, place: Path) -> None:
    with tls_front(fresh_redis.port, place / "tls") as (front, authority):
        environ = tls_environ(front.port, authority, authority.issue("client"))
        with stack(place, **environ) as running:
            reconnects(running, lambda: front.cut() >= 4 or pytest.fail("nothing was connected"))


def test_tls_of_redis_itself(place: Path) -> None:
    authority = Authority(place / "tls", "ca")
    server, client = authority.issue("server"), authority.issue("client")
    options = {
        "tls-port": str(free_port()),
        "tls-cert-file": str(server.cert),
        "tls-key-file": str(server.key),
        "tls-ca-cert-file": str(authority.own.cert),
    }
    redis = PrivateRedis(find_redis_server(), place / "redis", options)
    try:
        redis.start()
    except RuntimeError:
        pytest.skip("this redis-server was built without TLS")
    try:
        environ = tls_environ(int(options["tls-port"]), authority, client)
        with stack(place, **environ) as running:
            http = running.client()
            set_up(http)
            start_and_read(http)
    finally:
        redis.stop()


def test_a_unix_socket_and_a_database(fresh_redis: PrivateRedis, place: Path) -> None:
    def restart() -> None:
        fresh_redis.kill()
        fresh_redis.start()

    url = fresh_redis.unix_url.replace("db=0", "db=3")
    with stack(place, REDIS_URL=url) as running:
        reconnects(running, restart)
    with Redis.from_url(fresh_redis.unix_url, protocol=2) as redis:
        assert redis.dbsize() == 0


def test_a_user_confined_to_another_prefix(place: Path) -> None:
    broker = AclRedis(place / "redis", prefix="stack-2:")
    broker.server.start()
    running = Running(place / "home", {"DUMB_REDIS_PREFIX": "stack-2:"})
    try:
        running.start("supervisor", **broker.environ("supervisor"))
        running.start_api(**broker.environ("api"))
        http = running.client()
        set_up(http)
        start_and_read(http)
        assert ok(http.get("/process/processes"))["processes"]
        with broker.as_user("tester") as redis:
            assert redis.hget(f"stack-2:service:{WEB}", "status") == b"running"
            assert not redis.keys("dumb:*")
        assert broker.denied() == []
    finally:
        running.close()
        broker.server.stop()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_certificate_that_is_not_accepted_is_told_and_ends_it(place: Path, program: str) -> None:
    authority, stranger = Authority(place / "tls", "ca"), Authority(place / "other", "stranger")
    ours, theirs = authority.issue("client"), stranger.issue("client")
    with handshakes(authority.issue("server"), authority.own) as port:
        for trusted, shown in ((stranger, ours), (authority, theirs)):
            environ = tls_environ(port, trusted, shown)
            refused(place, program, environ, Exit.TLS, "DUMB_REDIS_CA_FILE")
        (place / "empty.pem").write_text("no certificate\n")
        environ |= {"DUMB_REDIS_CA_FILE": str(place / "empty.pem")}
        refused(place, program, environ, Exit.TLS, "DUMB_REDIS_CA_FILE")
        foreign_key = {"DUMB_REDIS_KEY_FILE": str(theirs.key)}
        environ = tls_environ(port, authority, ours) | foreign_key
        refused(place, program, environ, Exit.TLS, "DUMB_REDIS_KEY_FILE")


def test_a_port_without_tls_is_suspected(private_redis: PrivateRedis, place: Path) -> None:
    """It looks like a Redis that is busy: the launcher gives up, the programs wait and say so."""
    environ = {"REDIS_URL": f"rediss://127.0.0.1:{private_redis.port}"}
    refused(place, "launcher", environ, Exit.UNAVAILABLE, "does that port speak TLS?")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_password_is_told_and_ends_it(
    private_redis: PrivateRedis, place: Path, program: str
) -> None:
    secret = place / "secret"
    secret.write_text("wrong\n")
    place_of = f"127.0.0.1:{private_redis.port}"
    by_file = {"REDIS_URL": f"redis://{place_of}", "DUMB_REDIS_PASSWORD_FILE": str(secret)}
    for environ in ({"REDIS_URL": f"redis://default:wrong@{place_of}"}, by_file):
        refused(place, program, environ, Exit.NO_PERMISSION, place_of)
    secret.unlink()
    refused(place, program, by_file, Exit.CONFIG, "DUMB_REDIS_PASSWORD_FILE")


def refused(place: Path, program: str, environ: dict[str, str], code: Exit, says: str) -> None:
    """It ends by itself with that code, in one sentence without a trace or the password."""
    running = Running(place / "refused", environ)
    try:
        started = Program(program, place / "refused", environ)
        assert started.ended(20) == code, started.printed()
    except subprocess.TimeoutExpired:
        pytest.fail(f"{program} goes on: {started.printed()}")
    finally:
        started.close()
        running.close()
    text = started.printed()
    assert says in text
    assert "Traceback" not in text
    assert ":wrong@" not in text
    assert len(text.strip().splitlines()) <= 4, text
