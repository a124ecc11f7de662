"""Whose a process is, judged by the facts of /proc."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from services.supervisor.identity import Identity, boot_id, members, open_pidfd, start_ticks


@pytest.fixture
def stranger() -> Iterator[int]:
    """The pid of a session that nobody of ours started."""
    process = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.parametrize("identified", [False, True])
def test_a_session_of_a_stranger_with_our_pid_is_not_ours(stranger: int, identified: bool) -> None:
    """Also when we were killed before the start time of our process was known (0)."""
    ticks = start_ticks(stranger)
    assert ticks is not None
    identity = Identity(stranger, ticks - 1 if identified else 0, boot_id(), "token")
    assert members(identity) == []
    assert open_pidfd(identity) is None


def test_a_session_is_known_by_start_time_even_without_the_token(stranger: int) -> None:
    ticks = start_ticks(stranger)
    assert ticks is not None
    identity = Identity(stranger, ticks, boot_id(), "token")
    assert members(identity) == [stranger]
    fd = open_pidfd(identity)
    assert fd is not None
    os.close(fd)
    assert members(Identity(stranger, ticks, "another boot", "token")) == []
