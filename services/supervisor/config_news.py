"""The configuration as Redis has it (docs/protocol.md, "Configuration")."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from services.supervisor.captured import captured_logs
from services.supervisor.config_history import KEPT, Record
from services.supervisor.configuration import Configuration
from shared.bus.keys import Keys


@dataclass(frozen=True, slots=True)
class ConfigNews:
    """Strings to be set together, and the version that is announced."""

    values: dict[str, bytes] = field(repr=False)
    problem: str
    record: Record | None = None

    def add_to(self, pipe: Pipeline, keys: Keys) -> None:
        """All values with one command: nobody reads half of them."""
        pipe.mset(self.values)
        if self.problem:
            pipe.set(keys.config_problem, self.problem)
        else:
            pipe.delete(keys.config_problem)
        record = self.record
        if record is not None:
            pipe.hset(keys.config_versions, str(record.version), orjson.dumps(record.summary()))
            pipe.hdel(keys.config_versions, str(record.version - KEPT))
            event = {"version": record.version, "at": record.at, "actor": record.actor}
            pipe.publish(keys.config_changed, orjson.dumps(event))


def pages_news(config: Configuration, keys: Keys) -> ConfigNews:
    """Only page memory (`dumb.ui`)."""
    return ConfigNews(_pages(config, keys), config.problem)


def whole_news(config: Configuration, keys: Keys, record: Record | None = None) -> ConfigNews:
    """Everything. `record`: the version that is new."""
    tree = {
        "file": config.file,
        "effective": config.effective,
        "overridden": [
            {
                "path": list(known.path),
                "name": known.name,
                "source": config.variables[known.name].source,
            }
            for known in config.state.overridden
        ],
        "captured": captured_logs(config.services(), config.log_dir),
    }
    values = {
        keys.config: orjson.dumps(tree),
        keys.config_version: str(config.version).encode(),
        **_pages(config, keys),
    }
    return ConfigNews(values, config.problem, record)


def _pages(config: Configuration, keys: Keys) -> dict[str, bytes]:
    """Both names stand for the same: page memory has no values in memory or of the environment."""
    data = orjson.Fragment(config.pages.data)
    return {
        keys.config_ui: orjson.dumps({"file": data, "effective": data}),
        keys.config_ui_revision: str(config.pages_revision).encode(),
    }


async def publish_config(redis: Redis, keys: Keys, config: Configuration) -> None:
    """Everything anew, at a connect. Raises what redis-py raises."""
    pipe = redis.pipeline(transaction=True)
    whole_news(config, keys).add_to(pipe, keys)
    pipe.delete(keys.config_versions)
    versions: dict[Any, Any] = {
        str(record.version): orjson.dumps(record.summary()) for record in config.history.records
    }
    if versions:
        pipe.hset(keys.config_versions, mapping=versions)
    await pipe.execute()
