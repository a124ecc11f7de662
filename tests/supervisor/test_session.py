"""How the tasks of a connection end."""

import asyncio
import gc
from typing import Any

from services.supervisor.session import cancelled


async def test_an_error_of_what_is_cancelled_is_no_trace_even_when_the_wait_is_cut_short() -> None:
    """A farewell cancels again and again what is already ending its tasks."""
    told: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    go = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.shield(go.wait())
            raise ConnectionError("closed") from None

    inner = asyncio.create_task(slow_to_end())
    await asyncio.sleep(0)
    ending = asyncio.create_task(cancelled(inner))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait({ending})
    assert not inner.done()
    go.set()
    await asyncio.wait({inner})
    await asyncio.sleep(0)
    del inner, ending
    gc.collect()
    assert told == []
