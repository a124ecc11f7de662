"""Hashes: the same work for everybody, nothing cut, old ones made better without a warning."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator

import bcrypt
import pytest

from services.api.auth import passwords as module
from services.api.auth.passwords import BusyError, Passwords
from tests.auth.conftest import PASSWORD, Stack
from tests.support.program import PROJECT


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    found = Passwords()
    yield found
    found.close()


def _bcrypt(password: bytes) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()


async def test_argon2id(passwords: Passwords) -> None:
    stored = await passwords.hash("p\u00e4ssword \u6f22")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    right = await passwords.verify("p\u00e4ssword \u6f22", stored)
    assert (right.right, right.better_hash) == (True, None)
    assert not (await passwords.verify("password", stored)).right


async def test_bcrypt_is_made_better(
    passwords: Passwords, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    verdict = await passwords.verify("12345678", _bcrypt(b"12345678"))
    assert verdict.right
    assert verdict.better_hash is not None
    assert (await passwords.verify("12345678", verdict.better_hash)).right
    assert not (await passwords.verify("1234567x", _bcrypt(b"12345678"))).right
    for variant in (b"$2a$", b"$2y$"):
        stored = _bcrypt(b"12345678").replace("$2b$", variant.decode())
        assert (await passwords.verify("12345678", stored)).right
    assert caplog.records == []


async def test_what_bcrypt_never_read_is_not_fixed_in_a_hash(passwords: Passwords) -> None:
    long = "\u6f22" * 30  # 90 bytes, which the original cut to 72
    verdict = await passwords.verify(long, _bcrypt(long.encode()[:72]))
    assert (verdict.right, verdict.better_hash) == (True, None)


@pytest.mark.parametrize(
    "stored", [None, "", "garbage", "$2b$", "$2b$12$short", "$argon2id$v=19$m=1", "$1$x$y"]
)
@pytest.mark.parametrize("password", ["12345678", "a\0b", "\ud800", ""])
async def test_nothing_odd_is_right_or_raises(
    passwords: Passwords, stored: str | None, password: str
) -> None:
    assert not (await passwords.verify(password, stored)).right


@pytest.mark.parametrize("password", ["a\0b", "\ud800"])
async def test_odd_passwords_against_real_hashes(passwords: Passwords, password: str) -> None:
    for stored in (await passwords.hash("12345678"), _bcrypt(b"12345678")):
        assert not (await passwords.verify(password, stored)).right


async def test_too_many_at_once_are_told_to_wait(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    outcomes = await asyncio.gather(
        *(passwords.verify("12345678", None) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, BusyError) for outcome in outcomes) == 2


async def test_unknown_and_wrong_are_the_same_work_and_the_same_answer(stack: Stack) -> None:
    await stack.setup()
    counted = stack.one.auth.passwords
    answers = []
    for username in ("alice", "nobody"):
        before = counted.calls
        body = {"username": username, "password": PASSWORD + "x"}
        answer = await stack.one.post("/auth/login", body)
        answers.append((answer.status_code, answer.content, counted.calls - before))
    assert answers[0] == answers[1]
    assert answers[0][::2] == (401, 1)


def test_no_warning_even_if_warnings_are_errors() -> None:
    code = (
        "import asyncio, logging; logging.basicConfig(level='WARNING')\n"
        "from services.api.auth.passwords import Passwords\n"
        "p = Passwords()\n"
        f"stored = {_bcrypt(b'12345678')!r}\n"
        "assert asyncio.run(p.verify('12345678', stored)).better_hash\n"
        "p.close()\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
