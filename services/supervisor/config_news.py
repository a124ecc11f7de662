"""The configuration as Redis has it (docs/protocol.md, "Configuration")."""

from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis

from services.supervisor.captured import captured_logs
from services.supervisor.config_history import KEPT, Record
from services.supervisor.configuration import Configuration
from shared.bus.claim import Command, Fence
from shared.bus.keys import Keys


@dataclass(frozen=True, slots=True)
class ConfigNews:
    """Strings to be set together, and the version that is announced."""

    values: dict[str, bytes] = field(repr=False)
    problem: str
    record: Record | None = None

    def commands(self, keys: Keys) -> list[Command]:
        """What sets all of it."""
        found: list[Command] = [("SET", key, value) for key, value in self.values.items()]
        if self.problem:
            found.append(("SET", keys.config_problem, self.problem))
        else:
            found.append(("DEL", keys.config_problem))
        record = self.record
        if record is not None:
            versions = keys.config_versions
            event = {"version": record.version, "at": record.at, "actor": record.actor}
            found += [
                ("HSET", versions, record.version, orjson.dumps(record.summary())),
                ("HDEL", versions, record.version - KEPT),
                ("PUBLISH", keys.config_changed, orjson.dumps(event)),
            ]
        return found


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


async def publish_config(redis: Redis, keys: Keys, fence: Fence, config: Configuration) -> None:
    """Everything anew, at a connect. Raises what redis-py raises."""
    versions: list[Command] = [
        ("HSET", keys.config_versions, record.version, orjson.dumps(record.summary()))
        for record in config.history.records
    ]
    news = whole_news(config, keys).commands(keys)
    await fence.write(redis, *news, ("DEL", keys.config_versions), *versions)
