"""The published configuration, as this replica reads it (docs/protocol.md, "config")."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.api.origins import NOT_CONFIGURED, Origins
from shared.bus.keys import Keys
from shared.bus.refusals import require_changes
from shared.config.pages import NO_PAGES, Config, Pages, config_of
from shared.config.services import ServiceBlock, walk_services
from shared.errors import DumbError

_log = logging.getLogger(__name__)

ORIGINS_S: Final = 1.0
"""How long a request waits for the origins of now."""


class ConfigAwayError(DumbError):
    """No configuration is published, or nothing usable."""

    code = "config_away"


@dataclass(frozen=True, slots=True)
class Published:
    """One version of the configuration. Do not change the trees."""

    version: str
    file: Config
    effective: Config
    services: list[ServiceBlock] = field(default_factory=list)
    by_name: dict[str, ServiceBlock] = field(default_factory=dict)
    origins: Origins = NOT_CONFIGURED
    overridden: list[dict[str, Any]] = field(default_factory=list)
    """`path`, `name` and `source` of what the environment decides."""
    captured: Mapping[str, str] = field(default_factory=dict)
    """The log that the supervisor captures, by the name of a service that names none itself."""
    pages: Pages = NO_PAGES
    pages_revision: str = ""

    @property
    def dumb(self) -> dict[str, Any]:
        """The `dumb` block, {} when there is none."""
        return _object(self.effective.get("dumb"))


class ConfigReader:
    """One `MGET` of the versions per request; the parsed copy is kept per version.

    `epoch` is a number that rises when Redis may have been replaced: a version number then says
    nothing any more.
    """

    def __init__(self, redis: Redis, keys: Keys, epoch: Callable[[], int]) -> None:
        self._redis = redis
        self._keys = keys
        self._epoch = epoch
        self._read_in = -1
        self._latest: Published | None = None

    async def read(self) -> Published:
        """The configuration of now.

        Raises:
            ConfigAwayError: none is published, or something that is none.
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        keys = self._keys
        version, revision = cast(
            "list[bytes | None]",
            await self._redis.mget(keys.config_version, keys.config_ui_revision),
        )
        if version is None:
            await require_changes(self._redis, keys)
            raise ConfigAwayError("The supervisor has not published a configuration yet.")
        latest, epoch = self._latest, self._epoch()
        if latest is None or latest.version != _text(version) or self._read_in != epoch:
            latest = await self._read_whole()
            self._latest, self._read_in = latest, epoch
        elif latest.pages_revision != _text(revision or b""):
            pages, revision = cast(
                "list[bytes | None]",
                await self._redis.mget(keys.config_ui, keys.config_ui_revision),
            )
            latest = self._latest = _with_pages(latest, pages, revision)
        return latest

    def peek(self) -> Published | None:
        """What was read last, without asking Redis."""
        return self._latest

    async def origins(self) -> Origins:
        """The origins of now; while Redis is away those of before, or the default ones."""
        try:
            async with asyncio.timeout(ORIGINS_S):
                return (await self.read()).origins
        except (ConfigAwayError, RedisError, OSError):  # a TimeoutError is an OSError
            return self._latest.origins if self._latest is not None else NOT_CONFIGURED

    async def _read_whole(self) -> Published:
        keys = self._keys
        names = (keys.config, keys.config_version, keys.config_ui, keys.config_ui_revision)
        data, version, pages, revision = cast("list[bytes | None]", await self._redis.mget(*names))
        try:
            int(version or b"")  # it goes into headers
            tree = orjson.loads(data or b"")
            file, effective = config_of(tree["file"]), config_of(tree["effective"])
            published = parse_published(_text(version or b""), file, effective)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _log.error("%s holds no configuration: %r", self._keys.config, error)
            raise ConfigAwayError("The published configuration is unreadable.") from error
        overridden = tree.get("overridden")
        if isinstance(overridden, list):
            published = replace(published, overridden=overridden)
        captured = _object(tree.get("captured"))  # not from a supervisor of before
        published = replace(published, captured=captured)
        return _with_pages(published, pages, revision)


def _with_pages(published: Published, data: bytes | None, revision: bytes | None) -> Published:
    """Page memory stands apart, for it changes at every page load."""
    published = replace(published, pages_revision=_text(revision or b""))
    if data is None:
        return published
    try:
        pages = Pages(orjson.loads(data)["effective"])
    except (ValueError, TypeError, KeyError) as error:
        _log.error("the published dumb.ui is unreadable: %r", error)
        return published
    if pages.problem:
        _log.error("the published page memory is left out: %s", pages.problem)
        return published
    return replace(published, pages=pages)


def parse_published(version: str, file: Config, effective: Config) -> Published:
    """Walk a configuration once."""
    services = walk_services(effective)
    by_name: dict[str, ServiceBlock] = {}
    for service in services:
        by_name.setdefault(service.process_name, service)
    frontend = _object(_object(effective.get("dumb")).get("frontend"))
    origins = Origins.of(frontend.get("origins"), frontend.get("port"))
    return Published(version, file, effective, services, by_name, origins)


def without_mail_secrets(effective: Config) -> Config:
    """What `GET /config` shows (contract rest.md 4.1): two places are blanked, nothing else.

    Clients write back what they read, so a mask elsewhere would destroy what it hides.
    """
    dumb = _object(effective.get("dumb"))
    notifications = _object(dumb.get("notifications"))
    protection = _object(dumb.get("media_protection"))
    changed = dict(dumb)
    if isinstance(notifications.get("destinations"), list):
        shown = [_blank_destination(d) for d in notifications["destinations"]]
        changed["notifications"] = {**notifications, "destinations": shown}
    if isinstance(protection.get("services"), list):
        shown = [_blank_key(s) for s in protection["services"]]
        changed["media_protection"] = {**protection, "services": shown}
    return Config({**effective, "dumb": changed}) if dumb else effective


def _blank_destination(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    blanks: dict[str, Any] = {"url": "", "headers": {}}
    return {**item, **{key: blank for key, blank in blanks.items() if key in item}}


def _blank_key(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return {**item, "api_key": "", "api_key_configured": bool(item.get("api_key"))}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
