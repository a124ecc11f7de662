"""Page memory: what web pages keep in `dumb.ui`. It is data for pages, and nothing interprets it.

`cut` is the one way from a parsed document to a `Config`, and everything that interprets a
configuration (services, schedules, dependencies, overrides, validation, secrets) takes a
`Config`. So a program that has only the document cannot interpret it, and one that interprets it
does not have the page memory. The two come together again in `join`, to be written or shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NewType

import orjson

from shared.config.document import TooLargeError, load_document
from shared.config.trees import deep_merge, too_deep

Config = NewType("Config", dict[str, Any])
"""A configuration tree without page memory."""

MAX_BYTES: Final = 64 << 10
"""Of page memory in all, as compact JSON in UTF-8."""
MAX_DEPTH: Final = 16
"""Levels of objects and lists, page memory itself included."""
KEPT_DEPTH: Final = 64
"""What an older version wrote may be nested as deeply as a configuration."""

_ROOT: Final = "dumb"
_KEY: Final = "ui"


class PagesError(ValueError):
    """Page memory cannot become so. `str(error)` is a sentence without its period."""


class PagesTooLargeError(PagesError):
    """It would be larger, or nested deeper, than page memory may be."""


@dataclass(frozen=True)
class Pages:
    """Page memory. `value` None: there is none. `place`: its index in `dumb`, None: the last."""

    value: Any = field(default=None, repr=False)
    place: int | None = None

    @cached_property
    def data(self) -> bytes:
        """Its JSON, as its size is measured. Call it for usable page memory only."""
        return orjson.dumps(self.value)

    @property
    def problem(self) -> str:
        """Why it cannot be kept and shown at all, or ""."""
        if self.value is not None and not isinstance(self.value, dict):
            return "dumb.ui must be an object"
        return _too_deep_by(KEPT_DEPTH) if too_deep(self.value, KEPT_DEPTH) else ""

    @property
    def excess(self) -> str:
        """Which limit page memory without a `problem` is beyond, or ""."""
        if too_deep(self.value, MAX_DEPTH):
            return _too_deep_by(MAX_DEPTH)
        return _too_large_by(len(self.data)) if len(self.data) > MAX_BYTES else ""

    def merged(self, posted: "Pages") -> "Pages":
        """What pages will remember: objects are merged, null forgets everything.

        What an older version wrote may be beyond the limits: it can shrink, but it cannot grow.

        Raises:
            PagesError: it is not an object.
            PagesTooLargeError: it is beyond the limits, and further than before.
        """
        if posted.value is None:
            return Pages(None, self.place)
        if not isinstance(posted.value, dict):
            raise PagesError(posted.problem)
        limit = max(len(self.data), MAX_BYTES)
        _check_size(posted, limit)  # quickly, before anything is done with megabytes
        after = Pages(deep_merge(self.value or {}, posted.value), self.place)
        _check_size(after, limit)
        if too_deep(after.value, max(_depth(self.value), MAX_DEPTH)):
            raise PagesTooLargeError(_too_deep_by(MAX_DEPTH))
        return after


NO_PAGES: Final = Pages()


def cut(document: Mapping[str, Any]) -> tuple[Config, Pages]:
    """What is interpreted, and what pages remember. The document itself is not changed.

    A `dumb` that holds nothing else is the same as none: saving page memory is no change of a
    `Config`.
    """
    dumb = document.get(_ROOT)
    if not isinstance(dumb, dict):
        return Config(dict(document)), NO_PAGES
    rest = {key: value for key, value in dumb.items() if key != _KEY}
    config = {key: rest if key == _ROOT else value for key, value in document.items()}
    if not rest:
        del config[_ROOT]
    pages = Pages(dumb[_KEY], list(dumb).index(_KEY)) if _KEY in dumb else NO_PAGES
    return Config(config), pages


def config_of(document: Mapping[str, Any]) -> Config:
    """What is interpreted of a document."""
    return cut(document)[0]


def join(config: Config, pages: Pages) -> dict[str, Any]:
    """The document, to be written: page memory stands where it stood."""
    return dict(config) if pages.value is None else _joined(config, pages.value, pages.place)


def shown(config: Config, pages: Pages) -> dict[str, Any]:
    """The document for `orjson.dumps`, which copies page memory instead of rendering it again."""
    return dict(config) if pages.value is None else _joined(config, orjson.Fragment(pages.data))


def _joined(config: Config, value: Any, place: int | None = None) -> dict[str, Any]:
    dumb = config.get(_ROOT)
    items = list(dumb.items()) if isinstance(dumb, dict) else []
    items.insert(len(items) if place is None else place, (_KEY, value))
    return {**config, _ROOT: dict(items)}


def load_config(path: Path) -> tuple[Config, Pages]:
    """Read the configuration file. Raises `ConfigError` as `load_document` does."""
    try:
        return cut(load_document(path))
    except TooLargeError as error:
        advice = (
            "Delete what makes it large: 'ui' in the object 'dumb' holds only what web pages "
            'remember, and can go (docs/operations.md, "A configuration that is too large")'
        )
        raise TooLargeError(f"{error.message}. {advice}", file=error.file) from None


def is_only_pages(updates: Mapping[str, Any]) -> bool:
    """Whether an update of the document is about page memory and nothing else."""
    dumb = updates.get(_ROOT)
    return len(updates) == 1 and isinstance(dumb, dict) and list(dumb) == [_KEY]


def _check_size(pages: Pages, limit: int) -> None:
    """Raises `PagesTooLargeError`."""
    try:
        size = len(pages.data)
    except TypeError:  # deeper than orjson goes
        raise PagesTooLargeError(_too_deep_by(MAX_DEPTH)) from None
    if size > limit:
        raise PagesTooLargeError(_too_large_by(size))


def _too_deep_by(limit: int) -> str:
    return f"dumb.ui is nested deeper than {limit} levels"


def _too_large_by(size: int) -> str:
    return f"dumb.ui: {size} bytes are more than the {MAX_BYTES >> 10} KiB that pages may keep"


def _depth(value: Any) -> int:
    return next(depth for depth in range(KEPT_DEPTH + 1) if not too_deep(value, depth))
