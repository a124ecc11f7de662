"""Ending a service: ask its whole group, wait, ask again, kill, and verify that it is gone."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable

from services.supervisor.identity import Identity, members
from services.supervisor.process import Process
from services.supervisor.spawn import StopPolicy
from shared.config.timing import KILL_WAIT_S
from shared.errors import DumbError

Report = Callable[[str], None]

REPORT_EVERY_S = 2.0
"""A long stop says this often what it waits for."""


class StopError(DumbError):
    """Processes survived SIGKILL: they hang in the kernel, usually on a dead mount."""

    code = "stop"


async def stop(process: Process, policy: StopPolicy, report: Report) -> bool:
    """End the process and everything that it started; whether it had to be killed.

    Raises:
        StopError: something survived SIGKILL; the sentence names the pids.
    """
    for attempt in range(1, policy.attempts + 1):
        process.signal_group(policy.signal)
        report(f"{policy.signal.name} sent to group {process.identity.pid} (attempt {attempt})")
        if await _ended_within(process, policy.wait_s, report):
            killed = False
            break
    else:
        killed = True
        process.signal_group(signal.SIGKILL)
        report("SIGKILL sent")
        await _ended_within(process, KILL_WAIT_S, report)
    left = await end_survivors(process.identity, policy.wait_s, report)
    if not process.ended.is_set() or left:
        pids = left or [process.identity.pid]
        raise StopError(f"Still alive after SIGKILL: {', '.join(map(str, pids))}.")
    return killed


async def _ended_within(process: Process, seconds: float, report: Report) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.ended.wait(), min(left, REPORT_EVERY_S))
            return True
        if (rest := deadline - time.monotonic()) >= 0.5:  # a timer may fire a little early
            report(f"waiting for pid {process.identity.pid}, {rest:.0f} s left")
    return process.ended.is_set()


async def end_survivors(identity: Identity, grace_s: float, report: Report) -> list[int]:
    """End what a dead leader left behind; the pids that even SIGKILL did not end."""
    left = await asyncio.to_thread(members, identity)
    if not left:
        return []
    report(f"the leader is gone, ending what it left: {', '.join(map(str, left))}")
    for number, seconds in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_WAIT_S)):
        _signal_all(left, number)
        left = await _wait_gone(identity, left, seconds)
        if not left:
            return []
    return left


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def _wait_gone(identity: Identity, pids: list[int], seconds: float) -> list[int]:
    """Wait for pids that are nobody's news: pidfds tell when each is gone."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    for pid in pids:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            continue
        gone = asyncio.Event()
        loop.add_reader(pidfd, gone.set)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), max(0.0, deadline - loop.time()))
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
    return await asyncio.to_thread(members, identity)
