"""Waiting for a background job without asking again and again."""

import asyncio

from services.api.bridge import Bridge
from services.api.jobs import JobDesk
from shared.bus.jobs import JobNews
from shared.jobs import OPEN


class JobEnds:
    """Futures that end with their job; the replica's one subscription says when."""

    def __init__(self, bridge: Bridge, desk: JobDesk) -> None:
        self._desk = desk
        self._waiting: dict[str, set[asyncio.Event]] = {}
        bridge.on_job(self._on_job)

    async def wait(self, job_id: str, seconds: float) -> bool:
        """Whether the job ended within that time. Raises `UnknownJobError` when it is gone."""
        event = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(event)
        try:
            # It may have ended before anybody listened.
            if (await self._desk.one(job_id))["status"] not in OPEN:
                return True
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            left = self._waiting[job_id]
            left.discard(event)
            if not left:
                del self._waiting[job_id]
        return True

    def _on_job(self, news: JobNews) -> None:
        if not news.open:
            for event in self._waiting.get(news.id, ()):
                event.set()
