"""`dumb redis-cli` where there is no redis-cli: as a real one answers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis

from services.cli.redis_words import ErrorReply, QuotingError, Reply, Status, formatted, raw, split
from tests.cli.conftest import DUMB
from tests.cli.terminal import Screen
from tests.support.redis_server import PASSWORD, PrivateRedis, free_port
from tests.support.wait import wait_until_sync

PROJECT = DUMB.parent
REAL = shutil.which("redis-cli") or shutil.which("valkey-cli")

COMMANDS = [
    "PING",
    "PING hello",
    "SET key value",
    "GET key",
    "GET absent",
    'SET odd "a\\"b\\\\c\\r\\n\\t\\a\\b\\x00\\xff é"',
    "GET odd",
    "SET single 'it\\'s \\n one'",
    "GET single",
    'GET ""',
    "INCR number",
    "DECRBY number 5",
    "HSET hash a 1 b 2",
    "HGETALL hash",
    "HGETALL absent",
    "HMGET hash a nothing b",
    "RPUSH list 1 2 3 4 5 6 7 8 9 10 11 12",
    "LRANGE list 0 -1",
    "XADD stream 1-1 action restart process_name 'Demo File Server'",
    "XADD stream 2-1 action stop process_name Sonarr",
    "XREVRANGE stream + - COUNT 3",
    "XREAD STREAMS stream 0",
    "XREAD STREAMS stream 9-9",
    "ZADD zset 1.5 one 2 two",
    "ZRANGE zset 0 -1 WITHSCORES",
    "NOSUCHCOMMAND a b",
    "GET",
    "INCR key",
    "TYPE stream",
    'EVAL \'return {1, {2, {}, "x", {3, {4}}}, redis.status_reply("FINE"), false}\' 0',
    "EVAL 'return {redis.error_reply(\"ERR inner\"), 1}' 0",
    "EVAL 'return redis.error_reply(\"MINE all of it\")' 0",
    "MULTI",
    "INCR number",
    "GET key",
    "EXEC",
    "EXEC",
    "COMMAND GETKEYS MSET a 1 b 2",
    "SELECT 3",
    "DBSIZE",
    "SELECT 0",
    "SELECT 99",
    "CLIENT SETNAME me",
    "CLIENT GETNAME",
    'GET "open',
    "GET 'a'b",
    "",
    "   ",
    "PUBSUB CHANNELS",
    "OBJECT ENCODING list",
    "QUIT",
    "PING never",
]


def environ(url: str, home: Path) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    (home / "redis.url").write_text(f"{url}\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DUMB_", "REDIS"))}
    nothing = home / "nothing"
    nothing.mkdir(exist_ok=True)
    return {**kept, "PATH": str(nothing), "DUMB_HOME": str(home), "PYTHONPATH": str(PROJECT)}


OWN = [sys.executable, "-m", "services.cli", "redis-cli"]


def run(
    command: list[str], env: dict[str, str], text: str = ""
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        command, env=env, input=text.encode(), capture_output=True, timeout=30, check=False
    )


def real(server: PrivateRedis) -> tuple[list[str], dict[str, str]]:
    if REAL is None:
        pytest.skip("there is no redis-cli on this machine to compare with")
    return [REAL, "-p", str(server.port)], {**os.environ, "REDISCLI_AUTH": PASSWORD}


@pytest.mark.redis
@pytest.mark.parametrize("form", [[], ["--no-raw"], ["--raw"]], ids=["pipe", "no-raw", "raw"])
def test_every_reply_has_the_form_of_redis_cli(
    tmp_path: Path, private_redis: PrivateRedis, form: list[str]
) -> None:
    command, env = real(private_redis)
    text = "\n".join(COMMANDS)
    private_redis.flush()
    expected = run([*command, *form], env, text)
    private_redis.flush()
    got = run([*OWN, *form], environ(private_redis.url, tmp_path), text)
    assert got.stdout.splitlines() == expected.stdout.splitlines()
    assert (got.returncode, got.stderr) == (expected.returncode, b"")
    assert b"never" not in got.stdout


@pytest.mark.redis
@pytest.mark.parametrize(
    "arguments",
    [
        ["PING"],
        ["--no-raw", "GET", "absent"],
        ["--no-raw", "SET", "key", "two words \\n é"],
        ["--no-raw", "NOSUCHCOMMAND"],
        ["NOSUCHCOMMAND"],
        ["-e", "NOSUCHCOMMAND"],
        ["-e", "PING"],
        ["-n", "2", "--no-raw", "DBSIZE"],
        ["--no-raw", "XADD", "stream", "5-5", "process_name", "Demo File Server"],
        ["--no-raw", "LATENCY", "DOCTOR"],
    ],
    ids=" ".join,
)
def test_one_command_ends_as_that_of_redis_cli(
    tmp_path: Path, private_redis: PrivateRedis, arguments: list[str]
) -> None:
    command, env = real(private_redis)
    private_redis.flush()
    expected = run([*command, *arguments], env)
    private_redis.flush()
    got = run([*OWN, *arguments], environ(private_redis.url, tmp_path))
    assert (got.returncode, got.stdout, got.stderr) == (
        expected.returncode,
        expected.stdout,
        expected.stderr,
    )


@pytest.mark.redis
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("words", ["SUBSCRIBE news", "PSUBSCRIBE n*", "MONITOR"])
def test_what_goes_on_is_printed_until_ctrl_c(
    tmp_path: Path, private_redis: PrivateRedis, words: str, unix: bool
) -> None:
    url = private_redis.unix_url if unix else private_redis.url
    output = tmp_path / "output"
    with output.open("wb") as out:
        one = subprocess.Popen(
            [*OWN, "--no-raw", *words.split()], env=environ(url, tmp_path / "home"), stdout=out
        )
    try:
        seen = b"OK" if words == "MONITOR" else b"(integer) 1"
        wait_until_sync(lambda: seen in output.read_bytes(), what=words)
        with redis.Redis.from_url(private_redis.url, protocol=2) as client:
            client.publish("news", 'it "is" here')
        # Valkey 8.1 shows quotes in MONITOR without escapes, so they are not looked for.
        wait_until_sync(lambda: b" here" in output.read_bytes(), what="the message")
        one.send_signal(signal.SIGINT)
        assert one.wait(10) == 130
    finally:
        one.kill()
        one.wait()
    if words == "PSUBSCRIBE n*":
        assert output.read_text().splitlines() == [
            "Reading messages... (press Ctrl-C to quit)",
            '1) "psubscribe"',
            '2) "n*"',
            "3) (integer) 1",
            '1) "pmessage"',
            '2) "n*"',
            '3) "news"',
            r'4) "it \"is\" here"',
        ]


@pytest.mark.redis
def test_a_prompt_with_line_editing(tmp_path: Path, fresh_redis: PrivateRedis) -> None:
    place = f"127\\.0\\.0\\.1:{fresh_redis.port}"
    with Screen(OWN, environ(fresh_redis.url, tmp_path)) as screen:
        screen.until(f"{place}> ")
        screen.type("SET key 'a valuf'\x7f\x7fe'\n")  # corrected with the backspace key
        screen.until("OK\n")
        screen.type("GET key\n")
        screen.until('"a value"\n')
        screen.type("help\n")
        screen.until("dumb redis-cli")
        screen.type("SELECT 4\n")
        screen.until(f"{place}\\[4\\]> ")
        screen.type("MULTI\n")
        screen.until(f"{place}\\[4\\]\\(TX\\)> ")
        screen.type("DISCARD\n")
        screen.until(f"OK\n{place}\\[4\\]> ")
        screen.type("SUBSCRIBE news\n")
        screen.until(r"3\) \(integer\) 1\n")
        screen.type("\x03")  # Ctrl-C: back to the prompt, which goes on with the same database
        screen.until(f"\n{place}\\[4\\]> ")
        screen.type("BLPOP nothing 0.6\n")
        screen.until(r"\(nil\)\n\([0-9.]+s\)\n")
        fresh_redis.stop()
        screen.type("PING\n")
        screen.until("cannot be used")
        fresh_redis.start()
        screen.type("SET back yes\n")
        screen.until("OK\n")
        screen.type("exit\n")
        assert screen.end() == 0
    with redis.Redis(port=fresh_redis.port, password=PASSWORD, db=4) as client:
        assert client.get("back") == b"yes"
    assert PASSWORD not in screen.text.replace(str(tmp_path), "")


def test_a_redis_that_is_away_or_refuses_is_one_sentence(
    tmp_path: Path, private_redis: PrivateRedis
) -> None:
    for url in (
        f"redis://default:secret-guess@127.0.0.1:{free_port()}/0",
        private_redis.url.replace(f":{PASSWORD}@", ":secret-guess@"),
    ):
        done = run([*OWN, "PING"], environ(url, tmp_path))
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"Redis at 127.0.0.1:")
        assert len(done.stderr.splitlines()) == 1
        assert b"secret-guess" not in done.stderr


def test_other_options_name_a_package(tmp_path: Path, private_redis: PrivateRedis) -> None:
    for arguments in (["--scan"], ["-x", "SET", "key"], ["-n", "many", "PING"], ["-n"]):
        done = run([*OWN, *arguments], environ(private_redis.url, tmp_path))
        assert done.returncode == 1
        assert b"Install redis-tools or valkey-tools" in done.stderr


def test_another_protocol_is_refused(tmp_path: Path, private_redis: PrivateRedis) -> None:
    done = run(OWN, environ(private_redis.url, tmp_path), "HELLO 3\nPING\nHELLO\n")
    assert done.stdout.startswith(b"NOPROTO this client speaks RESP2; use HELLO 2\n\nPONG\nserver")


def test_a_server_that_dies_during_a_reply(tmp_path: Path) -> None:
    for said in (b"$10\r\nhalf", b"*3\r\n:1\r\n", b"", b"!strange\r\n"):
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def answer(listening: socket.socket = listening, said: bytes = said) -> None:
                connection, _ = listening.accept()
                with connection:
                    while b"PING" not in (data := connection.recv(65536)):
                        # What redis-py tells about itself.
                        connection.sendall(b"+OK\r\n" * data.count(b"SETINFO"))
                    connection.sendall(said)

            thread = threading.Thread(target=answer)
            thread.start()
            url = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
            done = run([*OWN, "PING"], environ(url, tmp_path))
            thread.join()
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"Redis at 127.0.0.1:")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b"  a \t b\r", [b"a", b"b"]),
        (b"\"\" ''", [b"", b""]),
        (rb'"\x41\xZZ\q\"" x', [b'AxZZq"', b"x"]),
        (rb"'\x41\'' x", [rb"\x41'", b"x"]),
        (b'pre"quoted"', [b"prequoted"]),
        (b"\xff\xfe", [b"\xff\xfe"]),
    ],
)
def test_lines(line: bytes, words: list[bytes]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("line", [b'"', b"'", b'"a\\', b'"a"b', b"'a'b", b'a"b'])
def test_quotes_that_do_not_fit(line: bytes) -> None:
    with pytest.raises(QuotingError):
        split(line)


def test_forms() -> None:
    deep: Reply = [1, [Status(b"OK"), [], None], ErrorReply(b"ERR no"), b"\x7f"]
    assert formatted(deep).decode() == (
        "1) (integer) 1\n"
        "2) 1) OK\n"
        "   2) (empty array)\n"
        "   3) (nil)\n"
        "3) (error) ERR no\n"
        '4) "\\x7f"\n'
    )
    assert raw(deep) == b"1\nOK\n\n\nERR no\n\n\x7f"
