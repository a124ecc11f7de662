"""The published configuration, as jobs need it."""

import logging
from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis import Redis

from services.jobs.schedule import Schedule
from services.jobs.seerr.roles import configured_interval
from shared.bus.keys import Keys
from shared.config.pages import Config, config_of
from shared.errors import DumbError
from shared.jobs import Kind

_log = logging.getLogger(__name__)


class NoConfigError(DumbError):
    """None is published, or something that is none."""

    code = "config_away"


@dataclass(frozen=True, slots=True)
class Published:
    """`file` is what stands in the file, `effective` that with memory and environment."""

    version: str
    file: Config
    effective: Config


def read_config(redis: Redis, keys: Keys) -> Published:
    """The configuration of now, without `dumb.ui`.

    Raises:
        NoConfigError: there is none that can be used.
        redis.exceptions.RedisError, OSError: Redis is away or refuses.
    """
    data, version = cast("list[bytes | None]", redis.mget(keys.config, keys.config_version))
    if data is None:
        raise NoConfigError("The supervisor has not published a configuration yet.")
    try:
        tree = orjson.loads(data)
        file, effective = config_of(tree["file"]), config_of(tree["effective"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NoConfigError("The published configuration is unreadable.") from error
    return Published((version or b"").decode("utf-8", "replace"), file, effective)


class ConfigWatch:
    """Notices new versions, and lets the schedule follow them within a second."""

    def __init__(self, redis: Redis, keys: Keys, schedule: Schedule) -> None:
        self._redis = redis
        self._keys = keys
        self._schedule = schedule
        self._version: bytes | None = None
        self._seerr: Any = None
        self._scheduling = False

    def look(self, *, scheduling: bool) -> None:
        """Read what is new. `scheduling`: this program is the one that has to act on it."""
        version = cast("bytes | None", self._redis.get(self._keys.config_version))
        if version == self._version and scheduling == self._scheduling:
            return
        try:
            config = read_config(self._redis, self._keys).effective
        except NoConfigError as error:
            _log.debug("%s", error)
            return
        known, self._version = self._version is not None, version
        began = scheduling and not self._scheduling
        self._scheduling = scheduling
        seerr = [config.get("seerr_sync"), config.get("seerr")]
        if not scheduling or (seerr == self._seerr and not began):
            return
        changed, self._seerr = seerr != self._seerr, seerr
        interval = configured_interval(config, _log)
        self._schedule.set_interval(Kind.SEERR_SYNC, interval, now=changed and known)
