"""Keeps the configuration of Redis the one that is in force."""

from redis.asyncio import Redis

from services.supervisor.config_news import pages_news, publish_config, whole_news
from services.supervisor.configuration import Configuration, Step
from services.supervisor.outbox import Outbox
from shared.bus.claim import Fence
from shared.bus.keys import Keys

_NOTHING = ("", -1, -1)


class ConfigPublisher:
    """Knows what was published last."""

    def __init__(self, config: Configuration, outbox: Outbox, keys: Keys, fence: Fence) -> None:
        self._config = config
        self._outbox = outbox
        self._keys = keys
        self._fence = fence
        self._published = _NOTHING

    def announce(self, step: Step) -> None:
        """A step is in force: say so before its receipt is final."""
        config, record = self._config, step.record
        only_pages = step.pages_changed and record is None
        news = (
            pages_news(config, self._keys) if only_pages else whole_news(config, self._keys, record)
        )
        other_problem = self._published[0] != config.problem
        if (step.changed or other_problem) and self._outbox.config(news):
            self._published = self._stand()

    async def publish(self, redis: Redis) -> None:
        """Everything anew. Raises what redis-py raises."""
        stand = self._stand()
        await publish_config(redis, self._keys, self._fence, self._config)
        self._published = stand

    async def catch_up(self, redis: Redis) -> None:
        """Publish what no announcement told. Raises what redis-py raises."""
        if self._published != self._stand():
            await self.publish(redis)
            self._outbox.rewrite()

    def _stand(self) -> tuple[str, int, int]:
        return self._config.problem, self._config.version, self._config.pages_revision
